// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dice.h"
#include "core/formats/image.h"

#include <cstdint>
#include <span>

namespace espalier::data {

/// timm's Mixup in its mode "batch", for groups of images instead of whatever one device holds at once.
struct MixOptions {
    double mixup = 0.0, cutmix = 0.0; // alpha of the Beta distribution of lambda; 0: never
    double probability = 1.0;         // that a group is mixed at all
    double switchTo = 0.5;            // probability of cutmix where both may be
    bool on() const { return mixup > 0.0 || cutmix > 0.0; }
};

/// What is done with a group: image i keeps the share `lambda` and gets the rest from image partnerOf(i, group). With a box, the partner's
/// pixels are pasted there; without, x becomes lambda x + (1 - lambda) partner. Partners are taken from the unmixed group.
struct Mix {
    double lambda = 1.0; // 1: nothing is mixed
    bool cut = false;
    formats::PixelBox box; // of cutmix, in the image
    bool operator==(const Mix&) const = default;
};

inline std::int64_t partnerOf(std::int64_t i, std::int64_t group)
{
    return group - 1 - i;
}

/// The rectangle around (x, y) that has the share 1 - lambda of the image, as far as it lies inside.
formats::PixelBox cutBox(int width, int height, double lambda, int x, int y);
/// The share of the image outside of the box.
double shareOutside(const formats::PixelBox& box, int width, int height);

double drawBeta(double alpha, Dice& dice);
Mix drawMix(const MixOptions& options, int width, int height, Dice& dice);
/// The mix of the group whose first image stands at `position` of the epoch's list.
Mix mixAt(const MixOptions& options, int side, std::uint64_t seed, std::int64_t epoch, std::int64_t position);

/// Smoothed one-hot rows of both classes, weighted: what a mixed image is to be taken for. Sums to 1; equal labels may be given.
void softTarget(std::int64_t label, std::int64_t partner, double lambda, double smoothing, std::span<float> classes);

} // namespace espalier::data
