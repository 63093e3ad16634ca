// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/recognise.h"

#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace espalier::shapes {

namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

Error unknown(std::string message)
{
    return {ErrorCode::Format, std::move(message), ""};
}

/// How many of prefix + "0" + suffix, prefix + "1" + suffix … there are from 0 on.
std::int64_t countFrom(const Shapes& shapes, const std::string& prefix, const std::string& suffix, std::int64_t limit)
{
    std::int64_t count = 0;
    while (count < limit && shapes.contains(fmt::format("{}{}{}", prefix, count, suffix)))
        ++count;
    return count;
}

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

/// The U-Net that these names would belong to; guesses freely, since the caller compares every parameter afterwards.
Result<ModelShape> guessUNet(const Shapes& shapes, const std::string& inner)
{
    constexpr std::int64_t kMaxLevels = 10, kMaxBlocks = 16;
    const auto of = [&](const std::string& name) -> const std::vector<std::int64_t>* {
        const auto found = shapes.find(inner + name);
        return found == shapes.end() ? nullptr : &found->second;
    };
    const auto* in = of("in_conv.weight");
    const auto* out = of("out_conv.2.weight");
    if (!in || in->size() != 4 || !out || out->size() != 4)
        return unknown("These tensors belong to no model known here: a U-Net of the DDPM baseline has in_conv.weight and out_conv.2.weight "
                       "with four dimensions.");
    config::UNetConfig unet;
    unet.dropRate = 0.0;
    unet.hidChannels = (*in)[0];
    unet.chMultipliers.clear();
    unet.applyAttn.clear();
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
    }
    if (unet.chMultipliers.empty())
        return unknown("These tensors look like a U-Net, but downsamples.level_0 is missing.");
    unet.numResBlocks =
        countFrom(shapes, inner + "downsamples.level_0.", unet.applyAttn[0] ? ".0.conv1.weight" : ".conv1.weight", kMaxBlocks);
    unet.resampleWithConv =
        unet.chMultipliers.size() == 1 || of(fmt::format("downsamples.level_0.{}.1.weight", unet.numResBlocks)) != nullptr;
    const auto [block, channels] = unfold((*in)[1], !inner.empty());
    unet.blockSize = block;
    if (const auto* labels = of("label_embed.weight"); labels && labels->size() == 2)
        unet.numClasses = (*labels)[0] - 1;
    ModelShape shape{channels, (*out)[0] / (block * block), 0, std::move(unet)};
    if (auto checked = checkShape(shape); !checked)
        return unknown("These tensors look like a U-Net that cannot be: " + checked.error().message);
    return shape;
}

} // namespace

Result<Recognised> recognise(std::span<const NamedShape> tensors)
{
    if (tensors.empty())
        return unknown("There are no tensors to recognise a model by.");
    static constexpr std::string_view kParallel = "module.";
    const bool parallel = std::all_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.name.starts_with(kParallel); });
    Shapes shapes;
    for (const auto& tensor : tensors) {
        if (!shapes.emplace(parallel ? tensor.name.substr(kParallel.size()) : tensor.name, tensor.shape).second)
            return unknown(fmt::format("The tensor {} is there twice.", tensor.name));
    }
    auto shape = guessUNet(shapes, shapes.begin()->first.starts_with("_model.") ? "_model." : "");
    if (!shape)
        return std::move(shape).error();
    auto left = shapes;
    for (const auto& parameter : parameterTable(*shape)) {
        const auto found = left.find(parameter.name);
        if (found == left.end())
            return unknown(fmt::format("This is nearly a {}, but {} is missing.", describe(*shape), parameter.name));
        if (found->second != parameter.shape) {
            return unknown(fmt::format("This is nearly a {}, but {} has shape [{}] and should have [{}].", describe(*shape), parameter.name,
                                       fmt::join(found->second, ", "), fmt::join(parameter.shape, ", ")));
        }
        left.erase(found);
    }
    if (!left.empty())
        return unknown(fmt::format("This is nearly a {}, but it also holds {}, which such a model does not have.", describe(*shape),
                                   left.begin()->first.substr(0, 200)));
    return Recognised{std::move(*shape), parallel ? std::string(kParallel) : std::string()};
}

} // namespace espalier::shapes
