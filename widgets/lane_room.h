// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// How the lanes of a schedule share their room, in pixels.

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets::lanes {

inline constexpr int kHead = 30, kLane = 44, kGapBelow = 6;
inline constexpr double kMark = 12.0, kBetween = 1.5; // width of a search that takes no steps; half of what lies between two blocks
/// Up to so many lanes have room for words; more share that room, and none is thinner than the least.
inline constexpr int kWordLanes = 4, kWordLane = 22, kLaneGap = 3, kLeastLane = 4;
/// The button of a lane, where it is high enough for one, and how far behind the lane it stands.
inline constexpr int kButton = 20, kButtonGap = 5;

/// How thick each of so many lanes is, and what lies between two.
inline std::pair<double, double> thicknessOf(int count)
{
    if (count <= kWordLanes)
        return {kWordLane, kLaneGap};
    constexpr double kRoom = kWordLanes * (kWordLane + kLaneGap) - kLaneGap;
    const double gap = count <= 12 ? 2.0 : 1.0;
    return {std::max<double>(kLeastLane, std::floor((kRoom - gap * (count - 1)) / count)), gap};
}

/// How high so many lanes are together.
inline int heightOf(int count)
{
    const auto [lane, gap] = thicknessOf(count);
    return count <= 1 ? kLane : std::max(kLane, static_cast<int>(std::ceil(count * lane + (count - 1) * gap)));
}

/// Whether a block is a mark on the boundary: a search that takes no steps.
template <class Block>
bool isMark(const Block& block)
{
    return block.search && !(block.x1 > block.x0);
}

} // namespace espalier::widgets::lanes
