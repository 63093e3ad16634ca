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
    command.add_option("--guidance", guidance, "Classifier-free guidance of a network that knows classes; 1: none");
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
    if (guidance)
        json["guidance"] = *guidance;
    if (label)
        json["label"] = *label;
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
    command.add_option("--device", device, "auto, cpu, cuda or cuda:N")->capture_default_str();
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
    return DrawRequest{std::move(*weights), std::move(*device), std::move(request), std::move(*config)};
}

} // namespace espalier::cli
