// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>

namespace espalier::tests {

/// Images whose every byte tells their index; some of them broken.
class FakeDataset final : public data::Dataset {
public:
    explicit FakeDataset(std::int64_t size, std::set<std::int64_t> broken = {}) : m_size(size), m_broken(std::move(broken)) {}

    std::function<void(std::int64_t)> beforeRead; // may wait or throw

    std::int64_t size() const override { return m_size; }
    int side() const override { return 4; }
    const std::vector<std::string>& classNames() const override { return m_names; }
    std::int32_t label(std::int64_t index) const override { return static_cast<std::int32_t>(index % 3); }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        if (beforeRead)
            beforeRead(index);
        ++reads;
        std::fill(hwc.begin(), hwc.end(), std::uint8_t{0xEE}); // a broken image may leave anything
        if (m_broken.contains(index))
            return Error{ErrorCode::Format, "This image ends early.", {}};
        for (std::size_t i = 0; i < hwc.size(); ++i) // left and right differ, so that flips show
            hwc[i] = static_cast<std::uint8_t>((i / 3 % 4) * 64 + static_cast<std::size_t>(index) % 64);
        label = this->label(index);
        return Done{};
    }
    std::string nameOf(std::int64_t index) const override { return "image-" + std::to_string(index); }
    std::string description() const override { return "fake"; }
    std::string fingerprint() const override { return "fake"; }

    mutable std::atomic<int> reads{0};

private:
    std::int64_t m_size;
    std::set<std::int64_t> m_broken;
    std::vector<std::string> m_names{"a", "b", "c"};
};

} // namespace espalier::tests
