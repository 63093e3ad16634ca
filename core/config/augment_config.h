// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <cstdint>

namespace espalier::config {

enum class RandomCrop { None, Resized, Padded };
template <>
struct Names<RandomCrop> {
    static constexpr std::array<std::pair<RandomCrop, const char*>, 3> kAll{
        {{RandomCrop::None, "none"}, {RandomCrop::Resized, "resized"}, {RandomCrop::Padded, "padded"}}};
};

/// What is done to training images beyond cutting and mirroring them. Off by default; the numbers are those of DeiT.
struct AugmentConfig { // path "data.augment"
    RandomCrop crop = RandomCrop::None;
    double cropAreaMin = 0.08, cropAreaMax = 1.0;
    std::int64_t padding = 4;
    std::int64_t operations = 0;
    double magnitude = 9.0, magnitudeStd = 0.5;
    double erase = 0.0;
    std::int64_t repeats = 1;
    double mixup = 0.0, cutmix = 0.0, mixProbability = 1.0, mixSwitch = 0.5;
    std::int64_t mixGroup = 0;
    double labelSmoothing = 0.0;
    static void describe(auto& self, auto&& field)
    {
        field("crop", self.crop,
              "Random part of each image: resized to data.side (timm's random resized crop), or the square of data.side moved within "
              "black edges (padded); none shows what data.crop cuts out",
              {.advanced = true});
        field("crop_area_min", self.cropAreaMin, "Smallest share of an image that a resized crop shows",
              {.min = 0.001, .max = 1.0, .advanced = true});
        field("crop_area_max", self.cropAreaMax, "Largest share of an image that a resized crop shows",
              {.min = 0.001, .max = 1.0, .advanced = true});
        field("padding", self.padding, "Width of the black edges of a padded crop",
              {.min = 1, .max = 256, .unit = "pixels", .advanced = true});
        field("operations", self.operations,
              "RandAugment: operations drawn for each image, each applied with probability one half; 0: none, DeiT: 2",
              {.min = 0, .max = 16, .advanced = true});
        field("magnitude", self.magnitude, "RandAugment: strength of the operations", {.min = 0.0, .max = 10.0, .advanced = true});
        field("magnitude_std", self.magnitudeStd, "RandAugment: standard deviation of the strength from image to image",
              {.min = 0.0, .max = 10.0, .advanced = true});
        field("erase", self.erase, "Probability that a rectangle of an image becomes noise; DeiT: 0.25",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("repeats", self.repeats,
              "Times that each image stands in the list of an epoch, whose length stays: an epoch shows that many times fewer images; "
              "DeiT: 3",
              {.min = 1, .max = 64, .advanced = true});
        field("mixup", self.mixup, "Alpha of mixup: how evenly two images are blended; 0: never, DeiT: 0.8",
              {.min = 0.0, .max = 100.0, .advanced = true});
        field("cutmix", self.cutmix, "Alpha of cutmix: how large the pasted part of another image is; 0: never, DeiT: 1",
              {.min = 0.0, .max = 100.0, .advanced = true});
        field("mix_probability", self.mixProbability, "Probability that a group of images is mixed",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("mix_switch", self.mixSwitch, "Probability of cutmix instead of mixup where both are on",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("mix_group", self.mixGroup,
              "Images that share one draw of mixup or cutmix and are mixed among themselves: an even divisor of the micro-batch; 0: the "
              "whole micro-batch, so that another split draws other mixes",
              {.min = 0, .max = 1e6, .unit = "images", .advanced = true});
        field("label_smoothing", self.labelSmoothing, "Share of each target that is spread over all classes; DeiT: 0.1",
              {.min = 0.0, .max = 0.999, .advanced = true});
    }
    bool mixes() const { return mixup > 0.0 || cutmix > 0.0; }
};

} // namespace espalier::config
