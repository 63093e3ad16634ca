// SPDX-License-Identifier: Apache-2.0
#include "core/config/value_text.h"

#include "core/base/text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace espalier::config {

std::string shortText(std::string_view text)
{
    constexpr std::size_t kMaxText = 80;
    std::string shown;
    while (!text.empty()) {
        const auto length = utf8Length(text);
        if (shown.size() + length > kMaxText)
            return shown + "…";
        const bool control = length == 1 && (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == 0x7f);
        shown += length == 0 || control ? std::string_view("?") : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return shown;
}

std::string numberText(double value)
{
    if (std::isfinite(value) && value == std::floor(value) && std::abs(value) < 1e7)
        return fmt::format("{:.0f}", value);
    char buffer[64];
    const bool extreme = std::abs(value) >= 1e7 || std::abs(value) < 1e-4;
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, extreme ? std::chars_format::scientific : std::chars_format::fixed);
    std::string text(buffer, end.ptr);
    if (const auto e = text.find('e'); e != std::string::npos && e + 1 < text.size()) {
        if (text[e + 1] == '+')
            text.erase(e + 1, 1);
        const auto digits = text.find_first_of("0123456789", e + 1);
        if (digits != std::string::npos && text[digits] == '0' && digits + 1 < text.size())
            text.erase(digits, 1);
    }
    return text;
}

std::string valueText(const Json& value)
{
    constexpr std::size_t kMaxElements = 16;
    switch (value.type()) {
    case Json::value_t::null:
        return "null";
    case Json::value_t::boolean:
        return value.get<bool>() ? "true" : "false";
    case Json::value_t::number_float:
        return numberText(value.get<double>());
    case Json::value_t::number_integer:
        return fmt::format("{}", value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
        return fmt::format("{}", value.get<std::uint64_t>());
    case Json::value_t::string:
        return fmt::format("\"{}\"", shortText(value.get_ref<const std::string&>()));
    case Json::value_t::array: {
        std::string text = "[";
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (i == kMaxElements)
                return text + ", …]";
            text += i ? ", " : "";
            text += value[i].is_structured() ? "…" : valueText(value[i]);
        }
        return text + "]";
    }
    default:
        return "a group of settings";
    }
}

std::string rangeText(const Field& field)
{
    std::string text;
    if (!field.min.is_null() && !field.max.is_null())
        text = fmt::format("from {} to {}", numberText(field.min.get<double>()), numberText(field.max.get<double>()));
    else if (!field.min.is_null())
        text = fmt::format("of at least {}", numberText(field.min.get<double>()));
    else if (!field.max.is_null())
        text = fmt::format("of at most {}", numberText(field.max.get<double>()));
    if (!text.empty() && !field.unit.empty())
        text += " " + field.unit;
    return text;
}

} // namespace espalier::config
