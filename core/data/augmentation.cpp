// SPDX-License-Identifier: Apache-2.0
#include "core/data/augmentation.h"

#include "core/data/erasing.h"
#include "core/data/order.h"

#include <algorithm>

namespace espalier::data {

namespace {

void mirror(std::span<std::uint8_t> hwc, int side)
{
    for (int y = 0; y < side; ++y) {
        std::uint8_t* row = hwc.data() + static_cast<std::ptrdiff_t>(y) * side * 3;
        for (int left = 0, right = side - 1; left < right; ++left, --right)
            std::swap_ranges(row + left * 3, row + left * 3 + 3, row + right * 3);
    }
}

} // namespace

formats::ResizeFilter filterOf(config::ResizeFilter filter)
{
    switch (filter) {
    case config::ResizeFilter::Box:
        return formats::ResizeFilter::Box;
    case config::ResizeFilter::Bilinear:
        return formats::ResizeFilter::Bilinear;
    case config::ResizeFilter::Lanczos:
        return formats::ResizeFilter::Lanczos;
    case config::ResizeFilter::Bicubic:
        break;
    }
    return formats::ResizeFilter::Bicubic;
}

AugmentOptions augmentOptions(const config::DataConfig& config)
{
    const auto& augment = config.augment;
    AugmentOptions options;
    options.crop = augment.crop;
    options.filter = filterOf(config.resize);
    options.range.leastArea = augment.cropAreaMin;
    options.range.mostArea = augment.cropAreaMax;
    options.padding = static_cast<int>(augment.padding);
    options.flip = config.flip;
    options.randAugment = {static_cast<int>(augment.operations), augment.magnitude, augment.magnitudeStd};
    options.erase = augment.erase;
    options.repeats = augment.repeats;
    options.mix = {augment.mixup, augment.cutmix, augment.mixProbability, augment.mixSwitch};
    options.mixGroup = augment.mixGroup;
    return options;
}

void Augmenter::cut(const formats::Image& original, int side, std::int64_t epoch, std::int64_t position, std::span<std::uint8_t> hwc) const
{
    PhiloxDice dice(m_seed, Stream::Crop, epoch, position);
    const auto box = randomResizedCrop(original.width, original.height, m_options.range, dice);
    // Cut before it is resized: no pixel outside of the box shows.
    const auto square = formats::resize(formats::crop(original, box.left, box.top, box.width, box.height), side, side, m_options.filter);
    std::copy(square.rgb.begin(), square.rgb.end(), hwc.begin());
}

void Augmenter::change(std::span<std::uint8_t> hwc, int side, std::int64_t epoch, std::int64_t position)
{
    if (m_options.crop == config::RandomCrop::Padded) {
        PhiloxDice dice(m_seed, Stream::Crop, epoch, position);
        randomShift(hwc, side, m_options.padding, dice);
    }
    if (m_options.flip && flips(m_seed, epoch, position))
        mirror(hwc, side);
    if (m_options.randAugment.operations == 0)
        return;
    m_image.width = m_image.height = side;
    m_image.rgb.assign(hwc.begin(), hwc.end());
    PhiloxDice dice(m_seed, Stream::RandAugment, epoch, position);
    randAugment(m_image, m_options.randAugment, dice, m_scratch);
    std::copy(m_image.rgb.begin(), m_image.rgb.end(), hwc.begin());
}

formats::PixelBox Augmenter::erased(int side, std::int64_t epoch, std::int64_t position) const
{
    if (m_options.erase == 0.0)
        return {};
    PhiloxDice dice(m_seed, Stream::Erase, epoch, position);
    return drawErasing(side, side, m_options.erase, dice);
}

} // namespace espalier::data
