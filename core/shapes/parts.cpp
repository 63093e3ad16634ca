// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/parts.h"

#include "core/base/overloaded.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace espalier::shapes {

bool contains(const PartRange& range, const std::string& part, std::int64_t block)
{
    return range.part.empty() || (part == range.part && block >= range.begin && (range.end == -1 || block < range.end));
}

std::vector<Part> partsOf(const ModelShape& shape)
{
    return std::visit(
        Overloaded{[](const config::UNetConfig& unet) {
                       const auto levels = static_cast<std::int64_t>(unet.chMultipliers.size());
                       return std::vector<Part>{{"embed", 1},  {"in_conv", 1},        {"downsamples", levels},
                                                {"middle", 1}, {"upsamples", levels}, {"out_conv", 1}};
                   },
                   [](const auto& transformer) { return std::vector<Part>{{"embed", 1}, {"blocks", transformer.depth}, {"head", 1}}; }},
        shape.model);
}

Result<Done> checkRange(const ModelShape& shape, const PartRange& range)
{
    const auto parts = partsOf(shape);
    const auto wrong = [](std::string message) { return Error{ErrorCode::Usage, std::move(message), "part"}; };
    if (range.part.empty()) {
        if (range.begin != 0 || range.end != -1)
            return wrong("Blocks can be chosen inside a part only; name the part.");
        return Done{};
    }
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& p) { return p.name == range.part; });
    if (part == parts.end()) {
        std::vector<std::string> names;
        for (const auto& p : parts)
            names.push_back(p.name);
        return wrong(fmt::format("A {} has no part \"{}\"; it has {}.", family(shape), range.part.substr(0, 40), fmt::join(names, ", ")));
    }
    const auto end = range.end == -1 ? part->blocks : range.end;
    if (range.begin < 0 || range.begin >= end || end > part->blocks)
        return wrong(
            fmt::format("Part {} has blocks 0 to {}; {} to {} is no range of them.", part->name, part->blocks - 1, range.begin, end - 1));
    return Done{};
}

std::vector<std::string> parametersOf(const ModelShape& shape, const PartRange& range)
{
    std::vector<std::string> names;
    for (auto& parameter : parameterTable(shape)) {
        if (contains(range, parameter.part, parameter.block))
            names.push_back(std::move(parameter.name));
    }
    return names;
}

Json toJson(const PartRange& range)
{
    Json json{{"part", range.part}};
    if (range.begin != 0 || range.end != -1)
        json["blocks"] = {range.begin, range.end};
    return json;
}

Result<PartRange> rangeFromJson(const Json& json)
{
    const Error wrong{ErrorCode::Format, "A part of a model is written {\"part\": \"middle\", \"blocks\": [begin, end]}.", "part"};
    if (!json.is_object() || !json.contains("part") || !json["part"].is_string())
        return wrong;
    PartRange range{json["part"].get<std::string>()};
    if (const auto blocks = json.find("blocks"); blocks != json.end()) {
        if (!blocks->is_array() || blocks->size() != 2 || !(*blocks)[0].is_number_integer() || !(*blocks)[1].is_number_integer())
            return wrong;
        range.begin = (*blocks)[0].get<std::int64_t>();
        range.end = (*blocks)[1].get<std::int64_t>();
    }
    return range;
}

} // namespace espalier::shapes
