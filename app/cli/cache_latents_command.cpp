// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/config_choice.h"
#include "app/cli/devices.h"
#include "app/cli/job_options.h"
#include "app/cli/run_job.h"
#include "core/base/text.h"
#include "core/config/config.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace espalier::cli {

namespace {

struct CacheOptions {
    ConfigChoice config;
    std::string data, vae, cache;
    std::int64_t side = 0;
    bool noFlip = false;
};

/// The settings whose latents are wanted: of a preset or file, else those of the DiT recipes; then what was typed.
ConfigChoice choiceOf(const CacheOptions& options)
{
    auto choice = options.config;
    std::vector<std::string> said{"latents.enabled=true"};
    if (!choice.namesBase()) {
        // A network for which every side is right: none is trained here.
        for (const auto* each :
             {"training.steps=1", "model.kind=dit", "model.patch_size=1", "data.source=folder", "data.crop=adm", "data.side=256"})
            said.emplace_back(each);
    }
    if (!options.data.empty())
        said.insert(said.end(), {"data.source=folder", "data.path=" + absolutePath(options.data)});
    if (!options.vae.empty())
        said.push_back("latents.vae=" + absolutePath(options.vae));
    if (!options.cache.empty())
        said.push_back("latents.cache=" + absolutePath(options.cache));
    if (options.side > 0)
        said.push_back(fmt::format("data.side={}", options.side));
    if (options.noFlip)
        said.emplace_back("data.flip=false");
    choice.assignments.insert(choice.assignments.begin(), said.begin(), said.end());
    return choice;
}

std::string lineOf(const Json& made)
{
    return fmt::format("Latents of {} images at {:.0f} pixels{} ({}) in {}",
                       groupedNumber(static_cast<std::int64_t>(numberIn(made, "images"))), numberIn(made, "side"),
                       made.value("mirrored", false) ? " and of their mirror images" : "",
                       bytesText(static_cast<std::uint64_t>(numberIn(made, "bytes"))), textIn(made, "folder"));
}

int cacheLatents(const CacheOptions& options, Console& console)
{
    const auto config = resolveConfig(choiceOf(options));
    if (!config)
        return console.fail(config.error());
    const auto devices = devicesFor(config->devices);
    if (!devices)
        return console.fail(devices.error());
    Signals signals;
    const Job job{"cache-latents", {{"config", config::write(*config)}, {"devices", config->devices}}, {devices->front()}};
    const auto result = runJob(job, signals, console);
    if (!result)
        return console.fail(result.error());
    if (result->contains("sides")) {
        std::string text = "Latents of every side of the schedule:\n";
        for (const auto& each : (*result)["sides"])
            text += lineOf(each) + "\n";
        console.result(*result, text);
        return 0;
    }
    console.result(*result, lineOf(*result));
    return 0;
}

} // namespace

void addCacheLatents(CLI::App& app, Program& program)
{
    auto options = std::make_shared<CacheOptions>();
    auto* command = addCommand(app, program, "cache-latents", "Encode training images once, for trainings on latents",
                               [options, &program] { return cacheLatents(*options, program.console); });
    command->add_option("--data", options->data, "The folder of images");
    command->add_option("--vae", options->vae, "The autoencoder: a diffusers folder, a safetensors or a PyTorch file");
    command->add_option("--side", options->side, "Width and height that the images are brought to (256)")->check(CLI::Range(8, 1024));
    command->add_flag("--no-flip", options->noFlip, "Leave the mirror images away");
    command->add_option("--cache", options->cache, "Folder for the latents (default: latents/ in the data folder of the library)");
    command->add_option("--preset", options->config.preset, "Take the settings of a preset");
    command->add_option("--config", options->config.file, "Take the settings of a file, such as a run's config.json");
    command->add_option("--set", options->config.assignments, "A setting, such as data.crop=centre; may be repeated");
    command->add_option("--devices", options->config.devices, "auto, cpu, or GPU numbers such as 0,1 (default: as the settings say)");
}

} // namespace espalier::cli
