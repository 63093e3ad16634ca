// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/guess.h"

#include <cmath>

namespace espalier::shapes {

namespace {

constexpr std::int64_t kMaxDepth = 256, kMaxClasses = 1'000'000, kMaxStages = 64;

/// Weights do not say into how many heads a width is cut: as published where the width was, else 64 numbers a head.
std::int64_t headsFor(std::int64_t width)
{
    constexpr std::pair<std::int64_t, std::int64_t> kPublished[] = {{1152, 16}, {1280, 16}};
    for (const auto& [published, heads] : kPublished) {
        if (width == published)
            return heads;
    }
    return width % 64 == 0 ? width / 64 : 1;
}

/// The side of a square of that many tokens; 0 when they are no square.
std::int64_t gridOf(std::int64_t tokens)
{
    if (tokens < 1 || tokens > (std::int64_t{1} << 32))
        return 0;
    const auto grid = std::llround(std::sqrt(static_cast<double>(tokens)));
    return grid * grid == tokens ? grid : 0;
}

/// What patches, positions and the first MLP say in either transformer; false when something is no such thing.
template <class Transformer>
bool readCommon(const Shapes& shapes, const std::string& patches, std::int64_t tokensBefore, Transformer& model, ModelShape& shape)
{
    const auto* patch = shapeIn(shapes, patches, 4);
    const auto* positions = shapeIn(shapes, "pos_embed", 3);
    const auto* inside = shapeIn(shapes, "blocks.0.mlp.fc1.weight", 2);
    if (!patch || !positions || !inside)
        return false;
    const auto width = (*patch)[0], grid = gridOf((*positions)[1] - tokensBefore);
    if ((*patch)[1] < 1 || (*patch)[1] > 64 || width < 1 || width > 16384 || (*patch)[2] < 1 || (*patch)[2] > 64 || grid == 0 ||
        (*inside)[0] < 1 || (*inside)[0] > 65536)
        return false;
    model.hiddenSize = width;
    model.patchSize = (*patch)[2];
    model.depth = countFrom(shapes, "blocks.", ".mlp.fc1.weight", kMaxDepth);
    model.numHeads = headsFor(width);
    model.mlpRatio = static_cast<double>((*inside)[0]) / static_cast<double>(width);
    shape.inChannels = (*patch)[1];
    shape.side = grid * model.patchSize;
    return true;
}

} // namespace

Result<Guess> guessDit(const Shapes& shapes)
{
    config::DitConfig dit;
    ModelShape shape;
    const auto* out = shapeIn(shapes, "final_layer.linear.weight", 2);
    const auto* labels = shapeIn(shapes, "y_embedder.embedding_table.weight", 2);
    if (!readCommon(shapes, "x_embedder.proj.weight", 0, dit, shape) || !out || !labels || (*labels)[0] < 1 ||
        (*labels)[0] > kMaxClasses + 1)
        return unknown("These tensors look like a DiT, but one of x_embedder.proj.weight, pos_embed, blocks.0.mlp.fc1.weight, "
                       "y_embedder.embedding_table.weight and final_layer.linear.weight is missing or no such thing.");
    dit.learnSigma = (*out)[0] == 2 * dit.patchSize * dit.patchSize * shape.inChannels;
    dit.numClasses = (*labels)[0] > 1 ? (*labels)[0] - 1 : 0;
    if (const auto* stages = shapeIn(shapes, "s_embedder.embedding_table.weight", 2);
        stages && (*stages)[0] > 1 && (*stages)[0] <= kMaxStages + 1)
        dit.numStages = (*stages)[0] - 1;
    shape.outChannels = outChannelsOf(dit, shape.inChannels);
    shape.model = dit;
    return possible({std::move(shape), {"model.num_heads", "model.class_dropout_prob"}});
}

Result<Guess> guessVit(const Shapes& shapes)
{
    config::VitConfig vit;
    ModelShape shape;
    const auto* head = shapeIn(shapes, "head.weight", 2);
    if (!readCommon(shapes, "patch_embed.proj.weight", 1, vit, shape) || !head || (*head)[0] < 1 || (*head)[0] > kMaxClasses)
        return unknown("These tensors look like a ViT, but one of patch_embed.proj.weight, pos_embed with a row for the class token, "
                       "blocks.0.mlp.fc1.weight and head.weight is missing or no such thing.");
    vit.numClasses = (*head)[0];
    vit.pooling = shapes.contains("fc_norm.weight") ? config::Pooling::Mean : config::Pooling::Token;
    vit.qkvBias = shapes.contains("blocks.0.attn.qkv.bias");
    vit.normEpsilon = vit.qkvBias ? 1e-6 : 1e-5; // of those published without these biases
    if (!vit.qkvBias && vit.hiddenSize == 768 && vit.mlpRatio == 3.0)
        vit.numHeads = 8; // the small ViT of timm 0.3
    shape.outChannels = 0;
    shape.model = vit;
    return possible({std::move(shape), {"model.num_heads", "model.norm_epsilon"}});
}

} // namespace espalier::shapes
