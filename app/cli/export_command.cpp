// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/job_options.h"
#include "app/cli/run_weights.h"
#include "app/cli/scalars_table.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/runs/follower.h"
#include "core/shapes/layouts.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct ExportOptions {
    std::string run, checkpoint, what = "weights", weights = "ema", to, out, configFile;
    std::vector<std::string> tags;
    std::optional<int> atStage;
};

/// Exporting reads whole checkpoints only, so it needs no lock and works while the run trains.
int exportWeights(const ExportOptions& options, const Weights& weights, Console& console)
{
    if (auto fine = checkWeightsName(options.weights); !fine)
        return console.fail(fine.error());
    const auto config = ownConfigOf(weights, options.configFile);
    if (!config)
        return console.fail(config.error());
    Json request{
        {"checkpoint", weights.path.string()}, {"weights", options.weights}, {"to", options.to}, {"out", absolutePath(options.out)}};
    if (weights.run) {
        const auto newest = checkpointOf(*weights.run);
        if (!newest)
            return console.fail(newest.error());
        request["checkpoint"] = newest->folder.string();
    }
    if (!config->is_null())
        request["config"] = *config;
    Signals signals;
    const auto result = runJob({"export", request}, signals, console);
    if (!result)
        return console.fail(result.error());
    const auto step = numberIn(*result, "step", -1.0);
    const auto beside = textIn(*result, "config_file"), problem = textIn(*result, "config_problem");
    if (!problem.empty())
        console.note(problem);
    console.result(*result,
                   fmt::format("Wrote {}{} ({}, {} parameters, {}{})", textIn(*result, "file"), beside.empty() ? "" : " and " + beside,
                               bytesText(static_cast<std::uint64_t>(numberIn(*result, "bytes"))),
                               groupedNumber(static_cast<std::int64_t>(numberIn(*result, "parameters"))), options.weights,
                               step < 0 ? std::string() : fmt::format(" of step {:.0f}", step)));
    return 0;
}

int exportGrids(const ExportOptions& options, const runs::RunFolder& run, Console& console)
{
    runs::RunFollower follower(run.root());
    follower.poll();
    const fs::path out = absolutePath(options.out);
    std::error_code error;
    fs::create_directories(out, error);
    if (error)
        return console.fail(ioError("make", out, error.value()));
    Json files = Json::array();
    int missing = 0;
    for (const auto& each : follower.samples()) {
        const auto from = run.root() / each.drawn.grid;
        auto name = fs::path(each.drawn.grid).lexically_relative("samples").generic_string();
        std::replace(name.begin(), name.end(), '/', '-');
        const auto to = out / name;
        if (!fs::exists(from, error)) {
            ++missing;
            continue;
        }
        fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
        if (error)
            return console.fail(ioError("write", to, error.value()));
        files.push_back(to.string());
    }
    if (missing > 0)
        console.note(fmt::format("{} grids that the run's events name are not on the disk any more.", missing));
    console.result({{"folder", out.string()}, {"files", files}}, fmt::format("Copied {} grids into {}", files.size(), out.string()));
    return 0;
}

int exportScalars(const ExportOptions& options, const runs::RunFolder& run, Console& console)
{
    runs::RunFollower follower(run.root());
    follower.poll();
    const auto table = scalarsCsv(follower, options.tags);
    if (!table)
        return console.fail(table.error());
    const fs::path out = absolutePath(options.out);
    if (auto done = writeFileAtomically(out, *table); !done)
        return console.fail(done.error());
    console.result({{"file", out.string()}, {"bytes", table->size()}}, fmt::format("Wrote {}", out.string()));
    return 0;
}

int exportIt(const ExportOptions& options, Console& console)
{
    if (options.run.empty() == options.checkpoint.empty())
        return console.fail({ErrorCode::Usage, "Name one run or checkpoint: espalier-cli export RUN --out FILE.", {}});
    const auto weights = findWeights(options.run.empty() ? options.checkpoint : options.run);
    if (!weights)
        return console.fail(weights.error());
    if (options.what == "weights") {
        const auto chosen = atStage(*weights, options.atStage);
        return chosen ? exportWeights(options, *chosen, console) : console.fail(chosen.error());
    }
    if (!weights->run)
        return console.fail({ErrorCode::Usage, fmt::format("--what {} needs a run; {} is none.", options.what, weights->typed), {}});
    return options.what == "grids" ? exportGrids(options, *weights->run, console) : exportScalars(options, *weights->run, console);
}

} // namespace

void addExport(CLI::App& app, Program& program)
{
    auto options = std::make_shared<ExportOptions>();
    auto* command = addCommand(app, program, "export", "Write weights for other programs, or a run's grids or scalars",
                               [options, &program] { return exportIt(*options, program.console); });
    command->add_option("run", options->run,
                        "A run (its newest checkpoint), a checkpoint folder, a safetensors or PyTorch file, or a diffusers folder");
    command->add_option("--checkpoint", options->checkpoint, "The same as RUN");
    addAtStage(*command, options->atStage);
    command->add_option("--what", options->what, "weights, grids or scalars")
        ->check(CLI::IsMember({"weights", "grids", "scalars"}))
        ->capture_default_str();
    command->add_option("--weights", options->weights, "ema, ema:DECAY such as ema:0.9999, or raw")->capture_default_str();
    command
        ->add_option("--to", options->to,
                     "For whom: safetensors; pt, a PyTorch state dict; dit, timm, ddpm-torch, the same checked against what that code can "
                     "load; diffusers, a folder (default: by the name of the file)")
        ->check(CLI::IsMember(shapes::layoutNames()));
    command->add_option("--tag", options->tags, "With scalars: only these tags");
    command->add_option("--config", options->configFile, "The configuration of a file that does not carry its own");
    command
        ->add_option(
            "--out", options->out,
            "The file to write (.pt, .pth and .bin for PyTorch, any other name for safetensors); with grids and diffusers a folder")
        ->required();
}

} // namespace espalier::cli
