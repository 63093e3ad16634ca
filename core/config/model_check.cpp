// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace espalier::config {

namespace {

using Problems = std::vector<Problem>;

/// "the nearest are 24 and 28" or "the smallest is 4": multiples of `step` beside `value`.
std::string nearestMultiples(std::int64_t value, std::int64_t step)
{
    const auto below = value / step * step;
    return below > 0 ? fmt::format("the nearest are {} and {}", below, below + step) : fmt::format("the smallest is {}", step);
}

/// What a sentence about data.side adds where the network sees latents.
std::string throughEncoder(std::int64_t pixels)
{
    return pixels > 1 ? fmt::format(" on latents of {} pixels each", pixels) : std::string();
}

void checkUNet(const UNetConfig& unet, std::int64_t side, std::int64_t pixels, Problems& problems)
{
    constexpr std::size_t kMaxLevels = 10;
    constexpr std::int64_t kMaxWidth = 16384;
    const auto levels = unet.chMultipliers.size();
    if (levels == 0 || levels > kMaxLevels) {
        problems.push_back(
            {"model.ch_multipliers",
             fmt::format("model.ch_multipliers must have 1 to {} elements, one for each level; it has {}.", kMaxLevels, levels)});
        return;
    }
    if (unet.chMultipliers.front() != 1) {
        problems.push_back(
            {"model.ch_multipliers",
             fmt::format("model.ch_multipliers must begin with 1, because the output layer has the width of the first level; it "
                         "begins with {}.",
                         unet.chMultipliers.front())});
    }
    if (unet.applyAttn.size() != levels) {
        problems.push_back(
            {"model.apply_attn", fmt::format("model.apply_attn must have as many elements as model.ch_multipliers ({}); it has {}.", levels,
                                             unet.applyAttn.size())});
    }
    if (!unet.levelBlocks.empty() && unet.levelBlocks.size() != levels) {
        problems.push_back({"model.level_blocks", fmt::format("model.level_blocks must have as many elements as model.ch_multipliers "
                                                              "({}), or none; it has {}.",
                                                              levels, unet.levelBlocks.size())});
    }
    if (unet.hidChannels % 32 != 0) {
        const auto below = unet.hidChannels / 32 * 32;
        problems.push_back(
            {"model.hid_channels", fmt::format("model.hid_channels must be a multiple of 32, the groups of its norms; the nearest "
                                               "to {} are {} and {}.",
                                               unet.hidChannels, std::max<std::int64_t>(below, 32), below + 32)});
    }
    for (const auto multiplier : unet.chMultipliers) {
        if (unet.hidChannels * multiplier > kMaxWidth) {
            problems.push_back(
                {"model.ch_multipliers",
                 fmt::format("A level would be {} channels wide, and {} is the most; lower model.hid_channels or the multiplier {}.",
                             unet.hidChannels * multiplier, kMaxWidth, multiplier)});
            break;
        }
    }
    const auto step = (std::int64_t{1} << (levels - 1)) * unet.blockSize;
    if (side % step != 0) {
        problems.push_back(
            {"data.side", fmt::format("data.side {} must be a multiple of {}, because the model halves it {} times{}{}; {}.", side * pixels,
                                      step * pixels, levels - 1, unet.blockSize > 1 ? " after folding model.block_size pixels" : "",
                                      throughEncoder(pixels), nearestMultiples(side * pixels, step * pixels))});
    }
}

/// What holds for both transformers; `widthStep` is what their table of positions asks of the width.
template <class Transformer>
void checkTransformer(const Transformer& model, std::int64_t side, std::int64_t pixels, std::int64_t widthStep, Problems& problems)
{
    constexpr std::int64_t kMaxTokens = 65536, kMaxInside = 65536;
    if (model.hiddenSize % model.numHeads != 0) {
        problems.push_back(
            {"model.num_heads", fmt::format("model.num_heads {} must divide model.hidden_size {}: each head has an equal share of it.",
                                            model.numHeads, model.hiddenSize)});
    }
    if (model.hiddenSize % widthStep != 0) {
        problems.push_back(
            {"model.hidden_size", fmt::format("model.hidden_size must be a multiple of {}, because sines and cosines of rows and columns "
                                              "share it; {}.",
                                              widthStep, nearestMultiples(model.hiddenSize, widthStep))});
    }
    if (mlpWidth(model) < 1 || mlpWidth(model) > kMaxInside) {
        problems.push_back({"model.mlp_ratio", fmt::format("model.mlp_ratio {} makes the MLP {} wide; it must be from 1 to {}.",
                                                           numberText(model.mlpRatio), mlpWidth(model), kMaxInside)});
    }
    if (side % model.patchSize != 0) {
        problems.push_back(
            {"data.side", fmt::format("data.side {} must be a multiple of model.patch_size {}{}; {}.", side * pixels, model.patchSize,
                                      throughEncoder(pixels), nearestMultiples(side * pixels, model.patchSize * pixels))});
    } else if (const auto grid = side / model.patchSize; grid * grid > kMaxTokens) {
        problems.push_back({"model.patch_size", fmt::format("model.patch_size {} cuts images of side {} into {} tokens, and {} is the "
                                                            "most; raise it.",
                                                            model.patchSize, side, grid * grid, kMaxTokens)});
    }
}

} // namespace

UNetConfig withLevelBlocks(UNetConfig unet, std::vector<std::int64_t> blocks)
{
    const bool differ = std::ranges::adjacent_find(blocks, std::ranges::not_equal_to()) != blocks.end();
    if (!differ && !blocks.empty())
        unet.numResBlocks = blocks.front();
    unet.levelBlocks = differ ? std::move(blocks) : std::vector<std::int64_t>();
    return unet;
}

std::vector<Problem> checkModel(const ModelConfig& model, std::int64_t side, std::int64_t pixels)
{
    Problems problems;
    if (const auto* unet = std::get_if<UNetConfig>(&model))
        checkUNet(*unet, side, pixels, problems);
    else if (const auto* dit = std::get_if<DitConfig>(&model))
        checkTransformer(*dit, side, pixels, 4, problems);
    else if (const auto* vit = std::get_if<VitConfig>(&model))
        checkTransformer(*vit, side, pixels, 1, problems);
    return problems;
}

} // namespace espalier::config
