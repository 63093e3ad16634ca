// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dice.h"
#include "core/formats/image.h"

#include <cstdint>
#include <span>

namespace espalier::data {

/// timm's random erasing: which rectangle of an image is to be noise. Empty where the image is left alone.
formats::PixelBox drawErasing(int width, int height, double probability, Dice& dice);

/// What stands at [channel, y, x] of an erased square, in the scale of normalised images: a standard normal number for every one.
float erasingNoise(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::int64_t index);
/// Fills the box of a normalised [3, side, side] image: index (channel * side + y) * side + x has erasingNoise of it.
void erase(std::span<float> chw, int side, const formats::PixelBox& box, std::uint64_t seed, std::int64_t epoch, std::int64_t position);

} // namespace espalier::data
