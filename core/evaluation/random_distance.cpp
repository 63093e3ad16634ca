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

parallel::Crew::Work featuresOf(RandomFeatures network)
{
    return [network = std::move(network)](const at::Tensor& images) -> Result<at::Tensor> { return network(images).cpu(); };
}

} // namespace

parallel::Crew::Work RandomDistance::workFor(const Json& ask, at::Device device)
{
    return featuresOf(RandomFeatures(ask.value("seed", std::uint64_t{0}), device));
}

Result<Gaussian> RandomDistance::gaussianOf(std::size_t network, const at::Tensor& images, parallel::Crew& crew, const Tick& tick) const
{
    FeatureStatistics statistics(RandomFeatures::kDimensions);
    const auto done = crew.map({{"work", kAsk}, {"seed", RandomFeatures::kSeeds[network]}}, images, kBatch, featuresOf(m_networks[network]),
                               [&](std::int64_t, const at::Tensor& features) -> Result<Done> {
                                   statistics.add(features);
                                   if (tick)
                                       tick();
                                   return Done{};
                               });
    return done ? Result<Gaussian>(Gaussian{statistics.mean(), statistics.covariance()}) : done.error();
}

Result<RandomDistance> RandomDistance::make(const at::Tensor& real, at::Device device, parallel::Crew& crew, const Tick& tick)
{
    RandomDistance distance;
    for (const auto seed : RandomFeatures::kSeeds) {
        distance.m_networks.emplace_back(seed, device);
        auto gaussian = distance.gaussianOf(distance.m_real.size(), real, crew, tick);
        if (!gaussian)
            return gaussian.error();
        distance.m_real.push_back(*std::move(gaussian));
    }
    return distance;
}

Result<RandomDistance::Score> RandomDistance::operator()(const at::Tensor& images, parallel::Crew& crew, const Tick& tick) const
{
    std::vector<double> distances;
    for (std::size_t i = 0; i < m_networks.size(); ++i) {
        const auto gaussian = gaussianOf(i, images, crew, tick);
        if (!gaussian)
            return gaussian.error();
        distances.push_back(100.0 * frechetDistance(*gaussian, m_real[i]) /
                            std::max(at::trace(m_real[i].covariance).item<double>(), kLeastVariance));
    }
    const auto [mean, deviation] = spreadOf(distances, /*ofSample=*/true);
    return Score{mean, deviation};
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
