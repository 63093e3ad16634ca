// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dice.h"
#include "core/formats/image.h"
#include "core/formats/image_resize.h"

#include <cstdint>
#include <span>

namespace espalier::data {

/// How the square that is shown is cut out of an image, the same every time.
struct Framing {
    formats::ResizeFilter filter = formats::ResizeFilter::Bicubic;
    bool adm = false;       // ADM's centre crop, as DiT prepares ImageNet
    double cropRatio = 1.0; // otherwise: the shorter side becomes side / cropRatio before the centre is cut out

    /// What the shorter side becomes.
    int resizedTo(int side) const;
    formats::Image cut(const formats::Image& image, int side) const;

private:
    formats::Image cutWhole(const formats::Image& image, int side) const;
};

/// What a random resized crop may show.
struct CropRange {
    double leastArea = 0.08, mostArea = 1.0; // shares of the image
    double leastAspect = 3.0 / 4.0, mostAspect = 4.0 / 3.0;
};

/// timm's choice of a part of the image: ten tries, then as much of its centre as the aspects allow.
formats::PixelBox randomResizedCrop(int width, int height, const CropRange& range, Dice& dice);

/// Moves a square of that side by up to `padding` pixels in each direction, as a random crop of it with black edges does.
void randomShift(std::span<std::uint8_t> hwc, int side, int padding, Dice& dice);

} // namespace espalier::data
