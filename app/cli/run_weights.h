// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/run_job.h"
#include "app/cli/signals.h"
#include "app/cli/owned_run.h"
#include "core/config/run_config.h"

#include <functional>
#include <string>

namespace espalier::cli {

/// The newest checkpoint of a run and what is needed to name what comes of it.
struct NewestCheckpoint {
    std::filesystem::path folder;
    std::int64_t step = 0;
    int stage = 0;
};
Result<NewestCheckpoint> newestCheckpoint(const runs::RunFolder& run);
/// The configuration that a run has now.
Result<config::RunConfig> configOf(const runs::RunFolder& run);
/// The same with some settings of one group laid over; fails with the sentence of the setting.
Result<config::RunConfig> configOf(const runs::RunFolder& run, const char* group, const Json& overlay);

/// A job on the weights of a run at rest: takes its lock and keeps its lease alive while the worker works, hands what came of it to
/// `write` while the pen is ours, and leaves the run's state as it was.
Result<Json> jobOnRun(const runs::RunFolder& run, Job job, const std::function<Result<Done>(OwnedRun&, Json& result)>& write,
                      Signals& signals, Console& console);

} // namespace espalier::cli
