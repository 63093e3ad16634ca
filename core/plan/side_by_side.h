// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace espalier::plan {

/// Stages of branches that have not ended, while everything before them has: those that can be trained now, in the order of the plan.
std::vector<Stage> openBranches(const Plan& plan);

/// How many stages of branches train at once: as schedule.at_once says, or one for each device, and never more than there are.
std::int64_t placesFor(const Plan& plan, const config::RunConfig& config, std::int64_t devices);

/// How stages side by side change how long a run takes.
struct SideBySide {
    std::int64_t branches = 0, devices = 1, places = 1; // places: so many train at once
    double deviceFlops = 0.0;                           // what all stages take together
    double wallFlops = 0.0;                             // what one device could do in the time that the run takes
    std::optional<double> wallSeconds;                  // where an ended stage tells the pace of a device
};
/// `flops` of every stage, in the order of the plan. Nothing for a plan without branches, or where the cost of a stage is not known.
std::optional<SideBySide> sideBySide(const Plan& plan, const config::RunConfig& config, std::int64_t devices,
                                     const std::vector<std::optional<double>>& flops);

} // namespace espalier::plan
