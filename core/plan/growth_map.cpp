// SPDX-License-Identifier: Apache-2.0
#include "core/plan/growth_map.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

namespace espalier::plan {

std::vector<std::int64_t> depthMap(std::int64_t from, std::int64_t to)
{
    assert(from >= 1 && to >= from);
    const std::int64_t copies = to / from, more = to % from;
    std::vector<std::int64_t> sources;
    for (std::int64_t block = 0; block < from; ++block)
        sources.insert(sources.end(), static_cast<std::size_t>(block < from - more ? copies : copies + 1), block);
    return sources;
}

std::vector<std::int64_t> newPositions(std::int64_t from, std::int64_t to)
{
    const auto sources = depthMap(from, to);
    std::vector<std::int64_t> positions;
    for (std::size_t i = 1; i < sources.size(); ++i)
        if (sources[i] == sources[i - 1])
            positions.push_back(static_cast<std::int64_t>(i));
    return positions;
}

std::vector<bool> keptBlocks(std::int64_t least, std::int64_t depth, std::int64_t most)
{
    assert(least <= depth && depth <= most);
    std::vector<bool> kept(static_cast<std::size_t>(most), true);
    const auto copies = newPositions(least, most);
    for (std::size_t i = 0; i + static_cast<std::size_t>(depth - least) < copies.size(); ++i)
        kept[static_cast<std::size_t>(copies[i])] = false;
    return kept;
}

std::int64_t roundTo(double x, std::int64_t d)
{
    const auto multiple = static_cast<double>(d);
    const auto halfUp = std::trunc(x + multiple / 2.0);
    auto rounded = std::max(d, static_cast<std::int64_t>(std::floor(halfUp / multiple)) * d);
    if (static_cast<double>(rounded) < 0.9 * x)
        rounded += d;
    return rounded;
}

std::vector<std::int64_t> growing(double start, std::int64_t most, std::int64_t multiple, std::int64_t stages)
{
    std::vector<std::int64_t> values;
    for (std::int64_t k = 0; k < stages; ++k) {
        const double scale = stages == 1 ? 1.0 : start + (1.0 - start) * static_cast<double>(k) / static_cast<double>(stages - 1);
        values.push_back(std::min(most, roundTo(scale * static_cast<double>(most), multiple)));
    }
    values.back() = most;
    return values;
}

std::vector<bool> unfrozenBlocks(std::int64_t depth, std::int64_t level, std::int64_t levels, bool literal)
{
    std::vector<bool> trained(static_cast<std::size_t>(depth));
    for (std::int64_t block = 0; block < depth; ++block)
        trained[static_cast<std::size_t>(block)] = block % levels < level;
    if (!literal)
        return trained;
    // Names of level 1 are compared whole, those that later levels add by their beginnings.
    for (std::int64_t added = 0; added < depth; ++added) {
        if (added % levels == 0 || added % levels >= level)
            continue;
        for (std::int64_t block = 0; block < depth; ++block)
            if (std::to_string(block).starts_with(std::to_string(added)))
                trained[static_cast<std::size_t>(block)] = true;
    }
    return trained;
}

} // namespace espalier::plan
