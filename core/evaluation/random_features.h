// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

namespace espalier::evaluation {

/// A fixed random convolutional network that turns images into features without any downloaded weights. Version "rf2" (random_distance.h
/// says what a distance is):
///
///   | layer | definition (all: 3x3, padding 1, no bias, then leaky ReLU 0.2)  | output of a 32x32 image |
///   | 1     | 3 -> 32, stride 1                                               | 32 x 32 x 32            |
///   | 2     | 32 -> 64, stride 2                                              | 64 x 16 x 16            |
///   | 3     | 64 -> 96, stride 2                                              | 96 x 8 x 8              |
///   | 4     | 96 -> 128, stride 2                                             | 128 x 4 x 4             |
///
/// Features: the mean over space of layers 1 to 3, and layer 4 averaged to a 2x2 grid for its first 32 channels and over space for all:
/// 32 + 64 + 96 + 128 + 4 * 32 = 448 numbers. Weights are normal with variance 2 / fan_in (He et al. 2015), drawn by
/// Philox from (seed, layer, index); images enter as (value - 127.5) / 127.5. A change of any of this is a new version.
class RandomFeatures {
public:
    static constexpr const char* kVersion = "rf2";
    static constexpr std::int64_t kDimensions = 448;
    /// Distances are means over these seeds.
    static constexpr std::array<std::uint64_t, 5> kSeeds{0, 1, 2, 3, 4};

    RandomFeatures(std::uint64_t seed, at::Device device);
    /// images: uint8 [n, h, w, 3] of at least 8x8 pixels on any device; gives float32 [n, kDimensions] on the network's device.
    at::Tensor operator()(const at::Tensor& images) const;

private:
    std::vector<at::Tensor> m_weights;
};

} // namespace espalier::evaluation
