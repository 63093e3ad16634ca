// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"

#include <cstdint>

namespace espalier::config {

/// What a network is shown and draws: pixels, or latents that stand for them.
struct SeenImage {
    std::int64_t channels = 3, side = 32;
    std::int64_t pixels = 1; // along each position
};

/// The one answer to "what does the network of this configuration see".
inline SeenImage seenImage(const RunConfig& config)
{
    if (!config.latents.enabled)
        return {3, config.data.side, 1};
    return {LatentsConfig::kChannels, config.data.side / LatentsConfig::kFactor, LatentsConfig::kFactor};
}

} // namespace espalier::config
