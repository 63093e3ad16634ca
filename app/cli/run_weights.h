// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"
#include "app/cli/signals.h"
#include "app/cli/owned_run.h"
#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <functional>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace espalier::cli {

/// A checkpoint of a run and what is needed to name what comes of it.
struct ChosenCheckpoint {
    std::filesystem::path folder;
    std::int64_t step = 0;
    int stage = 0;
};
/// The one at the end of a stage, as a person counts; without a number the newest.
Result<ChosenCheckpoint> checkpointOf(const runs::RunFolder& run, std::optional<int> atStage = {});
/// --at-stage of commands that work on weights.
void addAtStage(CLI::App& command, std::optional<int>& atStage);
/// Weights as typed, or with a stage the checkpoint of the run at its end.
Result<Weights> atStage(Weights weights, std::optional<int> stage);
/// plan.json of a run; Usage error when it has none yet.
Result<plan::Plan> planOf(const runs::RunFolder& run);
/// The configuration that a run has now.
Result<config::RunConfig> configOf(const runs::RunFolder& run);
/// The same with some settings of one group laid over; fails with the sentence of the setting.
Result<config::RunConfig> configOf(const runs::RunFolder& run, const char* group, const Json& overlay);

/// A job on the weights of a run at rest: takes its lock and keeps its lease alive while the worker works, hands what came of it to
/// `write` while the pen is ours, and leaves the run's state as it was.
Result<Json> jobOnRun(const runs::RunFolder& run, Job job, const std::function<Result<Done>(OwnedRun&, Json& result)>& write,
                      Signals& signals, Console& console);

} // namespace espalier::cli
