// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/data_config.h"
#include "core/data/framing.h"
#include "core/data/mixing.h"
#include "core/data/rand_augment.h"

#include <cstdint>
#include <span>

namespace espalier::data {

/// What is done to training images. Every draw is a function of the seed, the epoch and the place in its list.
struct AugmentOptions {
    config::RandomCrop crop = config::RandomCrop::None;
    formats::ResizeFilter filter = formats::ResizeFilter::Bicubic; // of resized crops
    CropRange range;
    int padding = 4; // of padded crops
    bool flip = true;
    RandAugmentOptions randAugment;
    double erase = 0.0;
    std::int64_t repeats = 1; // times that an image stands in the list of an epoch
    MixOptions mix;
    std::int64_t mixGroup = 0; // 0: the micro-batch
};

AugmentOptions augmentOptions(const config::DataConfig& config);
formats::ResizeFilter filterOf(config::ResizeFilter filter);

/// Does it, for one thread: it keeps the memory that one image after the other needs.
class Augmenter {
public:
    Augmenter(const AugmentOptions& options, std::uint64_t seed) : m_options(options), m_seed(seed) {}

    /// Whether images are cut here, from their original size.
    bool cuts() const { return m_options.crop == config::RandomCrop::Resized; }
    /// A random part of an image, resized.
    void cut(const formats::Image& original, int side, std::int64_t epoch, std::int64_t position, std::span<std::uint8_t> hwc) const;
    /// Everything after the cut: shift, mirror, operations.
    void change(std::span<std::uint8_t> hwc, int side, std::int64_t epoch, std::int64_t position);
    /// Which part becomes noise once the image is normalised.
    formats::PixelBox erased(int side, std::int64_t epoch, std::int64_t position) const;

private:
    const AugmentOptions m_options;
    const std::uint64_t m_seed;
    formats::Image m_image;
    formats::ImageScratch m_scratch;
};

} // namespace espalier::data
