// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/autoencoder_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

namespace espalier::shapes {
namespace {

class Table {
public:
    std::vector<NamedShape> tensors;

    void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel)
    {
        tensors.push_back({name + ".weight", {out, in, kernel, kernel}});
        tensors.push_back({name + ".bias", {out}});
    }
    void norm(const std::string& name, std::int64_t width)
    {
        tensors.push_back({name + ".weight", {width}});
        tensors.push_back({name + ".bias", {width}});
    }
    void residual(const std::string& name, std::int64_t in, std::int64_t out)
    {
        norm(name + ".norm1", in);
        conv(name + ".conv1", in, out, 3);
        norm(name + ".norm2", out);
        conv(name + ".conv2", out, out, 3);
        if (in != out)
            conv(name + ".conv_shortcut", in, out, 1);
    }
    void middle(const std::string& name, std::int64_t width)
    {
        for (const auto* layer : {".to_q", ".to_k", ".to_v", ".to_out.0"}) {
            tensors.push_back({fmt::format("{}.attentions.0{}.weight", name, layer), {width, width}});
            tensors.push_back({fmt::format("{}.attentions.0{}.bias", name, layer), {width}});
        }
        norm(name + ".attentions.0.group_norm", width);
        residual(name + ".resnets.0", width, width);
        residual(name + ".resnets.1", width, width);
    }
    /// `sampler`: "downsamplers" or "upsamplers", which the last level has not.
    void level(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t blocks, const char* sampler)
    {
        for (std::int64_t i = 0; i < blocks; ++i)
            residual(fmt::format("{}.resnets.{}", name, i), i == 0 ? in : out, out);
        if (sampler)
            conv(fmt::format("{}.{}.0.conv", name, sampler), out, out, 3);
    }
};

} // namespace

std::vector<NamedShape> autoencoderTensors(const AutoencoderShape& shape)
{
    Table table;
    const auto& widths = shape.channels;
    table.conv("encoder.conv_in", shape.imageChannels, widths.front(), 3);
    table.conv("decoder.conv_in", shape.latentChannels, widths.back(), 3);
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const bool last = i + 1 == widths.size();
        const auto up = widths.size() - 1 - i;
        table.level(fmt::format("encoder.down_blocks.{}", i), widths[i > 0 ? i - 1 : 0], widths[i], shape.blocks,
                    last ? nullptr : "downsamplers");
        table.level(fmt::format("decoder.up_blocks.{}", i), widths[i > 0 ? up + 1 : up], widths[up], shape.blocks + 1,
                    last ? nullptr : "upsamplers");
    }
    table.middle("encoder.mid_block", widths.back());
    table.middle("decoder.mid_block", widths.back());
    table.norm("encoder.conv_norm_out", widths.back());
    table.conv("encoder.conv_out", widths.back(), 2 * shape.latentChannels, 3);
    table.norm("decoder.conv_norm_out", widths.front());
    table.conv("decoder.conv_out", widths.front(), shape.imageChannels, 3);
    table.conv("quant_conv", 2 * shape.latentChannels, 2 * shape.latentChannels, 1);
    table.conv("post_quant_conv", shape.latentChannels, shape.latentChannels, 1);
    return std::move(table.tensors);
}

std::optional<AutoencoderShape> autoencoderOf(std::span<const NamedShape> tensors)
{
    constexpr std::size_t kMostLevels = 10;
    constexpr std::int64_t kMostBlocks = 16, kMostWidth = 65536;
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (const auto& tensor : tensors)
        if (!shapes.emplace(tensor.name, tensor.shape).second)
            return std::nullopt;
    const auto sizeOf = [&](const std::string& name, std::size_t dimension) -> std::int64_t {
        const auto found = shapes.find(name);
        return found == shapes.end() || found->second.size() != 4 || found->second[dimension] < 1 || found->second[dimension] > kMostWidth
                   ? 0
                   : found->second[dimension];
    };
    const auto conv = [](std::size_t level, std::int64_t block) {
        return fmt::format("encoder.down_blocks.{}.resnets.{}.conv1.weight", level, block);
    };
    AutoencoderShape shape{sizeOf("encoder.conv_in.weight", 1), sizeOf("post_quant_conv.weight", 0), {}, 0};
    while (shape.channels.size() < kMostLevels && sizeOf(conv(shape.channels.size(), 0), 0) > 0)
        shape.channels.push_back(sizeOf(conv(shape.channels.size(), 0), 0));
    while (shape.blocks < kMostBlocks && sizeOf(conv(0, shape.blocks), 0) > 0)
        ++shape.blocks;
    if (shape.imageChannels == 0 || shape.latentChannels == 0 || shape.channels.empty() || shape.blocks == 0)
        return std::nullopt;
    const auto table = autoencoderTensors(shape);
    if (table.size() != shapes.size())
        return std::nullopt;
    for (const auto& tensor : table)
        if (const auto found = shapes.find(tensor.name); found == shapes.end() || found->second != tensor.shape)
            return std::nullopt;
    return shape;
}

std::string describe(const AutoencoderShape& shape)
{
    const auto first = shape.channels.front();
    std::vector<std::string> multiples;
    for (const auto width : shape.channels)
        multiples.push_back(width % first == 0 ? fmt::format("{}", width / first) : fmt::format("({})", width));
    return fmt::format("AutoencoderKL {}·{} with {} latent channels", first, fmt::join(multiples, ","), shape.latentChannels);
}

} // namespace espalier::shapes
