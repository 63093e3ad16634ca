// SPDX-License-Identifier: Apache-2.0
#include "core/runs/events.h"

#include "core/base/parse_json.h"
#include "core/runs/run_folder.h"

#include <array>

namespace espalier::runs {
namespace {

constexpr std::array<std::pair<ErrorCode, std::string_view>, 10> kCodes{{
    {ErrorCode::Usage, "usage"},
    {ErrorCode::Io, "io"},
    {ErrorCode::Format, "format"},
    {ErrorCode::Busy, "busy"},
    {ErrorCode::Memory, "memory"},
    {ErrorCode::Device, "device"},
    {ErrorCode::NotFinite, "not_finite"},
    {ErrorCode::Lost, "lost"},
    {ErrorCode::Cancelled, "cancelled"},
    {ErrorCode::Internal, "internal"},
}};

} // namespace

std::string_view errorCodeText(ErrorCode code)
{
    for (const auto& [each, text] : kCodes)
        if (each == code)
            return text;
    return "internal";
}

ErrorCode errorCodeFromText(std::string_view text)
{
    for (const auto& [code, each] : kCodes)
        if (each == text)
            return code;
    return ErrorCode::Internal;
}

Event makeEventNow(std::string_view kind, Json fields)
{
    return {wallTime(), std::string(kind), std::move(fields)};
}

std::string eventLine(const Event& event)
{
    Json json{{"time", event.time}, {"kind", event.kind}};
    for (const auto& [key, value] : event.fields.items())
        json[key] = value;
    // Bytes that are no UTF-8 (a file name, a message of the system) must not stop the event.
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Event> parseEventLine(std::string_view line)
{
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
        line.remove_suffix(1);
    // Deeply nested brackets would exhaust the stack of whoever destroys the value; ours nest a handful.
    int depth = 0;
    for (const char c : line) {
        if (c == '[' || c == '{')
            ++depth;
        else if (c == ']' || c == '}')
            --depth;
        if (depth > 64)
            return std::nullopt;
    }
    auto json = parseJson(line);
    if (!json.is_object())
        return std::nullopt;
    const auto time = json.find("time");
    const auto kind = json.find("kind");
    if (time == json.end() || !time->is_number() || kind == json.end() || !kind->is_string())
        return std::nullopt;
    Event event{time->get<double>(), kind->get<std::string>(), Json::object()};
    for (auto& [key, value] : json.items())
        if (key != "time" && key != "kind")
            event.fields[key] = std::move(value);
    return event;
}

} // namespace espalier::runs
