// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/config/paths.h"
#include "core/config/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace espalier::config {

namespace {

constexpr std::size_t kMaxElements = 64, kMaxText = 4096;
constexpr double kMaxWhole = 9007199254740992.0; // 2^53: beyond, a number written as 1e300 is no exact count

/// "a whole number from 1 to 16 blocks": what one number, flag or text of this setting may be.
std::string expected(const Field& field, const Json& example)
{
    const auto range = rangeText(field);
    const auto withRange = [&](const char* what) { return range.empty() ? std::string(what) : fmt::format("{} {}", what, range); };
    if (example.is_boolean())
        return "true or false";
    if (example.is_number_float())
        return withRange("a number");
    if (example.is_number())
        return withRange("a whole number");
    return "text";
}

bool fits(const Field& field, const Json& example, const Json& value)
{
    if (example.is_boolean())
        return value.is_boolean();
    if (example.is_string())
        return value.is_string();
    if (!value.is_number())
        return false;
    const double number = value.get<double>();
    if (!std::isfinite(number))
        return false;
    if (!example.is_number_float() && (number != std::floor(number) || std::abs(number) > kMaxWhole))
        return false;
    return (field.min.is_null() || number >= field.min.get<double>()) && (field.max.is_null() || number <= field.max.get<double>());
}

std::string mustBe(const Field& field, const std::string& what, const Json& value)
{
    return fmt::format("{} must be {}; it is {}.", typedPath(field), what, valueText(value));
}

std::optional<std::string> checkChoice(const Field& field, const Json& value)
{
    if (value.is_string() &&
        std::find(field.choices.begin(), field.choices.end(), value.get_ref<const std::string&>()) != field.choices.end())
        return std::nullopt;
    auto sentence = field.choices.size() == 1 ? mustBe(field, field.choices.front(), value)
                                              : mustBe(field, fmt::format("one of {}", fmt::join(field.choices, ", ")), value);
    if (value.is_string() && value.get_ref<const std::string&>().size() <= kMaxElements) {
        if (const auto nearest = nearestWord(value.get_ref<const std::string&>(), field.choices); !nearest.empty())
            sentence += fmt::format(" Did you mean {}?", nearest);
    }
    return sentence;
}

std::optional<std::string> checkList(const Field& field, const Json& value)
{
    const auto each = expected(field, field.element);
    if (!value.is_array())
        return mustBe(field, fmt::format("a list, each element {}", each), value);
    if (value.size() > kMaxElements)
        return fmt::format("{} must have at most {} elements; it has {}.", typedPath(field), kMaxElements, value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (!fits(field, field.element, value[i]))
            return fmt::format("{} must be a list, each element {}; element {} is {}.", typedPath(field), each, i + 1, valueText(value[i]));
    }
    return std::nullopt;
}

/// The sentence about a setting of another kind than the configuration has: it would change nothing.
std::optional<std::string> checkKind(const Field& field, const Json& whole)
{
    if (applies(field, whole))
        return std::nullopt;
    const auto group = field.path.substr(0, field.path.find('['));
    const auto* row = findField(group + ".kind");
    const auto kind = valueOf(whole, *row);
    if (checkValue(*row, kind))
        return std::nullopt; // said there
    std::vector<std::string> kinds;
    for (const auto& choice : row->choices)
        if (std::ranges::any_of(fields(), [&](const Field& other) {
                return other.path.starts_with(fmt::format("{}[{}]", group, choice)) && typedPath(other) == typedPath(field);
            }))
            kinds.push_back(choice);
    return fmt::format("{} is a setting of {}.kind {}; {}.kind is {}.", typedPath(field), group, fmt::join(kinds, ", "), group,
                       kind.get_ref<const std::string&>());
}

/// Walks a group: leaves are checked, groups entered, anything else is unknown. Depth is that of the known groups.
void checkGroup(const Json& whole, const Json& group, const std::string& at, std::vector<Problem>& problems)
{
    for (const auto& [key, value] : group.items()) {
        const auto path = at.empty() ? key : at + "." + key;
        if (std::find(groups().begin(), groups().end(), path) != groups().end()) {
            if (value.is_object())
                checkGroup(whole, value, path, problems);
            else
                problems.push_back({path, fmt::format("{} must be a group of settings such as {{…}}; it is {}.", path, valueText(value))});
            continue;
        }
        const auto* field = key.find_first_of(".[") == key.npos ? findField(path, whole) : nullptr;
        if (!field)
            problems.push_back({shortText(path), unknownSetting(path, whole)});
        else if (auto other = checkKind(*field, whole))
            problems.push_back({path, std::move(*other)});
        else if (auto sentence = checkValue(*field, value))
            problems.push_back({path, std::move(*sentence)});
    }
}

} // namespace

std::optional<std::string> checkValue(const Field& field, const Json& value)
{
    if (!field.choices.empty())
        return checkChoice(field, value);
    if (field.def.is_array())
        return checkList(field, value);
    if (!fits(field, field.def, value))
        return mustBe(field, expected(field, field.def), value);
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
        if (text.size() > kMaxText || std::any_of(text.begin(), text.end(), control) || !isUtf8(text))
            return fmt::format("{} must be one line of UTF-8 text of at most {} bytes.", typedPath(field), kMaxText);
    }
    return std::nullopt;
}

std::vector<Problem> checkFields(const Json& json)
{
    if (!json.is_object())
        return {{"", fmt::format("A configuration must be an object such as {{\"training\": {{\"steps\": 80}}}}; this is {}.",
                                 valueText(json))}};
    std::vector<Problem> problems;
    checkGroup(json, json, "", problems);
    return problems;
}

bool isWeightsName(std::string_view text)
{
    if (text == "raw" || text == "ema")
        return true;
    constexpr std::string_view kAverage = "ema:";
    if (!text.starts_with(kAverage))
        return false;
    double decay = 0.0;
    const char* end = text.data() + text.size();
    const auto [at, bad] = std::from_chars(text.data() + kAverage.size(), end, decay);
    return bad == std::errc() && at == end && decay >= 0.0 && decay < 1.0;
}

} // namespace espalier::config
