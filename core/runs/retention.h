// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/runs/metrics.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::runs {

struct StoredCheckpoint {
    std::int64_t step = 0;
    std::optional<MeasuredValue> metric;
    bool keptByHand = false; // a file `keep` lies in its folder
    bool keptForRun = false; // a stage boundary: kept as long as the run
};

/// Steps whose folders may go, oldest first. Pure. The newest is never among them.
std::vector<std::int64_t> checkpointsToRemove(const config::CheckpointConfig& config, std::vector<StoredCheckpoint> stored);
/// Why it stays: "newest", "last 3", "every 1000", "best", "by hand", "stage"; "" when it may go.
std::string keptBecause(const config::CheckpointConfig& config, const std::vector<StoredCheckpoint>& stored, std::int64_t step);

/// Whole checkpoints on disk (a manifest.json is there), by step. Metrics are not filled in.
std::vector<StoredCheckpoint> storedCheckpoints(const RunFolder& folder);
/// Marks a checkpoint as kept by hand, or not. Needs no lock.
Result<Done> keepCheckpoint(const RunFolder& folder, std::int64_t step, bool keep);

} // namespace espalier::runs
