// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/plan_text.h"
#include "app/cli/run_weights.h"
#include "app/cli/train_run.h"
#include "core/plan/strategy.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace espalier::cli {
namespace {

/// The stage whose search was measured last.
const plan::Stage* searchedLast(const plan::Plan& plan)
{
    for (auto measurement = plan.ledger.rbegin(); measurement != plan.ledger.rend(); ++measurement)
        for (const auto& stage : plan.stages)
            if (measurement->id.starts_with(stage.id + ":"))
                return &stage;
    return nullptr;
}

int tellFound(const runs::RunFolder& run, std::size_t before, Console& console)
{
    const auto plan = planOf(run);
    if (!plan)
        return console.fail(plan.error());
    const auto config = configOf(run);
    if (!config)
        return console.fail(config.error());
    const auto* stage = searchedLast(*plan);
    if (plan->ledger.size() == before || !stage) {
        const auto next =
            std::ranges::find_if(plan->stages, [&](const plan::Stage& each) { return !plan::findMeasurement(*plan, each.id); });
        if (next == plan->stages.end())
            return console.fail(
                {ErrorCode::Usage, fmt::format("{} has trained all of its stages: there is nothing to search.", run.name()), {}});
        return console.fail(
            {ErrorCode::Usage,
             fmt::format("{} has nothing to search now: {} is to be trained next. Train it on: espalier-cli train --resume {}", run.name(),
                         next->id, run.root().string()),
             {}});
    }
    console.result(
        {{"run", run.root().string()}, {"stage", stage->index}, {"id", stage->id}, {"search", searchDocument(*plan, *stage, *config)}},
        fmt::format("Search for stage {} of {}:\n{}Train on with what was found: espalier-cli train --resume {}", stage->index, run.name(),
                    searchText(*plan, *stage, *config), run.root().string()));
    return 0;
}

int search(TrainOptions options, Console& console)
{
    if (auto read = readFlags(options); !read)
        return console.fail(read.error());
    const auto folder = folderOf(options);
    if (!folder)
        return console.fail(folder.error());
    const auto known = planOf(*folder);
    const auto before = known ? known->ledger.size() : 0;
    Signals signals;
    const auto ended = trainRun(options, *folder, signals, console);
    if (!ended)
        return console.fail(ended.error());
    return tellFound(*folder, before, console);
}

} // namespace

void addSearch(CLI::App& app, Program& program)
{
    auto options = std::make_shared<TrainOptions>();
    options->searchOnly = true;
    auto* command = addCommand(app, program, "search", "Search for the size of the next stage of a run, new or at rest, and leave it there",
                               [options, &program] { return search(*options, program.console); });
    command->add_option("RUN", options->resume, "A run at rest: its folder, or its name in the library");
    addTrainOptions(*command, *options);
}

} // namespace espalier::cli
