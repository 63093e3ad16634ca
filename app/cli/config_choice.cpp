// SPDX-License-Identifier: Apache-2.0
#include "app/cli/config_choice.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

Result<Json> overlayFromFile(const std::string& file)
{
    const auto text = readFile(file, 16u << 20);
    if (!text)
        return Error{ErrorCode::Usage, text.error().message, text.error().detail};
    return config::overlayFromText(*text, file);
}

/// Worker and window have other working folders than the person who typed.
void makeAbsolute(std::string& path)
{
    std::error_code error;
    if (!path.empty() && !fs::path(path).is_absolute())
        path = fs::absolute(path, error).lexically_normal().string();
}

/// Settings of an assembled schedule from the flags that name them.
void addAssembled(const ConfigChoice& choice, std::vector<std::string>& assignments)
{
    if (!choice.assembles())
        return;
    assignments.emplace_back("schedule.kind=assembled");
    if (!choice.phase.empty())
        assignments.push_back("schedule.phase=" + choice.phase);
    if (choice.module)
        assignments.push_back(fmt::format("schedule.module={}", *choice.module));
    if (!choice.meta.empty())
        assignments.push_back("schedule.meta_from=" + choice.meta);
    if (!choice.modules.empty())
        assignments.push_back(fmt::format("schedule.module_files={}", fmt::join(choice.modules, ";")));
}

/// A run by its name in the library, too; anything else as a path.
std::string sourcePath(std::string typed)
{
    if (!typed.empty())
        if (const auto run = runs::findRun(typed))
            return run->root().string();
    makeAbsolute(typed);
    return typed;
}

} // namespace

std::string ConfigChoice::stem() const
{
    if (!preset.empty())
        return preset;
    return file.empty() ? "run" : fs::path(file).stem().string();
}

Result<config::RunConfig> resolveConfig(const ConfigChoice& choice, const Json* base)
{
    if (!choice.preset.empty() && !choice.file.empty())
        return Error{ErrorCode::Usage, "Give --preset or --config, not both; single settings can follow with --set.", {}};
    Json overlay = base && !choice.namesBase() ? *base : Json::object();
    if (!choice.preset.empty()) {
        const auto preset = config::findPreset(choice.preset);
        if (!preset)
            return preset.error();
        overlay = preset->overlay;
    } else if (!choice.file.empty()) {
        auto read = overlayFromFile(choice.file);
        if (!read)
            return read.error();
        overlay = std::move(*read);
    }
    // Kinds first, whatever the order they were typed in: a new kind drops the settings of the old one.
    auto assignments = choice.assignments;
    addAssembled(choice, assignments);
    std::ranges::stable_partition(assignments, [](std::string_view text) {
        const auto path = text.substr(0, text.find('='));
        return path.substr(0, path.find_last_not_of(' ') + 1).ends_with(".kind");
    });
    for (const auto& assignment : assignments)
        if (auto done = config::applySetting(overlay, assignment); !done)
            return done.error();
    if (!choice.devices.empty())
        overlay["devices"] = choice.devices;
    if (!choice.init.empty())
        config::setValue(overlay, *config::findField("init.from"), choice.init);
    auto config = config::read(overlay);
    if (!config)
        return config.error();
    makeAbsolute(config->data.path);
    makeAbsolute(config->evaluation.features);
    makeAbsolute(config->latents.vae);
    makeAbsolute(config->latents.cache);
    config->init.from = sourcePath(config->init.from);
    if (auto* assembled = std::get_if<config::AssembledSchedule>(&config->schedule)) {
        assembled->metaFrom = sourcePath(assembled->metaFrom);
        assembled->modules = config::modulesOf(*assembled, config->model);
        if (auto files = config::moduleFiles(*assembled, assembled->modules); files && !assembled->moduleFiles.empty()) {
            for (auto& file : *files)
                file = sourcePath(file);
            assembled->moduleFiles = fmt::format("{}", fmt::join(*files, ";"));
        }
    }
    return config;
}

Result<std::vector<std::string>> settingFlags(const std::vector<std::string>& rest)
{
    std::vector<std::string> assignments;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        std::string_view word = rest[i];
        if (!word.starts_with("--") || word.size() < 3)
            return Error{ErrorCode::Usage, fmt::format("\"{}\" was not understood. See espalier-cli train --help.", word), {}};
        word.remove_prefix(2);
        if (word.find('=') != std::string_view::npos) {
            assignments.emplace_back(word);
        } else if (i + 1 < rest.size()) {
            assignments.push_back(fmt::format("{}={}", word, rest[i + 1]));
            ++i;
        } else {
            return Error{ErrorCode::Usage, fmt::format("--{} needs a value, such as --{}=….", word, word), {}};
        }
    }
    return assignments;
}

} // namespace espalier::cli
