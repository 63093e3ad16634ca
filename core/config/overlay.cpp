// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/paths.h"
#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace espalier::config {

namespace {

std::string_view trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t");
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// A value as typed. What cannot be read becomes text, for checkValue to say what was expected.
Json typedValue(const Json& example, std::string_view text)
{
    if (example.is_boolean() && (text == "true" || text == "false"))
        return text == "true";
    if (example.is_number() && !text.empty()) {
        std::int64_t whole = 0;
        const auto end = text.data() + text.size();
        if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc() && read.ptr == end)
            return example.is_number_float() ? Json(static_cast<double>(whole)) : Json(whole);
        double number = 0.0;
        if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc() && read.ptr == end) {
            const bool exact =
                !example.is_number_float() && number > -9e15 && number < 9e15 && number == static_cast<double>(std::int64_t(number));
            return exact ? Json(static_cast<std::int64_t>(number)) : Json(number);
        }
    }
    return std::string(text);
}

Json typedList(const Field& field, std::string_view text)
{
    if (text.starts_with('[') && text.ends_with(']') && text.size() >= 2)
        text = trimmed(text.substr(1, text.size() - 2));
    Json list = Json::array();
    const Json& example = field.element;
    for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        list.push_back(typedValue(example, trimmed(text.substr(begin, end - begin))));
        begin = end + 1;
    }
    return list;
}

bool isAlternativeKind(std::string_view path)
{
    const auto& all = alternativeGroups();
    return path.ends_with(".kind") && std::find(all.begin(), all.end(), path.substr(0, path.size() - 5)) != all.end();
}

/// Drops the settings of another kind before a new kind is set.
void dropOtherKind(Json& group, const Json& kind, const Json& defaultKind)
{
    const auto old = group.find("kind");
    if (kind != (old == group.end() ? defaultKind : *old))
        group = Json::object();
}

void mergeInto(Json& base, const Json& overlay, const std::string& at)
{
    const auto& alternatives = alternativeGroups();
    if (const auto kind = overlay.find("kind");
        kind != overlay.end() && std::find(alternatives.begin(), alternatives.end(), at) != alternatives.end())
        dropOtherKind(base, *kind, findField(at + ".kind")->def);
    for (const auto& [key, value] : overlay.items()) {
        const auto path = at.empty() ? key : at + "." + key;
        const bool group = std::find(groups().begin(), groups().end(), path) != groups().end();
        if (group && value.is_object()) {
            auto& below = base[key];
            if (!below.is_object())
                below = Json::object();
            mergeInto(below, value, path);
        } else {
            base[key] = value;
        }
    }
}

} // namespace

void setValue(Json& overlay, const Field& field, Json value)
{
    const auto path = typedPath(field);
    Json* at = &overlay;
    std::size_t begin = 0;
    for (;;) {
        if (!at->is_object())
            *at = Json::object();
        const auto dot = path.find('.', begin);
        if (dot == path.npos)
            break;
        at = &(*at)[path.substr(begin, dot - begin)];
        begin = dot + 1;
    }
    if (isAlternativeKind(path))
        dropOtherKind(*at, value, field.def);
    (*at)[path.substr(begin)] = std::move(value);
}

void clearValue(Json& overlay, const Field& field)
{
    auto path = typedPath(field);
    if (!find(overlay, path))
        return;
    for (bool leaf = true; !path.empty(); leaf = false) {
        const auto dot = path.rfind('.');
        const auto parent = dot == path.npos ? std::string() : path.substr(0, dot);
        auto& group = const_cast<Json&>(parent.empty() ? overlay : *find(overlay, parent)); // the overlay itself is not const
        const auto key = path.substr(dot == path.npos ? 0 : dot + 1);
        if (leaf || group[key].empty())
            group.erase(key);
        path = parent;
    }
}

Result<Done> applySetting(Json& overlay, std::string_view assignment)
{
    const auto equals = assignment.find('=');
    const auto path = trimmed(assignment.substr(0, equals));
    if (equals == assignment.npos || path.empty()) {
        return Error{ErrorCode::Usage,
                     fmt::format("A setting is written path=value, such as training.steps=80; this is \"{}\".", shortText(assignment)), ""};
    }
    if (const auto& all = groups(); std::find(all.begin(), all.end(), path) != all.end()) {
        const auto inside = std::find_if(fields().begin(), fields().end(),
                                         [&](const Field& f) { return typedPath(f).starts_with(std::string(path) + "."); });
        return Error{ErrorCode::Usage, fmt::format("{} is a group of settings; set one of them, such as {}=….", path, typedPath(*inside)),
                     std::string(path)};
    }
    const auto* field = findField(path, overlay);
    if (!field)
        return Error{ErrorCode::Usage, unknownSetting(path, overlay), shortText(path)};
    const auto text = trimmed(assignment.substr(equals + 1));
    auto value = field->def.is_array() ? typedList(*field, text) : typedValue(field->def, text);
    if (auto sentence = checkValue(*field, value))
        return Error{ErrorCode::Usage, std::move(*sentence), typedPath(*field)};
    setValue(overlay, *field, std::move(value));
    return Done{};
}

Json merge(Json base, const Json& overlay)
{
    if (!base.is_object())
        base = Json::object();
    if (overlay.is_object())
        mergeInto(base, overlay, "");
    return base;
}

std::vector<Difference> difference(const Json& before, const Json& after)
{
    const auto known = activeFields(before); // settings of another kind are not compared: the kind says it all
    std::vector<Difference> differences;
    for (const auto* field : activeFields(after)) {
        if (std::find(known.begin(), known.end(), field) == known.end())
            continue;
        auto old = valueOf(before, *field), now = valueOf(after, *field);
        if (old != now)
            differences.push_back({typedPath(*field), std::move(old), std::move(now), field->change});
    }
    return differences;
}

std::vector<std::string> changedPaths(const Json& config)
{
    std::vector<std::string> paths;
    for (const auto* field : activeFields(config)) {
        if (valueOf(config, *field) != field->def)
            paths.push_back(typedPath(*field));
    }
    return paths;
}

} // namespace espalier::config
