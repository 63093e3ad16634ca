// SPDX-License-Identifier: Apache-2.0
#include "core/data/subset.h"

#include "core/base/files.h"
#include "core/base/philox.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace espalier::data {
namespace {

class SubsetOfImages final : public Dataset {
public:
    SubsetOfImages(std::shared_ptr<const Dataset> images, std::vector<std::int64_t> places)
        : m_images(std::move(images)), m_places(std::move(places)),
          m_fingerprint(sha256(std::as_bytes(std::span(m_places.data(), m_places.size()))))
    {
    }
    std::int64_t size() const override { return std::ssize(m_places); }
    int side() const override { return m_images->side(); }
    const std::vector<std::string>& classNames() const override { return m_images->classNames(); }
    std::int32_t label(std::int64_t index) const override { return m_images->label(at(index)); }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        return m_images->read(at(index), hwc, label);
    }
    bool hasPixels() const override { return m_images->hasPixels(); }
    Result<formats::Image> original(std::int64_t index, std::int32_t& label) const override { return m_images->original(at(index), label); }
    std::string nameOf(std::int64_t index) const override { return m_images->nameOf(at(index)); }
    std::string description() const override { return fmt::format("{}; {} of them", m_images->description(), size()); }
    std::string fingerprint() const override { return fmt::format("{}-{}", m_images->fingerprint(), m_fingerprint.substr(0, 16)); }
    std::int64_t skippedFiles() const override { return m_images->skippedFiles(); }

private:
    std::int64_t at(std::int64_t index) const { return m_places[static_cast<std::size_t>(index)]; }
    const std::shared_ptr<const Dataset> m_images;
    const std::vector<std::int64_t> m_places;
    const std::string m_fingerprint;
};

class SubsetOfLatents final : public LatentSet {
public:
    SubsetOfLatents(std::shared_ptr<const LatentSet> latents, std::vector<std::int64_t> places)
        : m_latents(std::move(latents)), m_places(std::move(places))
    {
    }
    LatentLayout layout() const override { return m_latents->layout(); }
    Result<Done> readLatents(std::int64_t index, bool mirrored, std::span<float> values, std::int32_t& label) const override
    {
        return m_latents->readLatents(m_places[static_cast<std::size_t>(index)], mirrored, values, label);
    }

private:
    const std::shared_ptr<const LatentSet> m_latents;
    const std::vector<std::int64_t> m_places;
};

} // namespace

std::vector<std::int64_t> balancedPlaces(const Dataset& images, std::int64_t count, std::uint64_t seed)
{
    std::map<std::int32_t, std::vector<std::pair<std::uint64_t, std::int64_t>>> classes; // drawn, place
    for (std::int64_t i = 0; i < images.size(); ++i) {
        const auto words = drawBlock(seed, Stream::Subset, static_cast<std::uint64_t>(i), 0, 0);
        classes[images.label(i)].emplace_back(std::uint64_t{words.word[0]} << 32 | words.word[1], i);
    }
    // Each image at its share of the way through its class: the first `count` of all classes together.
    std::vector<std::tuple<double, std::int32_t, std::int64_t>> order;
    for (auto& [label, each] : classes) {
        std::ranges::sort(each);
        for (std::size_t rank = 0; rank < each.size(); ++rank)
            order.emplace_back((static_cast<double>(rank) + 0.5) / static_cast<double>(each.size()), label, each[rank].second);
    }
    std::ranges::sort(order);
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < order.size() && std::ssize(places) < count; ++i)
        places.push_back(std::get<2>(order[i]));
    std::ranges::sort(places);
    return places;
}

std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> images, std::vector<std::int64_t> places)
{
    return std::make_shared<SubsetOfImages>(std::move(images), std::move(places));
}

std::shared_ptr<const LatentSet> subset(std::shared_ptr<const LatentSet> latents, std::vector<std::int64_t> places)
{
    return std::make_shared<SubsetOfLatents>(std::move(latents), std::move(places));
}

} // namespace espalier::data
