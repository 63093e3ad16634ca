// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/layers.h"

#include <fmt/format.h>

namespace espalier::shapes {

namespace {

constexpr double kZeroScale = 1e-10; // "zero" layers of the published code are not exactly zero
constexpr double kLabelDeviation = 1.0;

/// Appends layers; knows where it is in the network.
class Builder {
public:
    Builder(std::string prefix, std::int64_t embedding) : m_prefix(std::move(prefix)), m_embedding(embedding) {}

    std::vector<Layer> layers;

    void at(std::string part, std::int64_t block) { m_part = std::move(part), m_block = block; }

    void norm(const std::string& name, std::int64_t channels, std::int64_t side)
    {
        add({Layer::Kind::Norm, name, channels, channels, 1, side, side});
    }
    void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t inSide, std::int64_t outSide,
              double scale = 1.0)
    {
        add({Layer::Kind::Conv, name, in, out, kernel, inSide, outSide, scale});
    }
    void linear(const std::string& name, std::int64_t in, std::int64_t out) { add({Layer::Kind::Linear, name, in, out}); }
    void embedding(const std::string& name, std::int64_t rows, std::int64_t out, double deviation)
    {
        Layer layer{Layer::Kind::Embedding, name, rows, out};
        layer.weightStart = Start{Init::Normal, deviation};
        add(std::move(layer));
    }
    void plain(Layer::Kind kind, std::int64_t channels, std::int64_t side) { add({kind, "", channels, channels, 1, side, side}); }

    void residual(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t side)
    {
        norm(name + "norm1", in, side);
        plain(Layer::Kind::Activation, in, side);
        conv(name + "conv1", in, out, 3, side, side);
        plain(Layer::Kind::Activation, m_embedding, 1);
        linear(name + "fc", m_embedding, out);
        norm(name + "norm2", out, side);
        plain(Layer::Kind::Activation, out, side);
        plain(Layer::Kind::Dropout, out, side);
        conv(name + "conv2", out, out, 3, side, side, kZeroScale);
        if (in != out)
            conv(name + "skip", in, out, 1, side, side);
    }
    void attention(const std::string& name, std::int64_t channels, std::int64_t side)
    {
        norm(name + "norm", channels, side);
        conv(name + "project_in", channels, 3 * channels, 1, side, side);
        plain(Layer::Kind::Attention, channels, side);
        conv(name + "project_out", channels, channels, 1, side, side, kZeroScale);
    }
    /// A block of a level: residual, with attention behind it where the level has it.
    void block(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t side, bool attends)
    {
        residual(attends ? name + "0." : name, in, out, side);
        if (attends)
            attention(name + "1.", out, side);
    }

private:
    void add(Layer layer)
    {
        if (!layer.name.empty())
            layer.name = m_prefix + layer.name;
        layer.part = m_part;
        layer.block = m_block;
        layers.push_back(std::move(layer));
    }
    std::string m_prefix, m_part;
    std::int64_t m_embedding, m_block = 0;
};

} // namespace

std::vector<Layer> unetLayers(const ModelShape& shape, const config::UNetConfig& unet)
{
    const auto levels = static_cast<std::int64_t>(unet.chMultipliers.size());
    const auto width = unet.hidChannels, embedding = 4 * width, fold = unet.blockSize * unet.blockSize;
    const auto side = shape.side > 0 ? shape.side / unet.blockSize : std::int64_t{1} << (levels - 1);
    const auto widthOf = [&](std::int64_t level) { return width * unet.chMultipliers[static_cast<std::size_t>(level)]; };
    const auto sideOf = [&](std::int64_t level) { return side >> level; };
    const auto blocks = config::blocksOfLevels(unet);
    const auto blocksOf = [&](std::int64_t level) { return blocks[static_cast<std::size_t>(level)]; };
    const auto attends = [&](std::int64_t level) { return bool(unet.applyAttn[static_cast<std::size_t>(level)]); };

    Builder build(unet.blockSize > 1 ? "_model." : "", embedding);
    build.at("embed", 0);
    build.linear("embed.0", width, embedding);
    build.plain(Layer::Kind::Activation, embedding, 1);
    build.linear("embed.2", embedding, embedding);
    if (unet.numClasses > 0)
        build.embedding("label_embed", unet.numClasses + 1, embedding, kLabelDeviation);
    build.at("in_conv", 0);
    build.conv("in_conv", shape.inChannels * fold, width, 3, side, side);

    std::vector<std::int64_t> skips{width}; // channels of what the down path leaves for the up path
    auto channels = width;
    for (std::int64_t level = 0; level < levels; ++level) {
        build.at("downsamples", level);
        for (std::int64_t j = 0; j < blocksOf(level); ++j) {
            build.block(fmt::format("downsamples.level_{}.{}.", level, j), channels, widthOf(level), sideOf(level), attends(level));
            channels = widthOf(level);
            skips.push_back(channels);
        }
        if (level + 1 < levels) {
            if (unet.resampleWithConv) {
                build.conv(fmt::format("downsamples.level_{}.{}.1", level, blocksOf(level)), channels, channels, 3, sideOf(level),
                           sideOf(level + 1));
            }
            skips.push_back(channels);
        }
    }
    build.at("middle", 0);
    build.residual("middle.0.", channels, channels, sideOf(levels - 1));
    build.attention("middle.1.", channels, sideOf(levels - 1));
    build.residual("middle.2.", channels, channels, sideOf(levels - 1));

    // The up path runs from the last level to the first and registers from the first to the last: widths first, then layers.
    std::vector<std::vector<std::int64_t>> entering(static_cast<std::size_t>(levels));
    for (auto level = levels - 1; level >= 0; --level) {
        for (std::int64_t j = 0; j <= blocksOf(level); ++j) {
            entering[static_cast<std::size_t>(level)].push_back(channels + skips.back());
            skips.pop_back();
            channels = widthOf(level);
        }
    }
    for (std::int64_t level = 0; level < levels; ++level) {
        build.at("upsamples", level);
        for (std::int64_t j = 0; j <= blocksOf(level); ++j) {
            build.block(fmt::format("upsamples.level_{}.{}.", level, j),
                        entering[static_cast<std::size_t>(level)][static_cast<std::size_t>(j)], widthOf(level), sideOf(level),
                        attends(level));
        }
        if (level > 0 && unet.resampleWithConv) {
            build.conv(fmt::format("upsamples.level_{}.{}.1", level, blocksOf(level) + 1), widthOf(level), widthOf(level), 3,
                       sideOf(level - 1), sideOf(level - 1));
        }
    }
    build.at("out_conv", 0);
    build.norm("out_conv.0", width, side);
    build.plain(Layer::Kind::Activation, width, side);
    build.conv("out_conv.2", width, shape.outChannels * fold, 3, side, side, kZeroScale);
    return std::move(build.layers);
}

} // namespace espalier::shapes
