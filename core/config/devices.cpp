// SPDX-License-Identifier: Apache-2.0
#include "core/config/devices.h"

#include "core/config/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace espalier::config {

namespace {

constexpr int kMaxWorkers = 1024;

std::optional<int> wholeNumber(std::string_view text)
{
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.front() == '-')
        return std::nullopt;
    return value;
}

Error notDevices(std::string_view text, std::string_view why = "")
{
    return {
        ErrorCode::Usage,
        fmt::format("devices must be auto, cpu, cpu:N for N workers, or GPU numbers such as 0,1; it is \"{}\"{}.", shortText(text), why),
        "devices"};
}

} // namespace

Result<DeviceAsk> parseDevices(std::string_view text)
{
    if (text == "auto")
        return DeviceAsk{};
    if (text == "cpu")
        return DeviceAsk{DeviceKind::Cpu, 1, {}};
    if (text.starts_with("cpu:")) {
        const auto count = text.size() > 4 ? wholeNumber(text.substr(4)) : std::nullopt;
        if (!count || *count < 1 || *count > kMaxWorkers)
            return notDevices(text, fmt::format(", and N goes from 1 to {}", kMaxWorkers));
        return DeviceAsk{DeviceKind::Cpu, *count, {}};
    }
    DeviceAsk ask{DeviceKind::Gpu, 0, {}};
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        const auto part = text.substr(begin, end - begin);
        const auto index = part.empty() ? std::nullopt : wholeNumber(part);
        if (!index || *index >= kMaxWorkers)
            return notDevices(text);
        if (std::find(ask.indices.begin(), ask.indices.end(), *index) != ask.indices.end())
            return notDevices(text, fmt::format(", which names GPU {} twice", *index));
        ask.indices.push_back(*index);
        begin = end + 1;
    }
    ask.count = static_cast<int>(ask.indices.size());
    return ask;
}

std::string devicesText(const DeviceAsk& ask)
{
    switch (ask.kind) {
    case DeviceKind::Cpu:
        return ask.count == 1 ? "cpu" : fmt::format("cpu:{}", ask.count);
    case DeviceKind::Gpu:
        return fmt::format("{}", fmt::join(ask.indices, ","));
    case DeviceKind::Auto:
        break;
    }
    return "auto";
}

} // namespace espalier::config
