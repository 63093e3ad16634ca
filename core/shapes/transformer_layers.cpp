// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/layers.h"

#include <fmt/format.h>

#include <cmath>

namespace espalier::shapes {

namespace {

using Kind = Layer::Kind;

constexpr Start kNormal{Init::Normal, 0.02}; // the truncation at 100 deviations that some published code writes never happens
constexpr Start kZero{Init::Zeros, 0.0};

/// Appends layers that work on `tokens` positions; knows where it is in the network.
class Builder {
public:
    explicit Builder(std::int64_t tokens) : m_tokens(tokens) {}

    std::vector<Layer> layers;

    void at(std::string part, std::int64_t block) { m_part = std::move(part), m_block = block; }

    /// On every token.
    Layer& onTokens(Kind kind, std::string name, std::int64_t in, std::int64_t out)
    {
        auto& layer = onVector(kind, std::move(name), in, out);
        layer.tokens = m_tokens;
        return layer;
    }
    /// On one vector for each image.
    Layer& onVector(Kind kind, std::string name, std::int64_t in, std::int64_t out)
    {
        layers.push_back({kind, std::move(name), in, out});
        layers.back().part = m_part;
        layers.back().block = m_block;
        return layers.back();
    }
    void table(std::string name, std::int64_t rows, std::int64_t width, Start start)
    {
        auto& layer = onVector(Kind::Table, std::move(name), rows, width);
        layer.weightStart = start;
        layer.trained = start.init != Init::Fixed;
    }
    void patches(std::string name, std::int64_t channels, std::int64_t width, std::int64_t patch, std::int64_t side, Start weight,
                 Start bias)
    {
        auto& layer = onVector(Kind::Conv, std::move(name), channels, width);
        layer.kernel = patch;
        layer.inSide = side;
        layer.outSide = side / patch;
        layer.weightStart = weight;
        layer.biasStart = bias;
    }
    void linear(const std::string& name, std::int64_t in, std::int64_t out, std::optional<Start> weight, bool bias = true)
    {
        auto& layer = onTokens(Kind::Linear, name, in, out);
        layer.weightStart = weight;
        layer.bias = bias;
    }
    void attention(const std::string& name, std::int64_t width, std::optional<Start> weight, bool qkvBias)
    {
        linear(name + "qkv", width, 3 * width, weight, qkvBias);
        onTokens(Kind::Attention, "", width, width);
        linear(name + "proj", width, width, weight);
    }
    void mlp(const std::string& name, std::int64_t width, std::int64_t inside, std::optional<Start> weight)
    {
        linear(name + "fc1", width, inside, weight);
        onTokens(Kind::Activation, "", inside, inside);
        linear(name + "fc2", inside, width, weight);
    }

private:
    std::string m_part;
    std::int64_t m_tokens, m_block = 0;
};

} // namespace

std::vector<Layer> ditLayers(const ModelShape& shape, const config::DitConfig& dit)
{
    const auto width = dit.hiddenSize, patch = dit.patchSize, side = shape.side > 0 ? shape.side : patch, grid = side / patch;
    constexpr std::int64_t kFrequencies = 256;
    Builder build(grid * grid);
    build.at("embed", 0);
    const auto places = dit.grid > 0 ? dit.grid : grid;
    build.table("pos_embed", places * places, width, {Init::Fixed, 0.0});
    const double fans = static_cast<double>(shape.inChannels * patch * patch + width); // as if it were linear
    build.patches("x_embedder.proj", shape.inChannels, width, patch, side, {Init::Xavier, std::sqrt(6.0 / fans)}, kZero);
    build.onVector(Kind::Linear, "t_embedder.mlp.0", kFrequencies, width).weightStart = kNormal;
    build.onVector(Kind::Activation, "", width, width);
    build.onVector(Kind::Linear, "t_embedder.mlp.2", width, width).weightStart = kNormal;
    build.onVector(Kind::Embedding, "y_embedder.embedding_table", labelRows(dit), width);
    if (dit.numStages > 0) {
        auto& stages = build.onVector(Kind::Embedding, "s_embedder.embedding_table", dit.numStages + 1, width);
        if (dit.stageZeroInit)
            stages.weightStart = kZero;
    }
    build.onVector(Kind::Activation, "", width, width); // of the condition, once for all blocks
    const auto modulated = [&] {
        build.onTokens(Kind::Norm, "", width, width);
        build.onTokens(Kind::Scale, "", width, width);
    };
    for (std::int64_t i = 0; i < dit.depth; ++i) {
        build.at("blocks", i);
        const auto name = fmt::format("blocks.{}.", i);
        modulated();
        build.attention(name + "attn.", width, {}, true);
        build.onTokens(Kind::Scale, "", width, width);
        modulated();
        build.mlp(name + "mlp.", width, config::mlpWidth(dit), {});
        build.onTokens(Kind::Scale, "", width, width);
        build.onVector(Kind::Linear, name + "adaLN_modulation.1", width, 6 * width).weightStart = kZero;
    }
    build.at("head", 0);
    modulated();
    build.linear("final_layer.linear", width, patch * patch * shape.outChannels, kZero);
    build.onVector(Kind::Linear, "final_layer.adaLN_modulation.1", width, 2 * width).weightStart = kZero;
    return std::move(build.layers);
}

std::int64_t labelRows(const config::DitConfig& dit)
{
    return std::max<std::int64_t>(dit.numClasses + (dit.numClasses > 0 && dit.classDropoutProb > 0.0 ? 1 : 0), 1);
}

std::vector<Layer> vitLayers(const ModelShape& shape, const config::VitConfig& vit)
{
    const auto width = vit.hiddenSize, patch = vit.patchSize, side = shape.side > 0 ? shape.side : patch, grid = side / patch;
    const auto tokens = grid * grid + 1;
    const bool mean = vit.pooling == config::Pooling::Mean;
    Builder build(tokens);
    build.at("embed", 0);
    build.table("cls_token", 1, width, kNormal);
    const auto places = vit.grid > 0 ? vit.grid : grid;
    build.table("pos_embed", places * places + 1, width, kNormal);
    // PyTorch's own start of a convolution, weight and bias alike: the published code leaves it there.
    const Start conv{Init::Uniform, 1.0 / std::sqrt(static_cast<double>(shape.inChannels * patch * patch))};
    build.patches("patch_embed.proj", shape.inChannels, width, patch, side, conv, conv);
    for (std::int64_t i = 0; i < vit.depth; ++i) {
        build.at("blocks", i);
        const auto name = fmt::format("blocks.{}.", i);
        build.onTokens(Kind::Norm, name + "norm1", width, width);
        build.attention(name + "attn.", width, kNormal, vit.qkvBias);
        build.onTokens(Kind::Norm, name + "norm2", width, width);
        build.mlp(name + "mlp.", width, config::mlpWidth(vit), kNormal);
    }
    build.at("head", 0);
    if (mean) {
        build.onVector(Kind::Norm, "fc_norm", width, width);
    } else {
        build.onTokens(Kind::Norm, "norm", width, width);
    }
    build.onVector(Kind::Linear, "head", width, vit.numClasses).weightStart = kNormal;
    return std::move(build.layers);
}

} // namespace espalier::shapes
