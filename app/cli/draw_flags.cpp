// SPDX-License-Identifier: Apache-2.0
#include "app/cli/draw_flags.h"

#include <CLI/CLI.hpp>

namespace espalier::cli {

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
    command.add_option("--label", label, "Class to draw, counted from 0; -1: all classes in turn");
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
    if (clipDenoised)
        json["clip_denoised"] = *clipDenoised;
    if (guidance)
        json["guidance"] = *guidance;
    if (!guidanceChannels.empty())
        json["guidance_channels"] = guidanceChannels;
    if (label)
        json["label"] = *label;
    return json;
}

void DrawFlags::addTo(CLI::App& command, const Words& words)
{
    command.add_option("--checkpoint", checkpoint, "A run (its newest checkpoint), a checkpoint folder, or a safetensors or PyTorch file");
    command.add_option("--weights", weights, "ema, ema:DECAY such as ema:0.9999, or raw")->capture_default_str();
    command.add_option("--num", num, words.num)->check(CLI::Range(words.leastNum, words.mostNum));
    sampler.addTo(command);
    command.add_option("--seed", seed, words.seed)->check(CLI::Range(std::int64_t{0}, std::int64_t{9'000'000'000'000'000}));
    command.add_option("--out", out, words.out);
    command.add_option("--config", configFile, "The configuration of a safetensors file that does not carry its own");
    command.add_option("--device", device, "auto, cpu, cuda or cuda:N")->capture_default_str();
    command.add_option("--vae", vae, "The autoencoder of weights that draw latents (default: as their settings say)");
    command.add_option("--tile", tile, "Decode latents in overlapping pieces of this many pixels, for small GPUs; 0: whole");
    command.add_flag("--no-wait", noWait, words.noWait);
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
    if (auto fine = checkWeightsName(flags.weights); !fine)
        return fine.error();
    auto device = jobDevice(flags.device);
    if (!device)
        return device.error();
    auto config = configFor(*weights, flags.configFile);
    if (!config)
        return config.error();
    Json request{
        {"checkpoint", weights->path.string()}, {"weights", flags.weights}, {"sampler", flags.sampler.overlay()}, {"device", *device}};
    if (flags.num)
        request["num"] = *flags.num;
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
    return DrawRequest{std::move(*weights), std::move(*device), std::move(request), std::move(*config)};
}

} // namespace espalier::cli
