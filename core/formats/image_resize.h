// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/image.h"

#include <string_view>

namespace espalier::formats {

enum class ResizeFilter { Nearest, Box, Bilinear, Hamming, Bicubic, Lanczos };

/// A part of an image; its edges may lie between pixels.
struct Box {
    double left = 0, top = 0, right = 0, bottom = 0;
};

/// The pixels that Pillow's Image.resize gives, exactly: antialiased, horizontal pass first, 8 bits between the passes.
Image resize(const Image& image, int width, int height, ResizeFilter filter);
/// Only `box` of the image is stretched over the result, but filters may see pixels around it.
Image resize(const Image& image, int width, int height, ResizeFilter filter, const Box& box);
/// torchvision's Resize(size): the shorter side becomes `size`, the longer one int(size * longer / shorter).
Image resizeShorterSide(const Image& image, int size, ResizeFilter filter);
/// centreCrop(resizeShorterSide(image, size), size, size), without the pixels that would be cut off.
Image resizeToSquare(const Image& image, int size, ResizeFilter filter);

/// The rectangle has to lie inside the image.
Image crop(const Image& image, int left, int top, int width, int height);
/// torchvision's CenterCrop: offset round((n - size) / 2), half to even; what lies outside the image is black.
Image centreCrop(const Image& image, int width, int height);
/// ADM's preparation of ImageNet, as DiT uses it: halve with a box filter, bicubic to the size, crop the centre.
Image admCentreCrop(const Image& image, int size);

Image flipHorizontally(const Image& image);

} // namespace espalier::formats
