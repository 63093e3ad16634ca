// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/random_distance.h"

#include "core/base/philox.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace espalier::evaluation {
namespace {

constexpr std::int64_t kBatch = 250;
constexpr double kLeastVariance = 1e-12; // of real images that are all alike

Gaussian gaussianOf(const RandomFeatures& network, const at::Tensor& images, const RandomDistance::Tick& tick)
{
    FeatureStatistics statistics(RandomFeatures::kDimensions);
    for (std::int64_t from = 0; from < images.size(0); from += kBatch) {
        statistics.add(network(images.narrow(0, from, std::min(kBatch, images.size(0) - from))));
        if (tick)
            tick();
    }
    return {statistics.mean(), statistics.covariance()};
}

} // namespace

RandomDistance::RandomDistance(const at::Tensor& real, at::Device device, const Tick& tick)
{
    for (const auto seed : RandomFeatures::kSeeds) {
        m_networks.emplace_back(seed, device);
        m_real.push_back(gaussianOf(m_networks.back(), real, tick));
    }
}

RandomDistance::Score RandomDistance::operator()(const at::Tensor& images, const Tick& tick) const
{
    std::vector<double> distances;
    for (std::size_t i = 0; i < m_networks.size(); ++i)
        distances.push_back(100.0 * frechetDistance(gaussianOf(m_networks[i], images, tick), m_real[i]) /
                            std::max(at::trace(m_real[i].covariance).item<double>(), kLeastVariance));
    const auto [mean, deviation] = spreadOf(distances, /*ofSample=*/true);
    return {mean, deviation};
}

at::Tensor RandomDistance::noise(std::int64_t count, std::int64_t height, std::int64_t width)
{
    auto images = at::empty({count, height, width, 3}, at::kByte);
    const auto bytes = height * width * 3;
    for (std::int64_t i = 0; i < count; ++i) {
        auto* pixel = images.data_ptr<std::uint8_t>() + i * bytes;
        for (std::int64_t p = 0; p < bytes; p += 16) {
            const auto block = drawBlock(0, Stream::Ceiling, 0, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(p / 16));
            for (std::int64_t k = 0; k < 16 && p + k < bytes; ++k)
                pixel[p + k] = static_cast<std::uint8_t>(block.word[k / 4] >> (8 * (k % 4)));
        }
    }
    return images;
}

} // namespace espalier::evaluation
