// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/layers.h"
#include "core/tensors/draws.h"

namespace espalier::models {

/// Convolution, time, dropout, convolution, and the input added.
class ResidualBlock : public torch::nn::Module {
public:
    /// `site` tells this block's dropout from that of others.
    ResidualBlock(std::int64_t in, std::int64_t out, std::int64_t embedding, double dropRate, std::uint32_t site, const Place& place);

    /// `active` is SiLU of the time embedding, [B, embedding]: every block needs it, so it is computed once.
    at::Tensor forward(const at::Tensor& x, const at::Tensor& active, const tensors::Draws& draws);

private:
    double m_dropRate;
    std::uint32_t m_site;
    std::shared_ptr<GroupNorm> norm1, norm2;
    std::shared_ptr<Conv2d> conv1, conv2, skip; // no skip: the input itself
    std::shared_ptr<Linear> fc;
};

/// Self-attention over all positions of an image, one head.
class AttentionBlock : public torch::nn::Module {
public:
    AttentionBlock(std::int64_t in, std::int64_t mid, std::int64_t out, const Place& place);
    AttentionBlock(std::int64_t channels, const Place& place) : AttentionBlock(channels, channels, channels, place) {}
    at::Tensor forward(const at::Tensor& x);

private:
    std::shared_ptr<GroupNorm> norm;
    std::shared_ptr<Conv2d> projectIn, projectOut, skip;
};

/// Half the resolution. With a convolution: padding only at the end of even sizes, then stride 2. Without: the mean of 2 x 2 pixels.
class Downsample : public torch::nn::Module {
public:
    Downsample(std::int64_t channels, bool convolution, const Place& place);
    at::Tensor forward(const at::Tensor& x);

private:
    std::shared_ptr<Conv2d> conv;
};

/// Twice the resolution: each pixel four times, then perhaps a convolution.
class Upsample : public torch::nn::Module {
public:
    Upsample(std::int64_t channels, bool convolution, const Place& place);
    at::Tensor forward(const at::Tensor& x);

private:
    std::shared_ptr<Conv2d> conv;
};

} // namespace espalier::models
