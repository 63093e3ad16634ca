// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"

#include <functional>

namespace CLI {
class App;
}

namespace espalier::cli {

/// What the subcommands share. Parsing fills `chosen`; main runs it afterwards and gives its exit status.
struct Program {
    Console console;
    std::function<int()> chosen;
};

/// A subcommand with --json and --quiet; `run` is called after everything was parsed.
CLI::App* addCommand(CLI::App& app, Program& program, const char* name, const char* help, std::function<int()> run);

// One file each.
void addTrain(CLI::App& app, Program& program);
void addSample(CLI::App& app, Program& program);
void addEvaluate(CLI::App& app, Program& program);
void addExport(CLI::App& app, Program& program);
void addInspect(CLI::App& app, Program& program);
void addPresets(CLI::App& app, Program& program);
void addControl(CLI::App& app, Program& program);
void addAssemble(CLI::App& app, Program& program);
void addFork(CLI::App& app, Program& program);
void addSearch(CLI::App& app, Program& program);
void addCompare(CLI::App& app, Program& program);
void addFollow(CLI::App& app, Program& program);
void addBench(CLI::App& app, Program& program);
void addCacheLatents(CLI::App& app, Program& program);
void addData(CLI::App& app, Program& program);
void addDoctor(CLI::App& app, Program& program);
void addDevices(CLI::App& app, Program& program);
void addQueue(CLI::App& app, Program& program);

} // namespace espalier::cli
