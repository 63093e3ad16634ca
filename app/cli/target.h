// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/control.h"
#include "core/runs/run_folder.h"

#include "app/cli/console.h"
#include "app/cli/run_job.h"
#include "app/cli/signals.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace espalier::cli {

/// What --checkpoint names.
struct Target {
    std::filesystem::path path;         // a run, a checkpoint folder or a safetensors file; absolute
    std::optional<runs::RunFolder> run; // whose newest checkpoint is meant
    std::int64_t step = -1;             // of a checkpoint folder
};
/// A run (folder or name in the library), optionally at a step; a checkpoint folder; a file.
Result<Target> findTarget(const std::string& typed, std::int64_t step = -1);

/// Sends a wish to a live run and waits for its answer (or, for pause and stop, until the run rests). Gives what the events said:
/// {"wish", "id", "answer", "granted", "events": […]}.
Result<Json> askRun(const runs::RunFolder& run, runs::WishKind kind, Json options, Signals& signals, Console& console,
                    std::chrono::seconds patience);

/// sample and evaluate: on a live run a wish, on a run at rest a job that holds its lock and adds its events, else a job alone.
/// `wishable`: false when the options ask for what a wish cannot (a folder of its own).
Result<Json> jobOrWish(const Target& target, runs::WishKind kind, bool wishable, const Json& wishOptions, const Json& request,
                       Signals& signals, Console& console);

/// "samples" -> {"kind": "ddim", "steps": 50}: sampler options as settings; an empty object when none was given.
struct SamplerFlags {
    std::string kind, subsequence;
    std::optional<std::int64_t> steps;
    std::optional<double> eta;
    Json overlay() const;
};

} // namespace espalier::cli
