// SPDX-License-Identifier: Apache-2.0
#include "core/plan/division.h"

#include "core/plan/chain.h"

#include <cassert>
#include <numeric>
#include <optional>

namespace espalier::plan {
namespace {

constexpr const char* kEmbed = "embed";
constexpr const char* kHead = "head";
constexpr const char* kBlocks = "blocks";

std::vector<shapes::PartRange> partsOfLevel(const Division& division, std::size_t level)
{
    const auto at = static_cast<std::int64_t>(level);
    std::vector<shapes::PartRange> parts;
    if (level == 0)
        parts.push_back({"in_conv"});
    parts.push_back({"downsamples", at, at + 1});
    if (level + 1 == division.size())
        parts.push_back({"middle"});
    parts.push_back({"upsamples", at, at + 1});
    if (level == 0)
        parts.push_back({"out_conv"});
    return parts;
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

std::optional<Division> divisionIn(const config::ModelConfig& model)
{
    const auto* unet = std::get_if<config::UNetConfig>(&model);
    return unet ? std::optional(config::blocksOfLevels(*unet)) : std::nullopt;
}

config::ModelConfig withBlocks(const config::ModelConfig& model, const Division& division)
{
    if (const auto* unet = std::get_if<config::UNetConfig>(&model))
        return config::blocksOfLevels(*unet) == division ? *unet : config::withLevelBlocks(*unet, division);
    return withDepth(model, blocksOf(division));
}

std::vector<shapes::PartRange> partsOfModule(const config::ModelConfig& model, const Division& division, std::size_t module)
{
    if (std::holds_alternative<config::UNetConfig>(model))
        return partsOfLevel(division, module);
    std::vector<shapes::PartRange> parts;
    if (module == 0 && !std::holds_alternative<config::DitConfig>(model))
        parts.push_back({kEmbed});
    const auto begin = std::accumulate(division.begin(), division.begin() + static_cast<std::ptrdiff_t>(module), std::int64_t{0});
    parts.push_back({kBlocks, begin, begin + division[module]});
    if (module + 1 == division.size())
        parts.push_back({kHead});
    return parts;
}

std::optional<std::size_t> moduleOf(const config::ModelConfig& model, const Division& division, const shapes::PartRange& range)
{
    for (std::size_t module = 0; module < division.size(); ++module)
        for (const auto& part : partsOfModule(model, division, module))
            if (shapes::contains(part, range.part, range.begin))
                return module;
    return std::nullopt;
}

std::vector<PartSource> joined(const config::ModelConfig& model, const Division& division, const std::vector<ModuleOrigin>& origins,
                               const ModuleOrigin& shared)
{
    assert(origins.size() == division.size());
    std::vector<PartSource> sources;
    if (!moduleOf(model, division, {kEmbed}))
        sources.push_back(sourceOf(shared, {kEmbed}, {kEmbed}));
    for (std::size_t i = 0; i < division.size(); ++i) {
        const auto here = partsOfModule(model, division, i);
        const auto there = partsOfModule(model, origins[i].from == PartSource::From::Fresh ? division : origins[i].division, i);
        for (std::size_t part = 0; part < here.size(); ++part)
            sources.push_back(sourceOf(origins[i], here[part], there[part]));
    }
    return sources;
}

} // namespace espalier::plan
