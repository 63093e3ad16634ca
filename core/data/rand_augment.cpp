// SPDX-License-Identifier: Apache-2.0
#include "core/data/rand_augment.h"

#include "core/formats/image_affine.h"

#include <algorithm>
#include <vector>

namespace espalier::data {

namespace {

constexpr double kHighest = 10.0; // level
constexpr double kApplied = 0.5;  // share of the drawn operations
constexpr int kMost = 16;         // operations in a row that settings allow

} // namespace

bool isSigned(Operation operation)
{
    switch (operation) {
    case Operation::Rotate:
    case Operation::Color:
    case Operation::Contrast:
    case Operation::Brightness:
    case Operation::Sharpness:
    case Operation::ShearX:
    case Operation::ShearY:
    case Operation::TranslateX:
    case Operation::TranslateY:
        return true;
    default:
        return false;
    }
}

bool hasLevel(Operation operation)
{
    return operation != Operation::AutoContrast && operation != Operation::Equalize && operation != Operation::Invert;
}

double argumentOf(Operation operation, double level, bool negative)
{
    const double share = level / kHighest;
    const auto either = [&](double v) { return negative ? -v : v; };
    switch (operation) {
    case Operation::Rotate:
        return either(share * 30.0);
    case Operation::Posterize:
        return 4 - static_cast<int>(share * 4.0);
    case Operation::Solarize:
        return 256 - static_cast<int>(share * 256.0);
    case Operation::SolarizeAdd:
        return static_cast<int>(share * 110.0);
    case Operation::Color:
    case Operation::Contrast:
    case Operation::Brightness:
    case Operation::Sharpness:
        return 1.0 + either(share * 0.9);
    case Operation::ShearX:
    case Operation::ShearY:
        return either(share * 0.3);
    case Operation::TranslateX:
    case Operation::TranslateY:
        return either(share * 0.45);
    case Operation::AutoContrast:
    case Operation::Equalize:
    case Operation::Invert:
        break;
    }
    return 0.0;
}

void apply(Operation operation, double argument, formats::Image& image, formats::ImageScratch& scratch)
{
    const auto move = [&](const formats::Affine& affine) { formats::transform(image, affine, kFillColour, scratch); };
    switch (operation) {
    case Operation::AutoContrast:
        return formats::autoContrast(image);
    case Operation::Equalize:
        return formats::equalize(image);
    case Operation::Invert:
        return formats::invert(image);
    case Operation::Rotate:
        return move(formats::rotated(argument, image.width, image.height));
    case Operation::Posterize:
        return formats::posterize(image, static_cast<int>(argument));
    case Operation::Solarize:
        return formats::solarize(image, static_cast<int>(argument));
    case Operation::SolarizeAdd:
        return formats::solarizeAdd(image, static_cast<int>(argument));
    case Operation::Color:
        return formats::adjustColor(image, argument);
    case Operation::Contrast:
        return formats::adjustContrast(image, argument);
    case Operation::Brightness:
        return formats::adjustBrightness(image, argument);
    case Operation::Sharpness:
        return formats::adjustSharpness(image, argument, scratch);
    case Operation::ShearX:
        return move(formats::shearedX(argument));
    case Operation::ShearY:
        return move(formats::shearedY(argument));
    case Operation::TranslateX:
        return move(formats::translated(argument * image.width, 0.0));
    case Operation::TranslateY:
        return move(formats::translated(0.0, argument * image.height));
    }
}

void randAugment(formats::Image& image, const RandAugmentOptions& options, Dice& dice, formats::ImageScratch& scratch)
{
    // All are chosen first, as published; whether, how far and which way follow one operation after the other.
    const int count = std::min(options.operations, kMost);
    std::array<Operation, kMost> chosen{};
    for (int i = 0; i < count; ++i)
        chosen[static_cast<std::size_t>(i)] = static_cast<Operation>(dice.integer(0, kOperations - 1));
    for (int i = 0; i < count; ++i) {
        const Operation operation = chosen[static_cast<std::size_t>(i)];
        if (!dice.chance(kApplied))
            continue;
        const double level = std::clamp(dice.normal(options.magnitude, options.deviation), 0.0, kHighest);
        const bool negative = isSigned(operation) && !dice.chance(0.5);
        apply(operation, argumentOf(operation, level, negative), image, scratch);
    }
}

} // namespace espalier::data
