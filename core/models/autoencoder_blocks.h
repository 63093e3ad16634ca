// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/layers.h"

#include <memory>
#include <vector>

namespace espalier::models {

/// conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x): a convolution where the width changes.
class AutoencoderResidual : public torch::nn::Module {
public:
    AutoencoderResidual(std::int64_t in, std::int64_t out, std::int64_t groups, const Place& place);
    at::Tensor forward(const at::Tensor& x) const;

private:
    std::shared_ptr<GroupNorm> m_norm1, m_norm2;
    std::shared_ptr<Conv2d> m_conv1, m_conv2, m_shortcut;
};

/// One head as wide as the image has channels, over all positions, with linear layers where the U-Net has convolutions.
class AutoencoderAttention : public torch::nn::Module {
public:
    AutoencoderAttention(std::int64_t channels, std::int64_t groups, const Place& place);
    at::Tensor forward(const at::Tensor& x) const;

private:
    std::shared_ptr<GroupNorm> m_norm;
    std::shared_ptr<Linear> m_query, m_key, m_value, m_out;
};

/// Residual, attention, residual.
class AutoencoderMiddle : public torch::nn::Module {
public:
    AutoencoderMiddle(std::int64_t channels, std::int64_t groups, const Place& place);
    at::Tensor forward(const at::Tensor& x) const;
    const AutoencoderAttention& attention() const { return *m_attention; }

private:
    std::shared_ptr<AutoencoderAttention> m_attention;
    std::shared_ptr<AutoencoderResidual> m_first, m_last;
};

enum class Resampling { None, Down, Up };

/// Residual blocks, the first of which changes the width, and a change of size behind them.
class AutoencoderLevel : public torch::nn::Module {
public:
    AutoencoderLevel(std::int64_t in, std::int64_t out, std::int64_t blocks, std::int64_t groups, Resampling resampling,
                     const Place& place);
    at::Tensor forward(const at::Tensor& x) const;

private:
    std::vector<std::shared_ptr<AutoencoderResidual>> m_blocks;
    Resampling m_resampling;
    std::shared_ptr<Conv2d> m_resample;
};

} // namespace espalier::models
