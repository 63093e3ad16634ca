// SPDX-License-Identifier: Apache-2.0
#include "core/plan/division.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <optional>

namespace espalier::plan {
namespace {

constexpr const char* kEmbed = "embed";
constexpr const char* kHead = "head";
constexpr const char* kBlocks = "blocks";

shapes::PartRange blocksOf(const Division& division, std::size_t module)
{
    const auto begin = std::accumulate(division.begin(), division.begin() + static_cast<std::ptrdiff_t>(module), std::int64_t{0});
    return {kBlocks, begin, begin + division[module]};
}

/// The module that has a part which is there once; none for what every block listens to.
std::optional<std::size_t> ownerOf(const config::ModelConfig& model, const Division& division, const std::string& part)
{
    if (part == kHead)
        return division.size() - 1;
    return std::holds_alternative<config::DitConfig>(model) ? std::nullopt : std::optional<std::size_t>(0);
}

PartSource sourceOf(const ModuleOrigin& origin, shapes::PartRange to, shapes::PartRange there)
{
    if (origin.from == PartSource::From::Fresh)
        return {.to = std::move(to)};
    return {std::move(to), origin.from, origin.which, std::move(there), origin.weights};
}

} // namespace

std::int64_t blocksOf(const Division& division)
{
    return std::accumulate(division.begin(), division.end(), std::int64_t{0});
}

Division inside(const Division& meta, const Division& whole, std::size_t module)
{
    auto division = meta;
    division[module] = whole[module];
    return division;
}

std::vector<shapes::PartRange> partsOfModule(const config::ModelConfig& model, const Division& division, std::size_t module)
{
    std::vector<shapes::PartRange> parts;
    if (ownerOf(model, division, kEmbed) == module)
        parts.push_back({kEmbed});
    parts.push_back(blocksOf(division, module));
    if (ownerOf(model, division, kHead) == module)
        parts.push_back({kHead});
    return parts;
}

std::vector<PartSource> joined(const config::ModelConfig& model, const Division& division, const std::vector<ModuleOrigin>& origins,
                               const ModuleOrigin& shared)
{
    assert(origins.size() == division.size());
    std::vector<PartSource> sources;
    const auto single = [&](const char* part) {
        const auto owner = ownerOf(model, division, part);
        sources.push_back(sourceOf(owner ? origins[*owner] : shared, {part}, {part}));
    };
    single(kEmbed);
    for (std::size_t i = 0; i < division.size(); ++i) {
        const auto& origin = origins[i];
        sources.push_back(sourceOf(origin, blocksOf(division, i),
                                   origin.from == PartSource::From::Fresh ? shapes::PartRange{} : blocksOf(origin.division, i)));
    }
    single(kHead);
    return sources;
}

} // namespace espalier::plan
