// SPDX-License-Identifier: Apache-2.0
#include "core/models/layers.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

namespace espalier::models {

void Leaf::own(at::IntArrayRef weightShape, Initial initial, std::int64_t biasSize, const Place& place)
{
    auto options = at::TensorOptions().dtype(place.dtype).device(place.device);
    const bool last = place.channelsLast && weightShape.size() == 4;
    weight =
        register_parameter("weight", at::empty(weightShape, options, last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous));
    if (biasSize > 0)
        bias = register_parameter("bias", at::empty({biasSize}, options));
    weightInitial = initial;
}

std::vector<FirstValue> Leaf::firstValues() const
{
    std::vector<FirstValue> values{{"weight", weight, weightInitial}};
    if (bias.defined())
        values.push_back({"bias", bias, biasInitial});
    return values;
}

Linear::Linear(std::int64_t in, std::int64_t out, const Place& place, Initial initial, bool bias)
{
    own({out, in}, initial, bias ? out : 0, place);
}

Linear::Linear(std::int64_t in, std::int64_t out, const Place& place, double scale)
{
    own({out, in}, xavierUniform({out, in}, scale), out, place);
}

at::Tensor Linear::forward(const at::Tensor& x) const
{
    return at::linear(x, weight, bias);
}

Conv2d::Conv2d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Place& place, std::int64_t stride, std::int64_t padding,
               double scale)
    : m_stride(stride), m_padding(padding)
{
    own({out, in, kernel, kernel}, xavierUniform({out, in, kernel, kernel}, scale), out, place);
}

at::Tensor Conv2d::forward(const at::Tensor& x) const
{
    return at::conv2d(x, weight, bias, m_stride, m_padding);
}

GroupNorm::GroupNorm(std::int64_t channels, const Place& place, std::int64_t groups, double epsilon) : m_groups(groups), m_epsilon(epsilon)
{
    own({channels}, {Initial::Constant, 1.0}, channels, place);
}

at::Tensor GroupNorm::forward(const at::Tensor& x) const
{
    return at::group_norm(x, m_groups, weight, bias, m_epsilon);
}

LabelEmbedding::LabelEmbedding(std::int64_t classes, std::int64_t out, double dropout, double deviation, const Place& place, bool anyClass)
    : m_classes(classes), m_dropout(dropout)
{
    own({classes + (anyClass ? 1 : 0), out}, {Initial::Normal, deviation}, 0, place);
}

at::Tensor LabelEmbedding::seen(const at::Tensor& labels, const at::Tensor& uniform) const
{
    return labels.masked_fill(uniform < m_dropout, m_classes);
}

at::Tensor LabelEmbedding::rowsOf(const at::Tensor& labels) const
{
    return at::embedding(weight, labels);
}

at::Tensor LabelEmbedding::forward(const at::Tensor& labels, std::int64_t batch, const tensors::Draws& draws) const
{
    if (!labels.defined())
        return weight[m_classes].expand({batch, weight.size(1)});
    const bool hides = is_training() && m_dropout > 0;
    return at::embedding(weight, hides ? seen(labels, draws.uniform(Stream::LabelDrop, {})) : labels);
}

at::Tensor padSame(const at::Tensor& x, std::int64_t kernel, std::int64_t stride)
{
    const auto total = [&](std::int64_t size) {
        return std::max<std::int64_t>(stride * ((size + stride - 1) / stride - 1) + kernel - size, 0);
    };
    const std::int64_t height = total(x.size(2)), width = total(x.size(3));
    return at::constant_pad_nd(x, {width / 2, width - width / 2, height / 2, height - height / 2});
}

at::Tensor timestepEmbedding(const at::Tensor& t, std::int64_t dim)
{
    const std::int64_t half = dim / 2;
    // In float32 and in this order, as published: other orders differ by up to 1e-4 at large t.
    const double factor = -std::log(10000.0) / static_cast<double>(half - 1);
    const at::Tensor frequency = at::arange(half, t.options().dtype(at::kFloat)).mul_(factor).exp_();
    const at::Tensor angle = t.to(at::kFloat).unsqueeze(1) * frequency; // [B, half]
    std::vector<at::Tensor> parts{angle.sin(), angle.cos()};
    if (dim % 2)
        parts.push_back(at::zeros({t.size(0), 1}, angle.options()));
    return at::cat(parts, 1);
}

} // namespace espalier::models
