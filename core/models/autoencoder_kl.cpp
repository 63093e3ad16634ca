// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_kl.h"

#include "core/models/autoencoder_blocks.h"
#include "core/models/norm_silu.h"
#include "core/tensors/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

namespace espalier::models {
namespace {

/// `tile` continues `before` along a dimension: its first `extent` lines fade in over the last ones of `before`.
void blend(const at::Tensor& before, const at::Tensor& tile, std::int64_t dimension, std::int64_t extent)
{
    const auto n = std::min({extent, before.size(dimension), tile.size(dimension)});
    if (n <= 0)
        return;
    std::vector<std::int64_t> shape(4, 1);
    shape[static_cast<std::size_t>(dimension)] = n;
    const at::Tensor share = at::arange(n, tile.options()).div_(static_cast<double>(n)).view(shape);
    const at::Tensor start = tile.narrow(dimension, 0, n);
    start.copy_(at::lerp(before.narrow(dimension, before.size(dimension) - n, n), start, share));
}

} // namespace

Posterior Posterior::of(const at::Tensor& moments)
{
    const auto halves = moments.chunk(2, 1);
    return {halves[0], halves[1].clamp(-30.0, 20.0)};
}

at::Tensor Posterior::deviation() const
{
    return (0.5 * logVariance).exp();
}

at::Tensor Posterior::sample(const at::Tensor& noise) const
{
    return mean + deviation() * noise;
}

at::Tensor Posterior::divergence() const
{
    return 0.5 * (mean.square() + logVariance.exp() - 1.0 - logVariance).sum({1, 2, 3});
}

struct AutoencoderKL::Encoder : Container {
    std::shared_ptr<Conv2d> in, out;
    std::vector<std::shared_ptr<AutoencoderLevel>> levels;
    std::shared_ptr<AutoencoderMiddle> middle;
    std::shared_ptr<GroupNorm> norm;

    Encoder(const AutoencoderOptions& o, const Place& place)
    {
        in = add("conv_in", std::make_shared<Conv2d>(o.imageChannels, o.channels.front(), 3, place, 1, 1));
        const auto names = add("down_blocks", std::make_shared<Container>());
        for (std::size_t i = 0; i < o.channels.size(); ++i)
            levels.push_back(names->add(std::to_string(i), std::make_shared<AutoencoderLevel>(
                                                               o.channels[i > 0 ? i - 1 : 0], o.channels[i], o.blocks, o.groups,
                                                               i + 1 < o.channels.size() ? Resampling::Down : Resampling::None, place)));
        middle = add("mid_block", std::make_shared<AutoencoderMiddle>(o.channels.back(), o.groups, place));
        norm = add("conv_norm_out", std::make_shared<GroupNorm>(o.channels.back(), place, o.groups));
        out = add("conv_out", std::make_shared<Conv2d>(o.channels.back(), 2 * o.latentChannels, 3, place, 1, 1));
    }
};

struct AutoencoderKL::Decoder : Container {
    std::shared_ptr<Conv2d> in, out;
    std::vector<std::shared_ptr<AutoencoderLevel>> levels; // from the coarsest
    std::shared_ptr<AutoencoderMiddle> middle;
    std::shared_ptr<GroupNorm> norm;

    Decoder(const AutoencoderOptions& o, const Place& place)
    {
        const std::vector<std::int64_t> channels(o.channels.rbegin(), o.channels.rend());
        in = add("conv_in", std::make_shared<Conv2d>(o.latentChannels, channels.front(), 3, place, 1, 1));
        const auto names = add("up_blocks", std::make_shared<Container>()); // named before the middle, which runs first
        for (std::size_t i = 0; i < channels.size(); ++i)
            levels.push_back(names->add(
                std::to_string(i), std::make_shared<AutoencoderLevel>(channels[i > 0 ? i - 1 : 0], channels[i], o.blocks + 1, o.groups,
                                                                      i + 1 < channels.size() ? Resampling::Up : Resampling::None, place)));
        middle = add("mid_block", std::make_shared<AutoencoderMiddle>(channels.front(), o.groups, place));
        norm = add("conv_norm_out", std::make_shared<GroupNorm>(channels.back(), place, o.groups));
        out = add("conv_out", std::make_shared<Conv2d>(channels.back(), o.imageChannels, 3, place, 1, 1));
    }
};

AutoencoderKL::AutoencoderKL(const AutoencoderOptions& options, const Place& place) : m_options(options)
{
    const std::int64_t latent = options.latentChannels;
    m_encoder = register_module("encoder", std::make_shared<Encoder>(options, place));
    m_decoder = register_module("decoder", std::make_shared<Decoder>(options, place));
    m_quant = register_module("quant_conv", std::make_shared<Conv2d>(2 * latent, 2 * latent, 1, place));
    m_postQuant = register_module("post_quant_conv", std::make_shared<Conv2d>(latent, latent, 1, place));
}

AutoencoderKL::~AutoencoderKL() = default;

Posterior AutoencoderKL::encode(const at::Tensor& images) const
{
    const Encoder& net = *m_encoder;
    const auto seen = [this](const std::string& name, const at::Tensor& output) {
        if (watch)
            watch("encoder." + name, output);
        return output;
    };
    at::Tensor h = seen("conv_in", net.in->forward(images));
    for (std::size_t i = 0; i < net.levels.size(); ++i)
        h = seen(fmt::format("down_blocks.{}", i), net.levels[i]->forward(h));
    h = seen("mid_block", net.middle->forward(h));
    h = seen("conv_out", net.out->forward(normSilu(*net.norm, h)));
    return Posterior::of(m_quant->forward(h));
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents) const
{
    const Decoder& net = *m_decoder;
    const auto seen = [this](const std::string& name, const at::Tensor& output) {
        if (watch)
            watch("decoder." + name, output);
        return output;
    };
    at::Tensor h = seen("conv_in", net.in->forward(m_postQuant->forward(latents)));
    h = seen("mid_block", net.middle->forward(h));
    for (std::size_t i = 0; i < net.levels.size(); ++i)
        h = seen(fmt::format("up_blocks.{}", i), net.levels[i]->forward(h));
    return net.out->forward(normSilu(*net.norm, h));
}

at::Tensor AutoencoderKL::decodeTiled(const at::Tensor& latents, const Tiling& tiling) const
{
    const std::int64_t height = latents.size(2), width = latents.size(3), side = std::max<std::int64_t>(tiling.side, 1);
    if (height <= side && width <= side)
        return decode(latents);
    const auto stride = std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(side) * (1.0 - tiling.overlap)), 1);
    const auto extent = (side - stride) * m_options.factor(); // pixels that two pieces share
    const auto kept = stride * m_options.factor();
    std::vector<at::Tensor> above, rows;
    for (std::int64_t y = 0; y < height; y += stride) {
        std::vector<at::Tensor> tiles, row;
        for (std::int64_t x = 0; x < width; x += stride) {
            const at::Tensor part = latents.narrow(2, y, std::min(side, height - y)).narrow(3, x, std::min(side, width - x));
            const at::Tensor tile = decode(part.contiguous());
            if (y > 0)
                blend(above[tiles.size()], tile, 2, extent);
            if (x > 0)
                blend(tiles.back(), tile, 3, extent);
            tiles.push_back(tile);
            row.push_back(tile.narrow(2, 0, std::min(kept, tile.size(2))).narrow(3, 0, std::min(kept, tile.size(3))));
        }
        above = std::move(tiles);
        rows.push_back(at::cat(row, 3));
    }
    return at::cat(rows, 2);
}

Result<Done> loadWeights(AutoencoderKL& autoencoder, const tensors::TensorMap& weights, const std::string& file)
{
    tensors::NamedTensors parameters;
    for (const auto& parameter : autoencoder.named_parameters())
        parameters.emplace_back(parameter.key(), parameter.value());
    const at::NoGradGuard noGrad;
    return tensors::copyWeights(weights, std::move(parameters), file);
}

} // namespace espalier::models
