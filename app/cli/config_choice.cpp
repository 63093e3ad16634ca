// SPDX-License-Identifier: Apache-2.0
#include "app/cli/config_choice.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>

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
    if (!config->init.from.empty())
        if (const auto run = runs::findRun(config->init.from)) // by its name in the library, too
            config->init.from = run->root().string();
    makeAbsolute(config->init.from);
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
