// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

/// The loops of image_enhance and image_affine, on RGB bytes.
namespace espalier::formats::kernels {

using Table = std::array<std::uint8_t, 256>;
using Counts = std::array<std::array<std::int32_t, 256>, 3>;

/// Each byte of channel c becomes tables[c] of it.
void lookUp(std::span<std::uint8_t> rgb, const std::array<Table, 3>& tables);
Counts count(std::span<const std::uint8_t> rgb);
/// Sum of Pillow's grey value L over all pixels.
std::int64_t sumOfGrey(std::span<const std::uint8_t> rgb);

// Pillow's blend: base + factor * (value - base) in float, truncated, clipped.
void blendWithGrey(std::span<std::uint8_t> rgb, float factor);
void blendWith(std::span<std::uint8_t> rgb, const std::uint8_t* base, float factor);

/// The 3x3 means that Pillow's SMOOTH gives: the middle counts five times. The border is copied. `sums` has place for 3 * width numbers.
void smooth(const std::uint8_t* rgb, int width, int height, std::uint16_t* sums, std::uint8_t* out);

/// A pixel as four numbers; the last one is not used.
using Quad = std::int32_t __attribute__((vector_size(16)));
constexpr int kFrame = 2; // pixels that `framed` repeats beyond each edge

/// RGB with its edges repeated: (width + 2 kFrame) x (height + 2 kFrame).
void framed(const std::uint8_t* rgb, int width, int height, Quad* out);
/// Each pixel centre (x, y) of the result looks at (m0 x + m1 y + m2, m3 x + m4 y + m5); where that lies outside stands `fill`.
void transformBicubic(const Quad* framed, int width, int height, const std::array<double, 6>& m, const std::array<std::uint8_t, 3>& fill,
                      std::uint8_t* out);

/// planes[c][i] = (rgb[3 i + c] / 255 - mean[c]) / deviation[c], each step rounded to float as torchvision does.
void toPlanes(std::span<const std::uint8_t> rgb, const std::array<float, 3>& mean, const std::array<float, 3>& deviation, float* planes);

} // namespace espalier::formats::kernels
