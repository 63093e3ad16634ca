// SPDX-License-Identifier: Apache-2.0
#include "app/cli/draw_flags.h"

#include "app/cli/run_weights.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/text.h"
#include "core/runs/library.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace espalier::cli {
namespace {

/// Names of the classes that weights were trained on; empty where the checkpoint does not say.
Result<std::vector<std::string>> classNamesOf(const Weights& weights, std::optional<int> atStage)
{
    auto folder = weights.path;
    if (weights.run) {
        const auto chosen = checkpointOf(*weights.run, atStage);
        if (!chosen)
            return chosen.error();
        folder = chosen->folder;
    }
    std::vector<std::string> names;
    std::error_code error;
    if (!std::filesystem::exists(folder / "manifest.json", error))
        return names;
    const auto text = readFile(folder / "manifest.json", std::uint64_t{64} << 20);
    if (!text)
        return text.error();
    const auto manifest = parseJson(*text);
    if (!manifest.is_object() || !manifest.contains("about") || !manifest["about"].is_object())
        return names;
    const auto found = manifest["about"].find("class_names");
    if (found != manifest["about"].end() && found->is_array())
        for (const auto& name : *found)
            names.push_back(name.is_string() ? name.get<std::string>() : std::string());
    return names;
}

} // namespace

void SamplerFlags::addTo(CLI::App& command)
{
    command.add_option("--sampler", kind, "ddim or ddpm (default: as the run's settings say)")->check(CLI::IsMember({"ddim", "ddpm"}));
    command.add_option("--steps", steps, "Levels that DDIM visits");
    command.add_option("--eta", eta, "Noise of DDIM: 0 is deterministic, 1 as noisy as ancestral sampling");
    command.add_option("--skip", skip, "Which levels DDIM visits: linear or quadratic");
    command.add_option("--timestep-respacing", respacing,
                       "Levels visited instead, as DiT writes them: 250, 10,15,20 or ddim50; none: by sampler and steps");
    command.add_option("--clip-denoised", clipDenoised, "true or false: clip predicted clean images to [-1, 1]");
    command.add_option("--guidance", guidance, "Classifier-free guidance of a network that knows classes; 1: none");
    command.add_option("--guidance-channels", guidanceChannels, "all or first-three: what guidance acts on");
    command.add_option("--label", labelTyped, "Class to draw: its number, counted from 0, or its name; -1: all classes in turn");
    command.add_option("--stage", stage,
                       "Stage that a network with a table of stages is told to act in, counted from 0; -1: the last (default)");
}

Json SamplerFlags::overlay() const
{
    Json json = Json::object();
    if (!kind.empty())
        json["kind"] = kind;
    if (steps)
        json["steps"] = *steps;
    if (eta)
        json["eta"] = *eta;
    if (!skip.empty())
        json["skip"] = skip;
    if (!respacing.empty())
        json["timestep_respacing"] = respacing == "none" ? "" : respacing;
    else if (steps)
        json["timestep_respacing"] = ""; // which would be asked first
    if (clipDenoised)
        json["clip_denoised"] = *clipDenoised;
    if (guidance)
        json["guidance"] = *guidance;
    if (!guidanceChannels.empty())
        json["guidance_channels"] = guidanceChannels;
    if (label)
        json["label"] = *label;
    if (stage)
        json["stage"] = *stage;
    return json;
}

void DrawFlags::addTo(CLI::App& command, const Words& words)
{
    command.add_option("--checkpoint", checkpoint,
                       "A run (its newest checkpoint), a checkpoint folder, a safetensors or PyTorch file, or a diffusers folder");
    command.add_option("--weights", weights, "ema, ema:DECAY such as ema:0.9999, or raw")->capture_default_str();
    command.add_option("--num", num, words.num)->check(CLI::Range(words.leastNum, words.mostNum));
    sampler.addTo(command);
    command.add_option("--seed", seed, words.seed)->check(CLI::Range(std::int64_t{0}, std::int64_t{9'000'000'000'000'000}));
    command.add_option("--out", out, words.out);
    command.add_option("--config", configFile, "The configuration of a safetensors file that does not carry its own");
    command
        .add_option(
            "--devices,--device", devices,
            "auto, cpu, cpu:N for N workers, or GPU numbers such as 0,1: all of them share the work, and what comes out is the same")
        ->capture_default_str();
    command.add_option("--threads", threads, "CPU threads of each worker (default: the cores of the machine, divided by its workers)")
        ->check(CLI::Range(1, 4096));
    command.add_option("--vae", vae, "The autoencoder of weights that draw latents (default: as their settings say)");
    command.add_option("--tile", tile, "Decode latents in overlapping pieces of this many pixels, for small GPUs; 0: whole");
    addAtStage(command, atStage);
    command.add_flag("--no-wait", noWait, words.noWait);
}

Result<Done> DrawFlags::readLabel()
{
    const auto& typed = sampler.labelTyped;
    if (typed.empty())
        return Done{};
    std::int64_t number = 0;
    if (const auto [end, bad] = std::from_chars(typed.data(), typed.data() + typed.size(), number);
        bad == std::errc() && end == typed.data() + typed.size()) {
        sampler.label = number;
        return Done{};
    }
    const auto weights = findWeights(checkpoint);
    if (!weights)
        return weights.error();
    const auto names = classNamesOf(*weights, atStage);
    if (!names)
        return names.error();
    if (names->empty())
        return Error{
            ErrorCode::Usage, fmt::format("--label {}: {} names no classes. Give the number of a class.", typed, weights->typed), {}};
    const auto found = std::find(names->begin(), names->end(), typed);
    if (found == names->end()) {
        const auto nearest = nearestWord(typed, *names);
        return Error{
            ErrorCode::Usage,
            fmt::format("--label {}: none of the {} classes of {} is called so{}", typed, names->size(), weights->typed,
                        nearest.empty() ? fmt::format("; the first is {}.", names->front()) : fmt::format("; did you mean {}?", nearest)),
            {}};
    }
    sampler.label = found - names->begin();
    return Done{};
}

Json DrawFlags::wish(const char* countName) const
{
    Json json = Json::object();
    if (num)
        json[countName] = *num;
    if (seed)
        json["seed"] = *seed;
    if (auto overlay = sampler.overlay(); !overlay.empty())
        json["sampler"] = std::move(overlay);
    return json;
}

Result<Done> DrawFlags::checkLive() const
{
    if (vae.empty() && !tile)
        return Done{};
    return Error{ErrorCode::Busy, "The run is training, and shows its latents as its settings say: leave --vae and --tile away.", {}};
}

Result<DrawRequest> drawRequest(const DrawFlags& flags)
{
    auto weights = findWeights(flags.checkpoint);
    if (!weights)
        return weights.error();
    // A run that trains goes on meanwhile: the checkpoint is drawn with beside it.
    if (flags.atStage && (!weights->run || runs::isLive(runs::summarize(weights->run->root()).state)))
        weights = atStage(*std::move(weights), flags.atStage);
    if (!weights)
        return weights.error();
    if (auto fine = checkWeightsName(flags.weights); !fine)
        return fine.error();
    auto places = jobPlaces(flags.devices);
    if (!places)
        return places.error();
    auto config = configFor(*weights, flags.configFile);
    if (!config)
        return config.error();
    Json request{{"checkpoint", weights->path.string()},
                 {"weights", flags.weights},
                 {"sampler", flags.sampler.overlay()},
                 {"device", flags.devices}};
    if (flags.num)
        request["num"] = *flags.num;
    if (flags.threads)
        request["threads"] = *flags.threads;
    if (flags.seed)
        request["seed"] = *flags.seed;
    if (!flags.out.empty())
        request["out"] = absolutePath(flags.out);
    if (!config->is_null())
        request["config"] = *config;
    if (!flags.vae.empty())
        request["latents"]["vae"] = absolutePath(flags.vae);
    if (flags.tile)
        request["latents"]["tile_side"] = *flags.tile;
    return DrawRequest{std::move(*weights), std::move(*places), std::move(request), std::move(*config)};
}

int helpWith(const Job& job, Signals& signals, Console& console)
{
    const auto helped = runJob(job, signals, console);
    if (!helped)
        return console.fail(helped.error());
    console.result({{"rank", job.place.rank}}, "");
    return 0;
}

Error drawsItself(const runs::RunFolder& run, std::string_view command)
{
    return {ErrorCode::Busy,
            fmt::format("{} is training, and its own ranks do this: ask it once, without a launcher: espalier-cli {} --checkpoint {}",
                        run.name(), command, run.root().string()),
            {}};
}

} // namespace espalier::cli
