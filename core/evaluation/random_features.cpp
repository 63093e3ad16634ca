// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/random_features.h"

#include "core/base/normal.h"

#include <ATen/ATen.h>

#include <cmath>

namespace espalier::evaluation {
namespace {

constexpr std::int64_t kWidths[] = {3, 32, 64, 96, 128};
constexpr std::int64_t kGridChannels = 32;

at::Tensor drawWeights(std::uint64_t seed, int layer, std::int64_t out, std::int64_t in)
{
    auto weights = at::empty({out, in, 3, 3}, at::kFloat);
    auto* value = weights.data_ptr<float>();
    const double deviation = std::sqrt(2.0 / static_cast<double>(in * 9));
    for (std::int64_t i = 0; i < weights.numel(); i += 2) {
        const auto pair =
            normalPair(drawBlock(seed, Stream::Features, static_cast<std::uint64_t>(layer), 0, static_cast<std::uint32_t>(i / 2)));
        value[i] = static_cast<float>(deviation * pair.first);
        if (i + 1 < weights.numel())
            value[i + 1] = static_cast<float>(deviation * pair.second);
    }
    return weights;
}

} // namespace

RandomFeatures::RandomFeatures(std::uint64_t seed, at::Device device)
{
    for (int layer = 0; layer < 4; ++layer)
        m_weights.push_back(
            drawWeights(seed, layer, kWidths[layer + 1], kWidths[layer]).to(device).contiguous(at::MemoryFormat::ChannelsLast));
}

at::Tensor RandomFeatures::operator()(const at::Tensor& images) const
{
    const c10::InferenceMode inference;
    auto x = images.to(m_weights[0].device(), at::kFloat).permute({0, 3, 1, 2}).sub(127.5).div(127.5); // [n, 3, h, w], channels last
    std::vector<at::Tensor> features;
    for (std::size_t layer = 0; layer < m_weights.size(); ++layer) {
        x = at::leaky_relu(at::conv2d(x, m_weights[layer], {}, layer == 0 ? 1 : 2, 1), 0.2);
        features.push_back(x.mean({2, 3}));
    }
    features.push_back(at::adaptive_avg_pool2d(x.narrow(1, 0, kGridChannels), {2, 2}).flatten(1));
    return at::cat(features, 1);
}

} // namespace espalier::evaluation
