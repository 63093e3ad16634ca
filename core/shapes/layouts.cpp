// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/layouts.h"

#include "core/shapes/layers.h"

#include <fmt/format.h>

#include <iterator>

namespace espalier::shapes {
namespace {

constexpr std::pair<Layout, std::string_view> kNames[] = {{Layout::Safetensors, "safetensors"},
                                                          {Layout::Torch, "pt"},
                                                          {Layout::Dit, "dit"},
                                                          {Layout::Timm, "timm"},
                                                          {Layout::DeepIncubation, "deep-incubation"},
                                                          {Layout::DdpmTorch, "ddpm-torch"},
                                                          {Layout::Diffusers, "diffusers"}};

Error refusal(const ModelShape& shape, Layout layout, std::string_view why)
{
    return {ErrorCode::Usage, fmt::format("A {} cannot be written as {}: {}.", describe(shape), nameOf(layout), why), {}};
}

Result<Done> checkDiffusers(const ModelShape& shape)
{
    const auto* dit = std::get_if<config::DitConfig>(&shape.model);
    if (!dit)
        return refusal(shape, Layout::Diffusers, "of the networks here diffusers has the DiT alone");
    if (dit->numStages > 0)
        return refusal(shape, Layout::Diffusers, "the DiT there has no table of stages");
    if (config::mlpWidth(*dit) != 4 * dit->hiddenSize)
        return refusal(shape, Layout::Diffusers, "its MLPs are always four times as wide as the tokens there");
    return Done{};
}

} // namespace

std::string_view nameOf(Layout layout)
{
    for (const auto& [known, name] : kNames)
        if (known == layout)
            return name;
    return "";
}

std::optional<Layout> layoutOf(std::string_view name)
{
    for (const auto& [layout, known] : kNames)
        if (known == name)
            return layout;
    return std::nullopt;
}

std::vector<std::string> layoutNames()
{
    std::vector<std::string> names;
    for (const auto& [layout, name] : kNames)
        names.emplace_back(name);
    return names;
}

Result<Done> checkLayout(const ModelShape& shape, Layout layout)
{
    switch (layout) {
    case Layout::Safetensors:
    case Layout::Torch:
        return Done{};
    case Layout::Dit:
        return std::holds_alternative<config::DitConfig>(shape.model) ? Result<Done>(Done{})
                                                                      : refusal(shape, layout, "that code has the DiT alone");
    case Layout::Timm:
        return std::holds_alternative<config::VitConfig>(shape.model)
                   ? Result<Done>(Done{})
                   : refusal(shape, layout, "of the networks here timm has the ViT alone");
    case Layout::DeepIncubation:
        if (const auto* vit = std::get_if<config::VitConfig>(&shape.model); !vit || vit->pooling != config::Pooling::Token)
            return refusal(shape, layout, "that code has the ViT with a class token alone");
        return Done{};
    case Layout::DdpmTorch:
        if (!std::holds_alternative<config::UNetConfig>(shape.model))
            return refusal(shape, layout, "that code has the U-Net alone");
        if (config::classesOf(shape.model) > 0)
            return refusal(shape, layout, "the published U-Net is told no classes, and this one is");
        if (!std::get<config::UNetConfig>(shape.model).levelBlocks.empty())
            return refusal(shape, layout, "the published U-Net has as many blocks in each level, and this one has not");
        return Done{};
    case Layout::Diffusers:
        return checkDiffusers(shape);
    }
    return Error{ErrorCode::Internal, "That layout is unknown.", {}};
}

std::vector<Layout> layoutsFor(const ModelShape& shape)
{
    std::vector<Layout> layouts;
    for (const auto& [layout, name] : kNames)
        if (checkLayout(shape, layout))
            layouts.push_back(layout);
    return layouts;
}

Json diffusersConfig(const ModelShape& shape)
{
    const auto& dit = std::get<config::DitConfig>(shape.model);
    return {{"_class_name", "DiTTransformer2DModel"},
            {"activation_fn", "gelu-approximate"},
            {"attention_bias", true},
            {"attention_head_dim", dit.hiddenSize / dit.numHeads},
            {"dropout", 0.0},
            {"in_channels", shape.inChannels},
            {"norm_elementwise_affine", false},
            {"norm_eps", 1e-6}, // of all norms of a DiT
            {"norm_num_groups", 32},
            {"norm_type", "ada_norm_zero"},
            {"num_attention_heads", dit.numHeads},
            {"num_embeds_ada_norm", labelRows(dit) - 1}, // its table always has one row more
            {"num_layers", dit.depth},
            {"out_channels", shape.outChannels},
            {"patch_size", dit.patchSize},
            {"sample_size", shape.side},
            {"upcast_attention", false}};
}

ModelShape withDiffusersConfig(ModelShape shape, const Json& config)
{
    auto* dit = std::get_if<config::DitConfig>(&shape.model);
    if (!dit || !config.is_object())
        return shape;
    const auto heads = config.find("num_attention_heads");
    if (heads != config.end() && heads->is_number_integer() && heads->get<std::int64_t>() > 0 &&
        dit->hiddenSize % heads->get<std::int64_t>() == 0)
        dit->numHeads = heads->get<std::int64_t>();
    return shape;
}

Json diffusersConfig(const AutoencoderShape& shape, const Json& config)
{
    Json full = config.is_object() ? config : Json::object();
    const std::vector<std::string> down(shape.channels.size(), "DownEncoderBlock2D"), up(shape.channels.size(), "UpDecoderBlock2D");
    const Json usual{{"_class_name", "AutoencoderKL"},
                     {"act_fn", "silu"},
                     {"block_out_channels", shape.channels},
                     {"down_block_types", down},
                     {"in_channels", shape.imageChannels},
                     {"latent_channels", shape.latentChannels},
                     {"layers_per_block", shape.blocks},
                     {"norm_num_groups", 32},
                     {"out_channels", shape.imageChannels},
                     {"sample_size", 256},
                     {"scaling_factor", 0.18215},
                     {"up_block_types", up}};
    for (const auto& [key, value] : usual.items())
        if (!full.contains(key))
            full[key] = value;
    return full;
}

} // namespace espalier::shapes
