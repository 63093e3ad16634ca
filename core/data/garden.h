// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"

#include <cstdint>
#include <memory>
#include <span>

namespace espalier::data {

/// Changes whenever a picture changes: part of the fingerprint of a run.
inline constexpr int kGardenVersion = 1;

/// The class of picture `index`: a pure function, uniform over the ten classes.
std::int32_t gardenLabel(std::uint64_t seed, Split split, std::int64_t index);
/// Draws picture `index` of the built-in set, side × side × 3 bytes: the same scene at every side, the same bytes on every machine.
void drawGarden(std::uint64_t seed, Split split, std::int64_t index, int side, std::span<std::uint8_t> hwc);

/// The built-in set: labelled pictures in the manner of a children's book of plants, drawn when they are read. Nothing is stored.
Result<std::shared_ptr<const Dataset>> openGarden(std::uint64_t seed, Split split, std::int64_t size, int side);

} // namespace espalier::data
