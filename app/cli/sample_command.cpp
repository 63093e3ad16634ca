// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"
#include "app/cli/command.h"
#include "app/cli/draw_flags.h"
#include "app/cli/run_weights.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/library.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>
#include <memory>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct SampleOptions : DrawFlags {
    bool npz = false, classFolders = false;
};

int tellWish(const runs::RunFolder& run, const Asked& asked, Console& console)
{
    Json json{{"run", run.root().string()}, {"wish", "sample"}, {"id", asked.id}, {"samples", Json::array()}};
    std::string text = fmt::format("Asked {} to sample.", run.name());
    if (asked.answer) {
        text = asked.answer->answer;
        json["step"] = asked.answer->step;
        json["answer"] = asked.answer->answer;
    }
    for (const auto& event : asked.drawn)
        if (const auto drawn = runs::eventAs<runs::SamplesDrawn>(event)) {
            const auto grid = (run.root() / drawn->grid).string();
            auto fields = event.fields;
            fields["grid"] = grid;
            json["samples"].push_back(fields);
            text += fmt::format("\n  {:<12} {}", drawn->weights, grid);
        }
    console.result(json, console.quiet ? "" : text);
    return 0;
}

/// A live run draws with the weights that it has just now, into its own folder.
int sampleLive(const SampleOptions& options, const runs::RunFolder& run, Signals& signals, Console& console)
{
    if (!options.out.empty() || options.npz || options.classFolders)
        return console.fail({ErrorCode::Busy,
                             fmt::format("{} is training, so it draws itself and into its own folder: leave --out, --npz and "
                                         "--class-folders away. To draw beside it, "
                                         "name one of its checkpoints: --checkpoint {}/step-…",
                                         run.name(), run.checkpointsFolder().string()),
                             {}});
    if (auto fine = options.checkLive(); !fine)
        return console.fail(fine.error());
    if (options.weights != "ema" && options.weights != "raw")
        return console.fail({ErrorCode::Usage, fmt::format("{} is training: --weights can be ema or raw now.", run.name()), {}});
    auto wish = options.wish("count");
    wish["weights"] = options.weights;
    if (const auto fine = configOf(run, "samples", wish); !fine)
        return console.fail(fine.error());
    const auto asked = askRun(run, runs::WishKind::Sample, wish, options.noWait ? Until::Sent : Until::Answered, signals, console);
    return asked ? tellWish(run, *asked, console) : console.fail(asked.error());
}

int tellDrawn(const Json& result, const SampleOptions& options, Console& console)
{
    const auto at = result.find("recipe");
    const auto step = at == result.end() ? -1.0 : numberIn(*at, "step", -1.0);
    auto text = fmt::format("Drew {:.0f} images{} ({}, seed {}) into {}", numberIn(result, "images"),
                            step < 0 ? std::string() : fmt::format(" of step {:.0f}", step), options.weights, options.seed.value_or(0),
                            textIn(result, "folder"));
    if (const auto grid = textIn(result, "grid"); !grid.empty())
        text += fmt::format("\n  grid  {}", grid);
    if (const auto npz = textIn(result, "npz"); !npz.empty())
        text += fmt::format("\n  npz   {}", npz);
    console.result(result, console.quiet ? "" : text);
    return 0;
}

/// "step-0000100-ema-ddim50-seed0-n64": another way to draw gets another folder.
std::string nameOf(std::int64_t step, const SampleOptions& options, const config::SamplerConfig& sampler, std::int64_t count)
{
    const bool ddim = sampler.kind == config::SamplerKind::Ddim, respaced = !sampler.timestepRespacing.empty();
    std::string how = ddim ? "ddim" : "ddpm";
    if (respaced)
        how += "-respaced-" + sampler.timestepRespacing;
    else if (ddim)
        how += std::to_string(sampler.steps);
    if (ddim && sampler.eta != 0.0)
        how += fmt::format("-eta{}", sampler.eta);
    if (ddim && !respaced && sampler.skip != config::SkipSchedule::Linear)
        how += "-quadratic";
    if (!sampler.clipDenoised)
        how += "-unclipped";
    if (sampler.guidance != 1.0)
        how += fmt::format("-cfg{}", sampler.guidance);
    if (sampler.guidance != 1.0 && sampler.guidanceChannels == config::GuidanceChannels::FirstThree)
        how += "on3";
    if (sampler.label >= 0)
        how += fmt::format("-label{}", sampler.label);
    if (sampler.stage >= 0)
        how += fmt::format("-stage{}", sampler.stage);
    if (options.tile.value_or(0) > 0)
        how += fmt::format("-tile{}", *options.tile);
    return runs::safeName(fmt::format("{}-{}-{}-seed{}-n{}", runs::stepName(step), options.weights, how, options.seed.value_or(0), count));
}

/// The grid as part of the run's history, also when the images went elsewhere.
Result<Done> tellRun(OwnedRun& run, Json& result, const ChosenCheckpoint& chosen, const SampleOptions& options, const std::string& name,
                     double seconds)
{
    const fs::path grid = textIn(result, "grid");
    if (grid.empty())
        return Done{}; // too many for one picture
    fs::path shown = grid;
    const auto inside = grid.lexically_relative(run.folder.root());
    if (inside.empty() || inside.begin()->string() == "..") {
        const auto drawn = run.folder.samplesFolder() / "drawn";
        shown = drawn / (name + ".png");
        std::error_code error;
        fs::create_directories(drawn, error);
        fs::copy_file(grid, shown, fs::copy_options::overwrite_existing, error);
        if (error)
            return ioError("write", shown, error.value());
    }
    const auto count = static_cast<std::int64_t>(numberIn(result, "images"));
    const auto recipe = result.find("recipe");
    return run.events.write(
        runs::SamplesDrawn{.step = chosen.step,
                           .stage = chosen.stage,
                           .weights = options.weights,
                           .folder = run.folder.relative(shown.parent_path()),
                           .grid = run.folder.relative(shown),
                           .count = count,
                           .columns = static_cast<int>(numberIn(result, "columns", std::floor(std::sqrt(static_cast<double>(count))))),
                           .recipe = recipe == result.end() ? Json::object() : *recipe,
                           .seconds = seconds});
}

int sampleResting(const SampleOptions& options, const runs::RunFolder& run, Json request, const JobPlaces& places, Signals& signals,
                  Console& console)
{
    const auto wanted = configOf(run, "samples", {{"sampler", options.sampler.overlay()}});
    if (!wanted)
        return console.fail(wanted.error());
    const auto chosen = checkpointOf(run, options.atStage);
    if (!chosen)
        return console.fail(chosen.error());
    const auto name = nameOf(chosen->step, options, wanted->samples.sampler, options.num.value_or(64));
    request["checkpoint"] = chosen->folder.string();
    request["sampler"] = config::write(*wanted)["samples"]["sampler"];
    request["out"] = options.out.empty() ? (run.samplesFolder() / "drawn" / name).string() : absolutePath(options.out);
    const auto began = runs::wallTime();
    const Job job{"sample", request, places.devices, places.place};
    if (!places.leads())
        return helpWith(job, signals, console);
    const auto result = jobOnRun(
        run, job, [&](OwnedRun& owned, Json& made) { return tellRun(owned, made, *chosen, options, name, runs::wallTime() - began); },
        signals, console);
    return result ? tellDrawn(*result, options, console) : console.fail(result.error());
}

int sample(const SampleOptions& options, Console& console)
{
    auto drawing = drawRequest(options);
    if (!drawing)
        return console.fail(drawing.error());
    auto& request = drawing->request;
    request["num"] = options.num.value_or(64);
    request["seed"] = options.seed.value_or(0);
    request["npz"] = options.npz;
    request["class_folders"] = options.classFolders;
    auto& places = drawing->places;
    Signals signals;
    if (const auto& run = drawing->weights.run) {
        const auto state = runs::summarize(run->root()).state;
        if (const auto may = runs::possible(runs::Action::Sample, state); places.leads() && !may)
            return console.fail({ErrorCode::Busy, fmt::format("{} ({}): {}", run->name(), runs::stateText(state), may.why), {}});
        if (runs::isLive(state) && places.leads()) // to the others a run that rank 0 has taken may look so
            return places.place.placed() ? console.fail(drawsItself(*run, "sample")) : sampleLive(options, *run, signals, console);
        if (auto met = meetIn(places, run->root()); !met)
            return console.fail(met.error());
        return sampleResting(options, *run, std::move(request), places, signals, console);
    }
    if (options.out.empty())
        return console.fail({ErrorCode::Usage, "No folder was named for the images. Give one with --out.", {}});
    if (auto met = meetIn(places, absolutePath(options.out)); !met)
        return console.fail(met.error());
    const Job job{"sample", request, places.devices, places.place};
    if (!places.leads())
        return helpWith(job, signals, console);
    const auto result = runJob(job, signals, console);
    return result ? tellDrawn(*result, options, console) : console.fail(result.error());
}

} // namespace

void addSample(CLI::App& app, Program& program)
{
    auto options = std::make_shared<SampleOptions>();
    auto* command = addCommand(app, program, "sample", "Draw images with the weights of a run or file", [options, &program] {
        const auto label = options->readLabel();
        return label ? sample(*options, program.console) : program.console.fail(label.error());
    });
    options->addTo(*command, {.num = "How many images (64)",
                              .seed = "Seed of the starting noise (0)",
                              .out = "Folder for the images (default: in the run's samples/drawn)",
                              .noWait = "On a run that trains: ask, and do not wait for the grid",
                              .leastNum = 1,
                              .mostNum = 10'000'000});
    command->add_flag("--npz", options->npz, "Also write samples.npz");
    command->add_flag("--class-folders", options->classFolders, "Put the images of each class into a folder of its name: a labelled set");
    command->get_option("--checkpoint")->required();
}

} // namespace espalier::cli
