// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/config_choice.h"
#include "app/cli/run_weights.h"
#include "app/cli/train_run.h"
#include "core/config/config.h"
#include "core/plan/fork.h"
#include "core/runs/fork.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct ForkOptions {
    ConfigChoice config; // what is other than in the parent
    std::string parent, name;
    std::vector<std::string> rest;
    int atStage = 0;
    bool noStart = false;
};

/// Beside the parent, unless the name is a path.
fs::path folderOf(const runs::RunFolder& parent, const ForkOptions& options)
{
    const auto beside = parent.root().parent_path();
    if (options.name.empty())
        return runs::newRunPath(beside, fmt::format("{}-fork-{}", parent.name(), options.atStage));
    return options.name.find('/') == std::string::npos ? beside / options.name : fs::path(absolutePath(options.name));
}

Result<runs::RunFolder> forkIt(const ForkOptions& options)
{
    const auto parent = runs::findRun(options.parent);
    if (!parent)
        return parent.error();
    const auto before = configOf(*parent);
    if (!before)
        return before.error();
    const Json base = config::write(*before);
    const auto config = resolveConfig(options.config, &base);
    if (!config)
        return config.error();
    const auto plan = planOf(*parent);
    if (!plan)
        return plan.error();
    const auto fork = plan::forkAt(*plan, *before, *config, options.atStage);
    if (!fork)
        return fork.error();
    runs::ForkRequest request{.parent = *parent,
                              .folder = folderOf(*parent, options),
                              .stage = options.atStage,
                              .stageId = fork->stage,
                              .step = fork->step,
                              .config = config::document(*config),
                              .plan = plan::toJson(fork->plan),
                              .changes = {}};
    for (const auto& each : config::difference(base, config::write(*config)))
        request.changes.push_back({each.path, each.before, each.after, false});
    return runs::forkRun(request);
}

int fork(ForkOptions options, Console& console)
{
    const auto flags = settingFlags(options.rest);
    if (!flags)
        return console.fail(flags.error());
    options.config.assignments.insert(options.config.assignments.end(), flags->begin(), flags->end());
    const auto made = forkIt(options);
    if (!made)
        return console.fail(made.error());
    if (!options.noStart) {
        console.note(fmt::format("Forked into {}", made->root().string()));
        TrainOptions training;
        training.resume = made->root().string();
        return trainAndTell(training, console);
    }
    console.result(
        {{"run", made->root().string()}, {"parent", options.parent}, {"at_stage", options.atStage}},
        fmt::format("Forked into {}. Train it with: espalier-cli train --resume {}", made->root().string(), made->root().string()));
    return 0;
}

} // namespace

void addFork(CLI::App& app, Program& program)
{
    auto options = std::make_shared<ForkOptions>();
    auto* command = addCommand(app, program, "fork", "Begin a new run at the end of a stage of another, and train it on",
                               [options, &program] { return fork(*options, program.console); });
    command->add_option("run", options->parent, "The run: its folder, or its name in the library")->required();
    command->add_option("--at-stage", options->atStage, "The last stage that both runs have, counted from 0")
        ->required()
        ->check(CLI::Range(0, 1'000'000));
    command->add_option("--name", options->name, "What the new run is called: a name beside the other, or a folder (default: after it)");
    command
        ->add_option("--set", options->config.assignments,
                     "A setting of the stages that follow, such as training.steps=80; may be given often, and as --training.steps=80")
        ->allow_extra_args(false);
    command->add_option("--devices", options->config.devices, "auto, cpu, cpu:N for N workers, or GPU numbers such as 0,1")->take_last();
    command->add_flag("--no-start", options->noStart, "Make the run and do not train it yet");
    command->allow_extras();
    command->parse_complete_callback([options, command] { options->rest = command->remaining(); });
}

} // namespace espalier::cli
