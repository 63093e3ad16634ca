// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/model_shape.h"

#include "core/config/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace espalier::shapes {

std::string family(const ModelShape& shape)
{
    return std::visit([](const auto& model) { return std::string(model.kKind); }, shape.model);
}

std::string describe(const ModelShape& shape)
{
    return std::visit(
        [&](const config::UNetConfig& unet) {
            const auto at = shape.side > 0 ? fmt::format(" at {}²", shape.side) : std::string();
            return fmt::format("U-Net {}·{}{}", unet.hidChannels, fmt::join(unet.chMultipliers, ","), at);
        },
        shape.model);
}

ModelShape shapeOf(const config::RunConfig& config, std::int64_t channels)
{
    return {channels, channels, config.data.side, config.model};
}

Result<Done> checkShape(const ModelShape& shape)
{
    const std::pair<const char*, std::int64_t> channels[] = {{"in_channels", shape.inChannels}, {"out_channels", shape.outChannels}};
    for (const auto& [name, value] : channels) {
        if (value < 1 || value > 64)
            return Error{ErrorCode::Format, fmt::format("{} of a model must be from 1 to 64; it is {}.", name, value), name};
    }
    if (shape.side < 0 || shape.side > 4096)
        return Error{ErrorCode::Format, fmt::format("side of a model must be from 0 to 4096 pixels; it is {}.", shape.side), "side"};
    for (const auto& problem : config::checkModel(shape.model, shape.side))
        return Error{ErrorCode::Usage, problem.message, problem.path};
    return Done{};
}

Json toJson(const ModelShape& shape)
{
    return {{"in_channels", shape.inChannels},
            {"out_channels", shape.outChannels},
            {"side", shape.side},
            {"model", config::writeModel(shape.model)}};
}

Result<ModelShape> shapeFromJson(const Json& json)
{
    if (!json.is_object())
        return Error{ErrorCode::Format, "The shape of a model must be an object.", "shape"};
    ModelShape shape;
    std::pair<const char*, std::int64_t&> const numbers[] = {
        {"in_channels", shape.inChannels}, {"out_channels", shape.outChannels}, {"side", shape.side}};
    for (const auto& [key, value] : numbers) {
        const auto found = json.find(key);
        if (found == json.end() || !found->is_number_integer())
            return Error{ErrorCode::Format, fmt::format("The shape of a model must have a whole number \"{}\".", key), key};
        value = found->get<std::int64_t>();
    }
    const auto model = json.find("model");
    if (model == json.end())
        return Error{ErrorCode::Format, "The shape of a model must have a \"model\".", "model"};
    auto read = config::readModel(*model);
    if (!read)
        return std::move(read).error();
    shape.model = std::move(*read);
    if (auto checked = checkShape(shape); !checked)
        return std::move(checked).error();
    return shape;
}

} // namespace espalier::shapes
