// SPDX-License-Identifier: Apache-2.0
#pragma once

// What DiT and ViT are both made of. Tokens are [B, tokens, width], contiguous.

#include "core/models/layers.h"
#include "core/tensors/path.h"

namespace espalier::models {

class LayerNorm : public Leaf {
public:
    LayerNorm(std::int64_t width, double epsilon, const Place& place);
    at::Tensor forward(const at::Tensor& x) const;

private:
    double m_epsilon;
};

/// The layer norm without weight and bias.
at::Tensor normalised(const at::Tensor& x, double epsilon);

/// Squares of an image as tokens, row by row: the published convolution whose stride is its kernel, as one multiplication.
class PatchEmbedding : public Leaf {
public:
    PatchEmbedding(std::int64_t channels, std::int64_t width, std::int64_t patch, const Place& place, Initial weight, Initial bias);
    at::Tensor forward(const at::Tensor& image) const; // [B, C, H, W] -> [B, H/p * W/p, width]

private:
    std::int64_t m_patch;
};

/// Positions of `from` x `from` tokens for images of `to` x `to`: [1, from², width] -> [1, to², width], as AutoProg resizes them while it
/// trains: bicubic (a = -0.75), corners not aligned, coordinates by the scale (to + 0.1) / from, which guards against a size too small.
/// Of the same size they are the very tensor. Differentiable.
at::Tensor positionsFor(const at::Tensor& positions, std::int64_t from, std::int64_t to);

/// Whether block `i` runs.
inline bool runs(const tensors::Path& path, std::size_t i)
{
    return path.keepBlock.empty() || path.keepBlock[i];
}

/// How the matrices of a transformer start; biases start at 0.
using MatrixInitial = Initial (*)(std::int64_t out, std::int64_t in);

class SelfAttention : public torch::nn::Module {
public:
    SelfAttention(std::int64_t width, std::int64_t heads, bool qkvBias, const Place& place, MatrixInitial initial);
    at::Tensor forward(const at::Tensor& x) const;

private:
    std::int64_t m_heads;
    std::shared_ptr<Linear> m_qkv, m_proj;
};

class Mlp : public torch::nn::Module {
public:
    /// `approximate` as in at::gelu: "none" or "tanh".
    Mlp(std::int64_t width, std::int64_t inside, const char* approximate, const Place& place, MatrixInitial initial);
    at::Tensor forward(const at::Tensor& x) const;

private:
    const char* m_approximate;
    std::shared_ptr<Linear> m_fc1, m_fc2;
};

} // namespace espalier::models
