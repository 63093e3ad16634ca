// SPDX-License-Identifier: Apache-2.0
#include "core/data/framing.h"

#include <algorithm>
#include <cmath>

namespace espalier::data {

namespace {

constexpr int kLongest = 64; // a resized image may be that many times longer than its side before its ends are cut off first
constexpr int kTries = 10;

/// Python's round: halves go to the even neighbour.
int rounded(double v)
{
    return static_cast<int>(std::nearbyint(v));
}

} // namespace

int Framing::resizedTo(int side) const
{
    return std::max(side, static_cast<int>(std::floor(side / cropRatio)));
}

formats::Image Framing::cut(const formats::Image& image, int side) const
{
    const int shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
    if (longer / shorter < kLongest)
        return cutWhole(image, side);
    // A thread of pixels: resized as a whole it could fill the memory.
    const int keep = std::min(longer, shorter * kLongest), offset = (longer - keep) / 2;
    return cutWhole(
        image.width > image.height ? formats::crop(image, offset, 0, keep, shorter) : formats::crop(image, 0, offset, shorter, keep), side);
}

formats::Image Framing::cutWhole(const formats::Image& image, int side) const
{
    if (adm)
        return formats::admCentreCrop(image, side);
    const int resized = resizedTo(side);
    if (resized == side)
        return formats::resizeToSquare(image, side, filter);
    return formats::centreCrop(formats::resizeShorterSide(image, resized, filter), side, side);
}

formats::PixelBox randomResizedCrop(int width, int height, const CropRange& range, Dice& dice)
{
    const double area = static_cast<double>(width) * static_cast<double>(height);
    const double least = std::log(range.leastAspect), most = std::log(range.mostAspect);
    for (int i = 0; i < kTries; ++i) {
        const double target = dice.uniform(range.leastArea, range.mostArea) * area;
        const double aspect = std::exp(dice.uniform(least, most));
        const int w = rounded(std::sqrt(target * aspect)), h = rounded(std::sqrt(target / aspect));
        if (w < 1 || h < 1 || w > width || h > height)
            continue;
        const auto top = static_cast<int>(dice.integer(0, height - h)), left = static_cast<int>(dice.integer(0, width - w));
        return {left, top, w, h};
    }
    int w = width, h = height;
    const double aspect = static_cast<double>(width) / height;
    if (aspect < range.leastAspect)
        h = std::min(height, rounded(w / range.leastAspect));
    else if (aspect > range.mostAspect)
        w = std::min(width, rounded(h * range.mostAspect));
    return {(width - w) / 2, (height - h) / 2, w, h};
}

void randomShift(std::span<std::uint8_t> hwc, int side, int padding, Dice& dice)
{
    const auto down = static_cast<int>(dice.integer(0, 2 * padding)) - padding;
    const auto right = static_cast<int>(dice.integer(0, 2 * padding)) - padding;
    // Pixel (x, y) of the result is pixel (x + right, y + down) of the image.
    const auto bytes = static_cast<std::ptrdiff_t>(side) * 3, shift = static_cast<std::ptrdiff_t>(std::clamp(right, -side, side)) * 3;
    const auto row = [&](int y) { return hwc.data() + y * bytes; };
    for (int i = 0; i < side; ++i) {
        const int y = down < 0 ? side - 1 - i : i, from = y + down; // rows are read before they are written over
        if (from < 0 || from >= side) {
            std::fill_n(row(y), bytes, std::uint8_t{0});
        } else if (shift >= 0) {
            std::copy(row(from) + shift, row(from) + bytes, row(y));
            std::fill_n(row(y) + bytes - shift, shift, std::uint8_t{0});
        } else {
            std::copy_backward(row(from), row(from) + bytes + shift, row(y) + bytes);
            std::fill_n(row(y), -shift, std::uint8_t{0});
        }
    }
}

} // namespace espalier::data
