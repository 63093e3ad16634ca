// SPDX-License-Identifier: Apache-2.0
#include "core/models/registry.h"

#include "core/base/overloaded.h"
#include "core/config/config.h"
#include "core/config/seen_image.h"
#include "core/models/dit.h"
#include "core/models/unet.h"
#include "core/models/vit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::models {
namespace {

Error wrong(const std::string& field, const std::string& why)
{
    return Error{ErrorCode::Usage, fmt::format("{} {}.", field, why), {}};
}

Result<std::shared_ptr<Model>> makeUNet(const config::UNetConfig& c, const ImageShape& image, const Place& place)
{
    const std::size_t levels = c.chMultipliers.size();
    if (levels == 0 || levels > 16 || c.chMultipliers.front() != 1)
        return wrong("model.ch_multipliers",
                     "must have 1 to 16 entries, the first of which is 1: the output layer is as wide as the first level");
    if (c.applyAttn.size() != levels)
        return wrong("model.apply_attn",
                     fmt::format("has {} entries but model.ch_multipliers has {}; give one per level", c.applyAttn.size(), levels));
    if (!c.levelBlocks.empty() && c.levelBlocks.size() != levels)
        return wrong("model.level_blocks", fmt::format("has {} entries but model.ch_multipliers has {}; give one per level, or none",
                                                       c.levelBlocks.size(), levels));
    if (c.hidChannels < 32 || c.hidChannels % 32 != 0)
        return wrong("model.hid_channels",
                     fmt::format("is {} but must be a multiple of 32: normalisation works on 32 groups", c.hidChannels));
    const std::int64_t multiple = c.blockSize << (levels - 1);
    for (const auto& [name, size] : {std::pair{"height", image.height}, std::pair{"width", image.width}})
        if (size < multiple || size % multiple != 0)
            return wrong("model.ch_multipliers", fmt::format("has {} levels, which need images whose {} is a multiple of {}, but it is {}",
                                                             levels, name, multiple, size));
    UNetOptions o;
    o.inChannels = o.outChannels = image.channels * c.blockSize * c.blockSize;
    o.hidChannels = c.hidChannels;
    o.chMultipliers = c.chMultipliers;
    o.numResBlocks = c.numResBlocks;
    o.levelBlocks = c.levelBlocks;
    o.applyAttn = c.applyAttn;
    o.dropRate = c.dropRate;
    o.resampleWithConv = c.resampleWithConv;
    o.blockSize = c.blockSize;
    o.classes = c.numClasses;
    o.classDropout = c.classDropoutProb;
    return std::shared_ptr<Model>(std::make_shared<UNet>(o, image, place));
}

template <class Network, class Config>
Result<std::shared_ptr<Model>> makeTransformer(const Config& c, const ImageShape& image, const Place& place)
{
    if (image.height != image.width || image.height < 1)
        return wrong("data.side", fmt::format("must be one number for this model: images are {} x {}", image.width, image.height));
    for (const auto& problem : config::checkModel(c, image.height))
        return Error{ErrorCode::Usage, problem.message, problem.path};
    return std::shared_ptr<Model>(std::make_shared<Network>(c, image, place));
}

} // namespace

ImageShape imageShape(const config::RunConfig& config)
{
    const auto seen = config::seenImage(config);
    return {seen.channels, seen.side, seen.side};
}

Result<std::shared_ptr<Model>> make(const config::ModelConfig& config, const ImageShape& image, c10::Device device, bool channelsLast)
{
    const Place place{device, at::kFloat, channelsLast};
    return std::visit(Overloaded{[&](const config::UNetConfig& unet) { return makeUNet(unet, image, place); },
                                 [&](const config::DitConfig& dit) { return makeTransformer<Dit>(dit, image, place); },
                                 [&](const config::VitConfig& vit) { return makeTransformer<Vit>(vit, image, place); }},
                      config);
}

} // namespace espalier::models
