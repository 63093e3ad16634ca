// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/data/dataset.h"
#include "core/data/order.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>

namespace espalier::data {

/// Reads the image of that index, wherever it goes.
using ReadImage = std::function<Result<Done>(std::int64_t index)>;

/// What is done about images that cannot be read: each is named once, counted, and replaced by the next of the list, as long as they
/// are no more than one in a hundred. Every method may be called from any thread.
class BrokenImages {
public:
    BrokenImages(const Dataset& dataset, Log log) : m_dataset(dataset), m_log(std::move(log)) {}

    /// The image at `position` of the list, or the first readable one after it. Errors end the run: too many are broken, or it is no
    /// matter of one image (no memory, a bug).
    Result<Done> readFrom(const Permutation& order, std::int64_t position, const ReadImage& read);
    std::int64_t count() const { return m_count.load(); }

private:
    bool isKnown(std::int64_t index);
    /// Whether there may be one more.
    Result<Done> remember(std::int64_t index, const Error& why);

    const Dataset& m_dataset;
    const Log m_log;
    std::mutex m_mutex;
    std::set<std::int64_t> m_indices;
    std::atomic<std::int64_t> m_count{0};
};

} // namespace espalier::data
