// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier::config {

Result<Json> parseText(std::string_view text, std::string_view name)
{
    constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
    constexpr int kMaxDepth = 32;
    if (text.size() > kMaxBytes)
        return Error{ErrorCode::Format, fmt::format("{} is larger than 1 MiB: that is no configuration.", name), ""};
    std::vector<std::set<std::string>> keys(kMaxDepth + 2);
    std::string repeated;
    bool tooDeep = false;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (depth > kMaxDepth) {
            tooDeep = true;
            return false;
        }
        const auto level = static_cast<std::size_t>(depth);
        if (event == Json::parse_event_t::object_start)
            keys[level + 1].clear();
        else if (event == Json::parse_event_t::key && !keys[level].insert(parsed.get<std::string>()).second)
            repeated = parsed.get<std::string>();
        return true;
    };
    try {
        auto json = Json::parse(text.begin(), text.end(), watch);
        if (tooDeep)
            return Error{ErrorCode::Format, fmt::format("{} is nested deeper than {} levels: that is no configuration.", name, kMaxDepth),
                         ""};
        if (!repeated.empty())
            return Error{ErrorCode::Usage, fmt::format("{} sets \"{}\" twice in one group; remove one.", name, shortText(repeated)), ""};
        return json;
    } catch (const Json::parse_error& error) {
        const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
        return Error{ErrorCode::Format,
                     fmt::format("{} is no valid JSON: line {} cannot be read.", name, 1 + std::count(text.begin(), end, '\n')),
                     error.what()};
    } catch (const Json::exception& error) {
        return Error{ErrorCode::Format, fmt::format("{} is no valid JSON: a number in it is too large.", name), error.what()};
    }
}

Result<Json> overlayFromText(std::string_view text, std::string_view name)
{
    auto parsed = parseText(text, name);
    if (!parsed)
        return std::move(parsed).error();
    const Json& json = *parsed;
    if (!json.is_object())
        return Error{ErrorCode::Usage, fmt::format("{} must hold an object such as {{\"training\": {{\"steps\": 80}}}}.", name), ""};
    if (json.contains("schema") && json.contains("config")) {
        if (!json["schema"].is_number_integer())
            return Error{ErrorCode::Usage, fmt::format("{}: \"schema\" must be a whole number.", name), "schema"};
        return migrate(json["config"], json["schema"].get<std::int64_t>());
    }
    if (json.contains("dataset") || json.contains("train"))
        return importDdpmTorch(json);
    return parsed;
}

} // namespace espalier::config
