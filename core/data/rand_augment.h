// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dice.h"
#include "core/formats/image.h"
#include "core/formats/image_enhance.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace espalier::data {

/// The operations of timm's RandAugment with increasing strengths, in its order.
enum class Operation {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    SolarizeAdd,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
};
constexpr int kOperations = 15;

/// "rand-m9-mstd0.5-inc1" in numbers.
struct RandAugmentOptions {
    int operations = 0; // drawn for each image; each is then applied with probability one half
    double magnitude = 9.0;
    double deviation = 0.5; // of the level around the magnitude
};

/// Grey of the pictures of ImageNet: what moves in from outside.
constexpr std::array<std::uint8_t, 3> kFillColour{124, 116, 104};

/// Whether the level says how far, in either direction.
bool isSigned(Operation operation);
bool hasLevel(Operation operation);
/// What an operation is told at a level from 0 to 10: degrees, bits, a threshold, what is added, a factor, a share of the width.
double argumentOf(Operation operation, double level, bool negative);
void apply(Operation operation, double argument, formats::Image& image, formats::ImageScratch& scratch);

/// Draws and applies, in place.
void randAugment(formats::Image& image, const RandAugmentOptions& options, Dice& dice, formats::ImageScratch& scratch);

} // namespace espalier::data
