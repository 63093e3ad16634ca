// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/model_shape.h"

#include "core/base/overloaded.h"
#include "core/config/config.h"
#include "core/config/seen_image.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

namespace espalier::shapes {

std::string family(const ModelShape& shape)
{
    return std::visit([](const auto& model) { return std::string(model.kKind); }, shape.model);
}

namespace {

struct Size {
    const char* name;
    std::int64_t depth, width, heads;
};
constexpr Size kDit[] = {{"DiT-S", 12, 384, 6}, {"DiT-B", 12, 768, 12}, {"DiT-L", 24, 1024, 16}, {"DiT-XL", 28, 1152, 16}};
constexpr Size kVit[] = {
    {"ViT-Ti", 12, 192, 3}, {"ViT-S", 12, 384, 6}, {"ViT-B", 12, 768, 12}, {"ViT-L", 24, 1024, 16}, {"ViT-H", 32, 1280, 16}};

template <class Transformer>
std::string nameAmong(std::span<const Size> sizes, const Transformer& model)
{
    for (const auto& size : sizes) {
        if (model.depth == size.depth && model.hiddenSize == size.width && model.numHeads == size.heads && model.mlpRatio == 4.0)
            return fmt::format("{}/{}", size.name, model.patchSize);
    }
    return "";
}

} // namespace

std::string publishedName(const config::ModelConfig& model)
{
    if (const auto* dit = std::get_if<config::DitConfig>(&model))
        return nameAmong(kDit, *dit);
    if (const auto* vit = std::get_if<config::VitConfig>(&model))
        return nameAmong(kVit, *vit);
    return "";
}

std::string describe(const ModelShape& shape)
{
    const auto at = shape.side > 0 ? fmt::format(" at {}²", shape.side) : std::string();
    if (const auto name = publishedName(shape.model); !name.empty())
        return name + at;
    const auto transformer = [&](const char* name, const auto& model) {
        return fmt::format("{} {}·{}/{}{}", name, model.hiddenSize, model.depth, model.patchSize, at);
    };
    return std::visit(
        Overloaded{[&](const config::UNetConfig& unet) {
                       const auto blocks =
                           unet.levelBlocks.empty() ? std::string() : fmt::format(" with {} blocks", fmt::join(unet.levelBlocks, ","));
                       return fmt::format("U-Net {}·{}{}{}", unet.hidChannels, fmt::join(unet.chMultipliers, ","), blocks, at);
                   },
                   [&](const config::DitConfig& dit) { return transformer("DiT", dit); },
                   [&](const config::VitConfig& vit) { return transformer("ViT", vit); }},
        shape.model);
}

std::int64_t outChannelsOf(const config::ModelConfig& model, std::int64_t channels)
{
    const auto* dit = std::get_if<config::DitConfig>(&model);
    return !config::drawsImages(model) ? 0 : dit && dit->learnSigma ? 2 * channels : channels;
}

ModelShape shapeOf(const config::RunConfig& config)
{
    const auto seen = config::seenImage(config);
    return {seen.channels, outChannelsOf(config.model, seen.channels), seen.side, config.model};
}

Result<Done> checkShape(const ModelShape& shape)
{
    if (shape.inChannels < 1 || shape.inChannels > 64)
        return Error{ErrorCode::Format, fmt::format("in_channels of a model must be from 1 to 64; it is {}.", shape.inChannels),
                     "in_channels"};
    // A U-Net may give other channels than it takes; the others say in their configuration what comes out.
    const bool free = std::holds_alternative<config::UNetConfig>(shape.model);
    const auto least = free ? 1 : outChannelsOf(shape.model, shape.inChannels), most = free ? 64 : least;
    if (shape.outChannels < least || shape.outChannels > most) {
        return Error{ErrorCode::Format,
                     free ? fmt::format("out_channels of a model must be from 1 to 64; it is {}.", shape.outChannels)
                          : fmt::format("out_channels of this {} must be {}; it is {}.", family(shape), least, shape.outChannels),
                     "out_channels"};
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
