// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/image.h"
#include "core/formats/image_enhance.h"

#include <array>
#include <cstdint>

namespace espalier::formats {

/// Where the pixels of a result come from: the centre (x, y) of each shows what lies at (a x + b y + c, d x + e y + f).
struct Affine {
    double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

inline Affine shearedX(double factor)
{
    return {.b = factor};
}
inline Affine shearedY(double factor)
{
    return {.d = factor};
}
/// The content moves left by `x` and up by `y` pixels.
inline Affine translated(double x, double y)
{
    return {.c = x, .f = y};
}
/// Counter-clockwise about the centre of an image of that size, with the coefficients that Pillow rounds to 15 decimals.
Affine rotated(double degrees, int width, int height);

/// In place, the bytes of Pillow's Image.transform(size, AFFINE, …, BICUBIC, fillcolor): the kernel has a = -1, results are truncated.
void transform(Image& image, const Affine& affine, const std::array<std::uint8_t, 3>& fill, ImageScratch& scratch);

} // namespace espalier::formats
