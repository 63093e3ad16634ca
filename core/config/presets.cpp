// SPDX-License-Identifier: Apache-2.0
#include "core/config/presets.h"

#include "core/base/text.h"
#include "core/config/preset_texts.h"
#include "core/config/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cassert>

namespace espalier::config {

const std::vector<Preset>& presets()
{
    static const std::vector<Preset> all = [] {
        std::vector<Preset> read;
        for (const auto& [id, text] : presetTexts()) {
            const auto json = Json::parse(text.begin(), text.end(), nullptr, false);
            assert(json.is_object() && "a test reads every preset before it is shipped");
            read.push_back({std::string(id), json.value("title", ""), json.value("summary", ""), json.value("settings", Json::object())});
        }
        return read;
    }();
    return all;
}

Result<Preset> findPreset(std::string_view id)
{
    std::vector<std::string> known;
    for (const auto& preset : presets()) {
        if (preset.id == id)
            return preset;
        known.push_back(preset.id);
    }
    auto sentence = fmt::format("There is no preset \"{}\"; the presets are {}.", shortText(id), fmt::join(known, ", "));
    if (const auto nearest = id.size() <= 64 ? nearestWord(id, known) : ""; !nearest.empty())
        sentence += fmt::format(" Did you mean {}?", nearest);
    return Error{ErrorCode::Usage, std::move(sentence), "preset"};
}

} // namespace espalier::config
