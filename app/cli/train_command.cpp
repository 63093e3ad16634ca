// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/devices.h"
#include "app/cli/plan_text.h"
#include "app/cli/run_job.h"
#include "app/cli/train_run.h"
#include "core/base/text.h"
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/data/dataset.h"
#include "core/data/feature_folder.h"
#include "core/plan/strategy.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace espalier::cli {
namespace {

std::string batchText(const config::RunConfig& config, int world, const config::BatchSplit& split)
{
    return fmt::format("batch {} = {} worker{} x {} image{} x {} pass{}, learning rate {}\n", split.globalBatch(), world,
                       world == 1 ? "" : "s", split.microBatch, split.microBatch == 1 ? "" : "s", split.accumulation,
                       split.accumulation == 1 ? "" : "es", config::effectiveLearningRate(config.training));
}

struct Planned {
    plan::Plan plan;
    std::int64_t images = 0; // of the set
};

Result<Planned> planned(const config::RunConfig& config, std::int64_t images)
{
    auto plan = plan::makeStrategy(config, {images})->begin();
    if (!plan)
        return plan.error();
    return Planned{*std::move(plan), images};
}

/// Every stage as it will be, checked before anything is made.
Result<Planned> plannedStages(const config::RunConfig& config)
{
    if (config.data.source == config::DataSource::Features) {
        const auto folder = data::openFeatureFolder(
            config.data.path, {.side = static_cast<int>(config.data.side), .classes = config::classesOf(config.model)});
        if (!folder)
            return folder.error();
        return planned(config, (*folder)->size());
    }
    const auto images = data::open(config.data, data::Split::Train, runs::dataFolder(), {});
    if (!images)
        return images.error();
    return planned(config, (*images)->size());
}

/// Validates, prints the plan, and lets the worker build the stage and take one step. Makes no folder.
int dryRun(const TrainOptions& options, const runs::RunFolder& folder, Signals& signals, Console& console)
{
    const bool exists = runs::isRunFolder(folder.root());
    Result<config::RunConfig> config = Error{};
    if (exists) {
        auto change = changeOf(folder, options);
        config = change ? Result<config::RunConfig>(change->config) : Result<config::RunConfig>(change.error());
    } else {
        config = resolveConfig(options.config);
    }
    if (!config)
        return console.fail(config.error());
    if (auto fine = checkPlan(*config, {}, !exists); !fine)
        return console.fail(fine.error());
    const auto devices = devicesFor(config->devices);
    if (!devices)
        return console.fail(devices.error());
    const auto split = config::deriveBatch(config->training, static_cast<int>(devices->size()));
    if (!split)
        return console.fail(split.error());
    const auto planned = plannedStages(*config);
    if (!planned)
        return console.fail(planned.error());
    const auto& [plan, images] = *planned;
    const auto text = planText(plan, *config, images) + batchText(*config, static_cast<int>(devices->size()), *split);
    if (!console.json)
        console.note(text.substr(0, text.size() - 1));
    auto rehearsed = *config;
    if (exists)
        rehearsed.init.from.clear(); // it has weights of its own by now
    const Job job{"dry-run", {{"config", config::write(rehearsed)}, {"world", devices->size()}}, {devices->front()}};
    auto result = runJob(job, signals, console);
    if (!result)
        return console.fail(result.error());
    Json json{{"config", config::write(*config)},
              {"devices", *devices},
              {"batch", {{"global", split->globalBatch()}, {"micro", split->microBatch}, {"accumulation", split->accumulation}}},
              {"plan", text},
              {"stages", planDocument(plan, *config, images)},
              {"step", *result}};
    if (auto side = sideBySideDocument(plan, *config, images); !side.is_null())
        json["side_by_side"] = std::move(side);
    std::string said = "One step was taken";
    if (const auto loss = result->find("loss"); loss != result->end() && loss->is_number())
        said += fmt::format(", loss {:.4g}", loss->get<double>());
    if (const auto count = result->find("parameters"); count != result->end() && count->is_number_integer())
        said += fmt::format(", {} parameters", groupedNumber(count->get<std::int64_t>()));
    console.result(json, said + ". Nothing was written.");
    return 0;
}

int train(TrainOptions options, Console& console)
{
    if (auto read = readFlags(options); !read)
        return console.fail(read.error());
    if (!options.dryRun)
        return trainAndTell(options, console);
    const auto folder = folderOf(options);
    if (!folder)
        return console.fail(folder.error());
    Signals signals;
    return dryRun(options, *folder, signals, console);
}

} // namespace

void addTrain(CLI::App& app, Program& program)
{
    auto options = std::make_shared<TrainOptions>();
    auto* command = addCommand(app, program, "train", "Train a run, or go on with one",
                               [options, &program] { return train(*options, program.console); });
    addTrainOptions(*command, *options);
    command->add_flag("--queue", options->queued, "Wait until its devices are free; espalier-cli queue shows who waits");
    command->add_flag("--dry-run", options->dryRun, "Check everything, build the model and take one step; write nothing");
}

} // namespace espalier::cli
