// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/config_choice.h"
#include "app/cli/console.h"
#include "app/cli/signals.h"
#include "core/config/config.h"
#include "core/runs/rendezvous.h"
#include "core/runs/run_folder.h"
#include "core/runs/run_state.h"

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace espalier::cli {

/// What train, search and fork say about the run that they train.
struct TrainOptions {
    ConfigChoice config;
    std::string run, resume;
    std::vector<std::string> rest;
    bool fresh = false, dryRun = false, force = false;
    bool queued = false;     // wait until its devices are free
    bool searchOnly = false; // leave when the next search has found its answer
};
void addTrainOptions(CLI::App& command, TrainOptions& options);
/// Settings typed as flags of their own.
Result<Done> readFlags(TrainOptions& options);

/// Which folder this command is about. Makes nothing.
Result<runs::RunFolder> folderOf(const TrainOptions& options);

/// The configuration of an existing run and what this command changes in it.
struct Change {
    std::vector<config::Difference> differences;
    config::RunConfig config;
};
/// Refuses what may not change.
Result<Change> changeOf(const runs::RunFolder& folder, const TrainOptions& options);
/// What can be said before anything is made or locked. A run that `begins` needs the weights that it begins with.
Result<Done> checkPlan(const config::RunConfig& config, const runs::Rendezvous& place, bool begins);

/// Makes the run where there is none, and trains it until it rests.
Result<runs::RunState> trainRun(const TrainOptions& options, const runs::RunFolder& folder, Signals& signals, Console& console);
/// The same, tells how it ended and gives the exit status.
int trainAndTell(const TrainOptions& options, Console& console);

} // namespace espalier::cli
