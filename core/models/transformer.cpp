// SPDX-License-Identifier: Apache-2.0
#include "core/models/transformer.h"

#include <ATen/ATen.h>

namespace espalier::models {

LayerNorm::LayerNorm(std::int64_t width, double epsilon, const Place& place) : m_epsilon(epsilon)
{
    own({width}, {Initial::Constant, 1.0}, width, place);
}

at::Tensor LayerNorm::forward(const at::Tensor& x) const
{
    return at::layer_norm(x, weight.sizes(), weight, bias, m_epsilon);
}

at::Tensor normalised(const at::Tensor& x, double epsilon)
{
    return at::layer_norm(x, {x.size(-1)}, {}, {}, epsilon);
}

PatchEmbedding::PatchEmbedding(std::int64_t channels, std::int64_t width, std::int64_t patch, const Place& place, Initial weight,
                               Initial bias)
    : m_patch(patch)
{
    // Contiguous in every memory format, so that it is a matrix without a copy.
    own({width, channels, patch, patch}, weight, width, {place.device, place.dtype, false});
    biasInitial = bias;
}

at::Tensor PatchEmbedding::forward(const at::Tensor& image) const
{
    const std::int64_t batch = image.size(0), channels = image.size(1), rows = image.size(2) / m_patch, columns = image.size(3) / m_patch;
    const at::Tensor patches = image.unflatten(3, {columns, m_patch}).unflatten(2, {rows, m_patch}); // [B, C, rows, p, columns, p]
    return at::linear(patches.permute({0, 2, 4, 1, 3, 5}).reshape({batch, rows * columns, channels * m_patch * m_patch}), weight.flatten(1),
                      bias);
}

at::Tensor positionsFor(const at::Tensor& positions, std::int64_t from, std::int64_t to)
{
    if (from == to)
        return positions;
    const auto width = positions.size(2);
    const double scale = (static_cast<double>(to) + 0.1) / static_cast<double>(from);
    const auto image = positions.view({1, from, from, width}).permute({0, 3, 1, 2});
    return at::upsample_bicubic2d(image, {to, to}, /*align_corners=*/false, scale, scale)
        .permute({0, 2, 3, 1})
        .reshape({1, to * to, width});
}

SelfAttention::SelfAttention(std::int64_t width, std::int64_t heads, bool qkvBias, const Place& place, MatrixInitial initial)
    : m_heads(heads)
{
    m_qkv = register_module("qkv", std::make_shared<Linear>(width, 3 * width, place, initial(3 * width, width), qkvBias));
    m_proj = register_module("proj", std::make_shared<Linear>(width, width, place, initial(width, width)));
}

at::Tensor SelfAttention::forward(const at::Tensor& x) const
{
    const std::int64_t batch = x.size(0), tokens = x.size(1), width = x.size(2);
    // Cut behind the tokens: views forward, and one copy of three gradients backward.
    const auto parts = m_qkv->forward(x).view({batch, tokens, 3, m_heads, width / m_heads}).unbind(2);
    const at::Tensor seen = at::scaled_dot_product_attention(parts[0].transpose(1, 2), parts[1].transpose(1, 2), parts[2].transpose(1, 2));
    return m_proj->forward(seen.transpose(1, 2).reshape({batch, tokens, width}));
}

Mlp::Mlp(std::int64_t width, std::int64_t inside, const char* approximate, const Place& place, MatrixInitial initial)
    : m_approximate(approximate)
{
    m_fc1 = register_module("fc1", std::make_shared<Linear>(width, inside, place, initial(inside, width)));
    m_fc2 = register_module("fc2", std::make_shared<Linear>(inside, width, place, initial(width, inside)));
}

at::Tensor Mlp::forward(const at::Tensor& x) const
{
    return m_fc2->forward(at::gelu(m_fc1->forward(x), m_approximate));
}

} // namespace espalier::models
