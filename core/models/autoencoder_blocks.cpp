// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_blocks.h"

#include "core/models/norm_silu.h"

#include <ATen/ATen.h>

namespace espalier::models {

AutoencoderResidual::AutoencoderResidual(std::int64_t in, std::int64_t out, std::int64_t groups, const Place& place)
{
    m_norm1 = register_module("norm1", std::make_shared<GroupNorm>(in, place, groups));
    m_conv1 = register_module("conv1", std::make_shared<Conv2d>(in, out, 3, place, 1, 1));
    m_norm2 = register_module("norm2", std::make_shared<GroupNorm>(out, place, groups));
    m_conv2 = register_module("conv2", std::make_shared<Conv2d>(out, out, 3, place, 1, 1));
    if (in != out)
        m_shortcut = register_module("conv_shortcut", std::make_shared<Conv2d>(in, out, 1, place));
}

at::Tensor AutoencoderResidual::forward(const at::Tensor& x) const
{
    const at::Tensor h = m_conv1->forward(normSilu(*m_norm1, x));
    return m_conv2->forward(normSilu(*m_norm2, h)).add_(m_shortcut ? m_shortcut->forward(x) : x);
}

AutoencoderAttention::AutoencoderAttention(std::int64_t channels, std::int64_t groups, const Place& place)
{
    const auto linear = [&] { return std::make_shared<Linear>(channels, channels, place); };
    m_norm = register_module("group_norm", std::make_shared<GroupNorm>(channels, place, groups));
    m_query = register_module("to_q", linear());
    m_key = register_module("to_k", linear());
    m_value = register_module("to_v", linear());
    const auto out = register_module("to_out", std::make_shared<Container>()); // child 1 of the published module is a dropout
    m_out = out->add("0", linear());
}

at::Tensor AutoencoderAttention::forward(const at::Tensor& x) const
{
    const at::Tensor rows = m_norm->forward(x).flatten(2).transpose(1, 2).unsqueeze(1); // [B, 1, HW, C]
    const at::Tensor seen = at::scaled_dot_product_attention(m_query->forward(rows), m_key->forward(rows), m_value->forward(rows));
    return m_out->forward(seen).squeeze(1).transpose(1, 2).unflatten(2, {x.size(2), x.size(3)}) + x;
}

AutoencoderMiddle::AutoencoderMiddle(std::int64_t channels, std::int64_t groups, const Place& place)
{
    const auto attentions = register_module("attentions", std::make_shared<Container>()); // named before what runs before it
    m_attention = attentions->add("0", std::make_shared<AutoencoderAttention>(channels, groups, place));
    const auto resnets = register_module("resnets", std::make_shared<Container>());
    m_first = resnets->add("0", std::make_shared<AutoencoderResidual>(channels, channels, groups, place));
    m_last = resnets->add("1", std::make_shared<AutoencoderResidual>(channels, channels, groups, place));
}

at::Tensor AutoencoderMiddle::forward(const at::Tensor& x) const
{
    return m_last->forward(m_attention->forward(m_first->forward(x)));
}

AutoencoderLevel::AutoencoderLevel(std::int64_t in, std::int64_t out, std::int64_t blocks, std::int64_t groups, Resampling resampling,
                                   const Place& place)
    : m_resampling(resampling)
{
    const auto resnets = register_module("resnets", std::make_shared<Container>());
    for (std::int64_t i = 0; i < blocks; ++i)
        m_blocks.push_back(resnets->add(std::to_string(i), std::make_shared<AutoencoderResidual>(i == 0 ? in : out, out, groups, place)));
    if (resampling == Resampling::None)
        return;
    const bool down = resampling == Resampling::Down;
    const auto samplers = register_module(down ? "downsamplers" : "upsamplers", std::make_shared<Container>());
    m_resample = samplers->add("0", std::make_shared<Container>())
                     ->add("conv", std::make_shared<Conv2d>(out, out, 3, place, down ? 2 : 1, down ? 0 : 1));
}

at::Tensor AutoencoderLevel::forward(const at::Tensor& x) const
{
    at::Tensor h = x;
    for (const auto& block : m_blocks)
        h = block->forward(h);
    if (m_resampling == Resampling::Down) // one zero to the right and below, whatever the size
        return m_resample->forward(at::constant_pad_nd(h, {0, 1, 0, 1}));
    if (m_resampling == Resampling::Up)
        return m_resample->forward(at::upsample_nearest2d(h, {2 * h.size(2), 2 * h.size(3)}, 2.0, 2.0));
    return h;
}

} // namespace espalier::models
