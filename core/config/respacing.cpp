// SPDX-License-Identifier: Apache-2.0
#include "core/config/respacing.h"

#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace espalier::config {

namespace {

using Levels = std::vector<std::int64_t>;

std::optional<std::int64_t> countIn(std::string_view text)
{
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 1)
        return std::nullopt;
    return value;
}

Error usage(std::string message)
{
    return {ErrorCode::Usage, std::move(message), {}};
}

Error notRespacing(std::string_view text)
{
    return usage(fmt::format("must be a number of levels such as 250, numbers for equal sections such as 10,15,20, or ddim50 for every "
                             "i-th level; it is \"{}\"",
                             shortText(text)));
}

Result<Levels> atOneStride(std::int64_t count, std::int64_t timesteps)
{
    for (std::int64_t stride = 1; stride < timesteps; ++stride) {
        if ((timesteps + stride - 1) / stride != count)
            continue;
        Levels levels;
        for (std::int64_t level = 0; level < timesteps; level += stride)
            levels.push_back(level);
        return levels;
    }
    return usage(fmt::format("asks for {} levels, which no whole stride over {} levels gives", count, timesteps));
}

Result<Levels> inSections(const Levels& counts, std::int64_t timesteps)
{
    const auto sections = static_cast<std::int64_t>(counts.size());
    Levels levels;
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < sections; ++i) {
        const auto count = counts[static_cast<std::size_t>(i)];
        const auto size = timesteps / sections + (i < timesteps % sections ? 1 : 0);
        if (size < count)
            return usage(sections == 1 ? fmt::format("asks for {} levels, and there are {}", count, timesteps)
                                       : fmt::format("asks for {} levels of section {}, which has {}", count, i + 1, size));
        const double stride = count > 1 ? static_cast<double>(size - 1) / static_cast<double>(count - 1) : 1.0;
        double place = 0.0; // added up, as published: a product rounds elsewhere
        for (std::int64_t k = 0; k < count; ++k, place += stride)
            levels.push_back(first + static_cast<std::int64_t>(std::nearbyint(place)));
        first += size;
    }
    return levels;
}

} // namespace

Result<Levels> respacedLevels(std::string_view text, std::int64_t timesteps)
{
    if (text.starts_with("ddim")) {
        const auto count = countIn(text.substr(4));
        return count ? atOneStride(*count, timesteps) : notRespacing(text);
    }
    Levels counts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        const auto count = countIn(text.substr(begin, end - begin));
        if (!count)
            return notRespacing(text);
        counts.push_back(*count);
        begin = end + 1;
    }
    return inSections(counts, timesteps);
}

} // namespace espalier::config
