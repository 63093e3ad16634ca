// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/image.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace espalier::formats {

// In place, each with the bytes that Pillow's ImageOps and ImageEnhance give.

/// Per channel: the smallest value becomes 0 and the largest 255.
void autoContrast(Image& image);
/// Per channel: all values equally often, as far as that goes.
void equalize(Image& image);
void invert(Image& image);
/// Keeps the `bits` highest bits of each byte, 0 to 8.
void posterize(Image& image, int bits);
/// Inverts what is not below `threshold`, 0 to 256.
void solarize(Image& image, int threshold);
/// timm's: adds to what is below 128, up to 255.
void solarizeAdd(Image& image, int add);

/// Away from grey (above 1) or towards it (below).
void adjustColor(Image& image, double factor);
/// Away from the mean grey value.
void adjustContrast(Image& image, double factor);
/// Away from black.
void adjustBrightness(Image& image, double factor);

/// Memory that operations on images of one size need again and again.
struct ImageScratch {
    std::vector<std::uint8_t> pixels;
    std::vector<std::uint16_t> sums;
    std::vector<std::int32_t> quads;
};

/// Away from the smoothed image.
void adjustSharpness(Image& image, double factor, ImageScratch& scratch);

/// Bytes to planes of floats, as ToTensor and Normalize of torchvision do: (byte / 255 - mean) / deviation. `chw` holds as many numbers.
void normalise(std::span<const std::uint8_t> hwc, const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
               std::span<float> chw);

/// What pictures of ImageNet are normalised with.
inline constexpr std::array<float, 3> kImageNetMean{0.485f, 0.456f, 0.406f};
inline constexpr std::array<float, 3> kImageNetDeviation{0.229f, 0.224f, 0.225f};

} // namespace espalier::formats
