// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/guess.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace espalier::shapes {

namespace {

/// Side of the folding block and channels of the image, from the channels that the first convolution reads.
std::pair<std::int64_t, std::int64_t> unfold(std::int64_t channels, bool wrapped)
{
    if (!wrapped)
        return {1, channels};
    for (const std::int64_t image : {3, 1, 4}) {
        const auto block = std::llround(std::sqrt(static_cast<double>(channels / image)));
        if (block > 1 && block * block * image == channels)
            return {block, image};
    }
    return {1, channels};
}

} // namespace

Result<Guess> guessUNet(const Shapes& shapes, const std::string& inner)
{
    constexpr std::int64_t kMaxLevels = 10;
    const auto of = [&](const std::string& name) -> const std::vector<std::int64_t>* {
        const auto found = shapes.find(inner + name);
        return found == shapes.end() ? nullptr : &found->second;
    };
    const auto* in = shapeIn(shapes, inner + "in_conv.weight", 4);
    const auto* out = shapeIn(shapes, inner + "out_conv.2.weight", 4);
    if (!in || !out)
        return unknown("These tensors belong to no model known here: a U-Net of the DDPM baseline has in_conv.weight and out_conv.2.weight "
                       "with four dimensions, a DiT x_embedder.proj.weight, a ViT patch_embed.proj.weight.");
    config::UNetConfig unet;
    unet.dropRate = 0.0;
    unet.hidChannels = (*in)[0];
    unet.chMultipliers.clear();
    unet.applyAttn.clear();
    std::vector<std::int64_t> blocks;
    for (std::int64_t level = 0; level < kMaxLevels; ++level) {
        const auto at = fmt::format("downsamples.level_{}.", level);
        const bool attends = of(at + "0.0.conv1.weight") != nullptr;
        const auto* conv = attends ? of(at + "0.0.conv1.weight") : of(at + "0.conv1.weight");
        if (!conv)
            break;
        if (conv->empty() || unet.hidChannels < 1 || (*conv)[0] % unet.hidChannels != 0)
            return unknown(
                fmt::format("{}{} is no multiple of the width of in_conv, as it is in a U-Net of the DDPM baseline.", inner, at));
        unet.chMultipliers.push_back((*conv)[0] / unet.hidChannels);
        unet.applyAttn.push_back(attends);
        blocks.push_back(countFrom(shapes, inner + at, attends ? ".0.conv1.weight" : ".conv1.weight", config::UNetConfig::kMaxLevelBlocks));
    }
    if (unet.chMultipliers.empty())
        return unknown("These tensors look like a U-Net, but downsamples.level_0 is missing.");
    unet.numResBlocks = std::ranges::max(blocks);
    unet.resampleWithConv = unet.chMultipliers.size() == 1 || of(fmt::format("downsamples.level_0.{}.1.weight", blocks.front())) != nullptr;
    unet = config::withLevelBlocks(std::move(unet), std::move(blocks));
    const auto [block, channels] = unfold((*in)[1], !inner.empty());
    unet.blockSize = block;
    if (const auto* labels = of("label_embed.weight"); labels && labels->size() == 2)
        unet.numClasses = (*labels)[0] - 1;
    return possible({{channels, (*out)[0] / (block * block), 0, std::move(unet)}, {}});
}

} // namespace espalier::shapes
