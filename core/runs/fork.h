// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/events.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace espalier::runs {

/// A new run that goes on from a checkpoint of another. What is decided about it (plan::forkAt) is decided by then.
struct ForkRequest {
    RunFolder parent;
    std::filesystem::path folder; // of the new run; must not be there yet
    int stage = 0;                // the last stage that both have, as a person counts
    std::string stageId;
    std::int64_t step = 0;           // where it ended
    Json config;                     // config.json of the new run
    Json plan;                       // and plan.json
    std::vector<Overridden> changes; // settings that are other than the parent's
};

/// Makes the run: a checkpoint that was verified (hard links where the disk has them), the history, curves and grids up to its step. Whole
/// or not at all: a kill leaves a hidden folder, which the next fork of that name removes. Reads the parent only, which may be training.
Result<RunFolder> forkRun(const ForkRequest& request);

} // namespace espalier::runs
