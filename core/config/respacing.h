// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier::config {

/// Levels that a sampler visits, ascending, as ADM and DiT write them: "250" takes so many evenly with both ends, "10,15,20" cuts the
/// levels into equal sections and takes so many evenly from each, "ddim50" takes every i-th from 0 on, i so that there are exactly 50.
/// The message of an error goes on after the name of the setting: "must be …".
Result<std::vector<std::int64_t>> respacedLevels(std::string_view text, std::int64_t timesteps);

} // namespace espalier::config
