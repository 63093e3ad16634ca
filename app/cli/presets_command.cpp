// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "core/config/config.h"
#include "core/config/presets.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace espalier::cli {

namespace {

Json about(const config::Preset& preset)
{
    return {{"id", preset.id}, {"title", preset.title}, {"summary", preset.summary}};
}

int listPresets(Console& console)
{
    Json json = Json::array();
    std::string text;
    for (const auto& preset : config::presets()) {
        json.push_back(about(preset));
        text += fmt::format("{:<18} {}\n{:<18} {}\n", preset.id, preset.title, "", preset.summary);
    }
    console.result({{"presets", json}}, text + "Its settings: espalier-cli presets ID. Use one: espalier-cli train --preset ID");
    return 0;
}

int showPreset(const std::string& id, Console& console)
{
    const auto preset = config::findPreset(id);
    if (!preset)
        return console.fail(preset.error());
    const auto config = config::read(preset->overlay);
    if (!config)
        return console.fail(config.error());
    const auto whole = config::write(*config);
    auto json = about(*preset);
    json["settings"] = preset->overlay;
    json["config"] = whole;
    std::string text = fmt::format("{}\n{}\n\nWhat differs from the defaults:\n", preset->title, preset->summary);
    for (const auto* field : config::activeFields(whole)) {
        const auto value = config::valueOf(whole, *field);
        if (value != field->def)
            text += fmt::format("  {:<34} {:<16} {}\n", config::typedPath(*field), value.dump(), field->help);
    }
    console.result(json, text);
    return 0;
}

} // namespace

void addPresets(CLI::App& app, Program& program)
{
    auto id = std::make_shared<std::string>();
    auto* command = addCommand(app, program, "presets", "List the presets, or show what one of them sets",
                               [id, &program] { return id->empty() ? listPresets(program.console) : showPreset(*id, program.console); });
    command->add_option("id", *id, "A preset, such as demo");
}

} // namespace espalier::cli
