// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>

namespace espalier::cli {

CLI::App* addCommand(CLI::App& app, Program& program, const char* name, const char* help, std::function<int()> run)
{
    auto* command = app.add_subcommand(name, help);
    command->add_flag("--json", program.console.json, "One JSON document on stdout");
    command->add_flag("--quiet,-q", program.console.quiet, "No notes and no progress");
    command->callback([&program, run = std::move(run)] { program.chosen = run; });
    return command;
}

} // namespace espalier::cli

int main(int argc, char** argv)
{
    using namespace espalier;
    std::signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is told as a write that failed
    cli::Program program;
    CLI::App app{"Espalier: train image models, watch them grow.", "espalier-cli"};
    app.set_version_flag("--version", std::string("espalier-cli ") + ESPALIER_VERSION);
    app.require_subcommand(1);
    cli::addTrain(app, program);
    cli::addSample(app, program);
    cli::addEvaluate(app, program);
    cli::addExport(app, program);
    cli::addInspect(app, program);
    cli::addPresets(app, program);
    cli::addControl(app, program);
    cli::addFork(app, program);
    cli::addAssemble(app, program);
    cli::addSearch(app, program);
    cli::addCompare(app, program);
    cli::addFollow(app, program);
    cli::addCacheLatents(app, program);
    cli::addBench(app, program);
    cli::addData(app, program);
    cli::addQueue(app, program);
    cli::addDevices(app, program);
    cli::addDoctor(app, program);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return program.chosen ? program.chosen() : 2;
    } catch (const std::exception& error) {
        return program.console.fail({ErrorCode::Internal, std::string("Something went wrong that should not: ") + error.what(), {}});
    }
}
