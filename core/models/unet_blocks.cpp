// SPDX-License-Identifier: Apache-2.0
#include "core/models/unet_blocks.h"

#include "core/models/norm_silu.h"

#include <ATen/ATen.h>

#include <cmath>

namespace espalier::models {

ResidualBlock::ResidualBlock(std::int64_t in, std::int64_t out, std::int64_t embedding, double dropRate, std::uint32_t site,
                             const Place& place)
    : m_dropRate(dropRate), m_site(site)
{
    norm1 = register_module("norm1", std::make_shared<GroupNorm>(in, place));
    conv1 = register_module("conv1", std::make_shared<Conv2d>(in, out, 3, place, 1, 1));
    fc = register_module("fc", std::make_shared<Linear>(embedding, out, place));
    norm2 = register_module("norm2", std::make_shared<GroupNorm>(out, place));
    conv2 = register_module("conv2", std::make_shared<Conv2d>(out, out, 3, place, 1, 1, kZeroScale));
    if (in != out)
        skip = register_module("skip", std::make_shared<Conv2d>(in, out, 1, place));
}

at::Tensor ResidualBlock::forward(const at::Tensor& x, const at::Tensor& active, const tensors::Draws& draws)
{
    at::Tensor h = conv1->forward(normSilu(*norm1, x)); // [B, out, H, W]
    h.add_(fc->forward(active).unsqueeze(-1).unsqueeze(-1));
    at::Tensor keep;
    if (is_training() && m_dropRate > 0) // drawn in the order of channels-last memory: the same mask in every memory format
        keep = draws.keep(Stream::Dropout, m_dropRate, {h.size(2), h.size(3), h.size(1)}, m_site);
    h = normSilu(*norm2, h, keep);
    h = conv2->forward(h);
    return h.add_(skip ? skip->forward(x) : x);
}

AttentionBlock::AttentionBlock(std::int64_t in, std::int64_t mid, std::int64_t out, const Place& place)
{
    norm = register_module("norm", std::make_shared<GroupNorm>(in, place));
    projectIn = register_module("project_in", std::make_shared<Conv2d>(in, 3 * mid, 1, place));
    projectOut = register_module("project_out", std::make_shared<Conv2d>(mid, out, 1, place, 1, 0, kZeroScale));
    if (in != out)
        skip = register_module("skip", std::make_shared<Conv2d>(in, out, 1, place));
}

at::Tensor AttentionBlock::forward(const at::Tensor& x)
{
    const at::Tensor all = projectIn->forward(norm->forward(x)).flatten(2).transpose(1, 2).unsqueeze(1); // [B, 1, HW, 3 mid]: a view
    const auto part = all.chunk(3, -1);
    const at::Tensor seen = at::scaled_dot_product_attention(part[0], part[1], part[2]); // [B, 1, HW, mid]
    const at::Tensor image = seen.squeeze(1).transpose(1, 2).unflatten(2, {x.size(2), x.size(3)});
    return projectOut->forward(image).add_(skip ? skip->forward(x) : x);
}

Downsample::Downsample(std::int64_t channels, bool convolution, const Place& place)
{
    if (convolution) // child 0 of the published module is the padding
        conv = register_module("1", std::make_shared<Conv2d>(channels, channels, 3, place, 2));
}

at::Tensor Downsample::forward(const at::Tensor& x)
{
    return conv ? conv->forward(padSame(x, 3, 2)) : at::avg_pool2d(x, 2);
}

Upsample::Upsample(std::int64_t channels, bool convolution, const Place& place)
{
    if (convolution) // child 0 of the published module is the nearest-neighbour interpolation
        conv = register_module("1", std::make_shared<Conv2d>(channels, channels, 3, place, 1, 1));
}

at::Tensor Upsample::forward(const at::Tensor& x)
{
    const at::Tensor larger = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}, 2.0, 2.0);
    return conv ? conv->forward(larger) : larger;
}

} // namespace espalier::models
