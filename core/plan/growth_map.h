// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace espalier::plan {

/// AutoProg's map of depths: growing `from` blocks to `to` >= from, the first from - to mod from blocks are repeated to div from times in
/// place and the others once more. The source of each block of the deeper network.
std::vector<std::int64_t> depthMap(std::int64_t from, std::int64_t to);
/// Positions of the deeper network whose source is that of the position before: the copies.
std::vector<std::int64_t> newPositions(std::int64_t from, std::int64_t to);
/// Which blocks of a supernet of `most` blocks run in its sub-net of `depth`: all but the copies of the map least -> most, and the last
/// depth - least of the copies. The smallest has no copies; a smaller one's blocks are among a larger one's.
std::vector<bool> keptBlocks(std::int64_t least, std::int64_t depth, std::int64_t most);

/// AutoProg's rounding to multiples of d: max(d, floor(trunc(x + d/2) / d) d), one multiple more where that is under 0.9 x.
std::int64_t roundTo(double x, std::int64_t d);
/// A value that grows evenly from start * most at stage 0 to `most` at the last, rounded to multiples.
std::vector<std::int64_t> growing(double start, std::int64_t most, std::int64_t multiple, std::int64_t stages);

/// AutoProg-Zero: blocks that train at a level from 1 to `levels`: those whose number mod levels is below it. `literal`: as the published
/// code has it, which compares names by their beginnings, so that what level 2 adds as "block 1" also matches 10 to 19.
std::vector<bool> unfrozenBlocks(std::int64_t depth, std::int64_t level, std::int64_t levels, bool literal);

} // namespace espalier::plan
