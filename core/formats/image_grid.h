// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/image.h"

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace espalier::formats {

struct GridOptions {
    int columns = 8;
    int padding = 2;       // around and between images; a single image gets none
    float padValue = 0.0f; // of the padding, 0 to 1
    bool normalise = false;
    std::optional<std::pair<float, float>> range; // what normalising maps to 0 and 1; without it the least and the greatest value
    bool scaleEach = false;                       // least and greatest of each image instead of all together
};

/// Float images [count, channels, height, width] side by side, as torchvision's save_image lays them out and rounds them. Grey becomes
/// RGB. Without `normalise` values are taken as 0 to 1.
Image imageGrid(std::span<const float> values, int count, int channels, int height, int width, const GridOptions& options = {});

/// The same for pixels [count, height, width, channels] that are bytes already; only columns and padding count.
Image imageGrid(std::span<const std::uint8_t> pixels, int count, int height, int width, int channels, const GridOptions& options = {});

} // namespace espalier::formats
