// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"
#include "app/cli/signals.h"
#include "core/base/text.h"
#include "core/plan/assembled.h"
#include "core/plan/module_source.h"
#include "core/shapes/layouts.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <filesystem>
#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct AssembleOptions {
    std::string run, weights = "raw", to, out;
    std::vector<std::string> modules, swaps;
};

std::string located(const std::string& typed)
{
    if (const auto run = runs::findRun(typed))
        return run->root().string();
    return absolutePath(typed);
}

/// Modules in their order: those of a run, with some of them replaced, or files one by one.
Result<std::vector<std::string>> modulesOf(const AssembleOptions& options)
{
    if (options.run.empty() == options.modules.empty())
        return Error{
            ErrorCode::Usage, "Name either an assembled run, whose modules are joined, or the modules one by one with --modules.", {}};
    std::vector<std::string> modules;
    for (const auto& typed : options.modules)
        modules.push_back(located(typed));
    if (!options.run.empty()) {
        const auto run = runs::findRun(options.run);
        if (!run)
            return run.error();
        const auto first = plan::openModuleSource(run->root(), plan::moduleStage(0));
        if (!first)
            return first.error();
        modules.assign(first->division.size(), run->root().string());
    }
    for (const auto& swap : options.swaps) {
        const auto equals = swap.find('=');
        std::size_t place = 0;
        const auto number = swap.substr(0, equals);
        const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), place);
        if (equals == std::string::npos || problem != std::errc() || end != number.data() + number.size() || place >= modules.size())
            return Error{ErrorCode::Usage,
                         fmt::format("--swap {} must be the number of a module, from 0 to {}, and what takes its place: --swap 2=FILE.",
                                     swap, modules.empty() ? 0 : modules.size() - 1),
                         {}};
        modules[place] = located(swap.substr(equals + 1));
    }
    return modules;
}

int assemble(const AssembleOptions& options, Console& console)
{
    if (auto fine = checkWeightsName(options.weights); !fine)
        return console.fail(fine.error());
    const auto modules = modulesOf(options);
    if (!modules)
        return console.fail(modules.error());
    Signals signals;
    const Json request{{"modules", *modules}, {"weights", options.weights}, {"to", options.to}, {"out", absolutePath(options.out)}};
    const auto result = runJob({"assemble", request}, signals, console);
    if (!result)
        return console.fail(result.error());
    const auto division = result->value("division", std::vector<std::int64_t>());
    console.result(*result, fmt::format("Wrote {} ({}, {} parameters; {} modules of {} blocks)", textIn(*result, "file"),
                                        textIn(*result, "model"), groupedNumber(static_cast<std::int64_t>(numberIn(*result, "parameters"))),
                                        division.size(), fmt::join(division, ", ")));
    return 0;
}

} // namespace

void addAssemble(CLI::App& app, Program& program)
{
    auto options = std::make_shared<AssembleOptions>();
    auto* command = addCommand(app, program, "assemble", "Join modules that were trained apart into one model",
                               [options, &program] { return assemble(*options, program.console); });
    command->add_option("run", options->run, "An assembled run: its modules are joined");
    command->add_option("--modules", options->modules,
                        "The modules in their order: runs, checkpoint folders, files of the published code or ours");
    command->add_option("--swap", options->swaps, "Another module in the place of one, such as 2=FILE; may be given often")
        ->allow_extra_args(false);
    command->add_option("--weights", options->weights, "raw, ema or ema:DECAY such as ema:0.9999")->capture_default_str();
    command->add_option("--to", options->to, "For whom: safetensors, pt, timm, deep-incubation (default: by the name of the file)")
        ->check(CLI::IsMember(shapes::layoutNames()));
    command->add_option("--out", options->out, "The file to write")->required();
}

} // namespace espalier::cli
