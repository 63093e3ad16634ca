// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/runs/events.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <optional>

namespace espalier::runs {

/// How far a run is, and how far it is to go.
struct Progress {
    std::int64_t step = 0, ofSteps = 0; // ofSteps 0: not limited by steps, or not known yet
    double images = 0.0, ofImages = 0.0;
    double seconds = 0.0, ofSeconds = 0.0; // training time
    double imagesPerSecond = 0.0;
    double fraction = 0.0;            // 0 … 1, of the limit that is nearest
    std::optional<double> etaSeconds; // while it trains

    /// Sets where it is to end, as `started` says or, before that was told, the configuration of the run (the object of config.json); and
    /// from that and what is done, the fraction. An assembled schedule counts the steps of its stages: before it has started nothing is
    /// known.
    void measure(const std::optional<Started>& started, const Json& config, RunState state);
};

} // namespace espalier::runs
