// SPDX-License-Identifier: Apache-2.0
#include "core/data/erasing.h"

#include <cassert>
#include <cmath>

namespace espalier::data {

namespace {

constexpr int kTries = 10;
constexpr double kLeastArea = 0.02, kMostArea = 1.0 / 3.0, kLeastAspect = 0.3;
constexpr std::uint32_t kNoise = 1; // site of the noise beside the draws of the box

NormalPair noisePair(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::int64_t pair)
{
    return normalPair(drawBlock(seed, Stream::Erase, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(position),
                                static_cast<std::uint32_t>(pair), kNoise));
}

} // namespace

formats::PixelBox drawErasing(int width, int height, double probability, Dice& dice)
{
    if (!dice.chance(probability))
        return {};
    const double area = static_cast<double>(width) * static_cast<double>(height), widest = std::log(1.0 / kLeastAspect);
    for (int i = 0; i < kTries; ++i) {
        const double target = dice.uniform(kLeastArea, kMostArea) * area;
        const double aspect = std::exp(dice.uniform(std::log(kLeastAspect), widest));
        const int h = static_cast<int>(std::nearbyint(std::sqrt(target * aspect)));
        const int w = static_cast<int>(std::nearbyint(std::sqrt(target / aspect)));
        if (w < 1 || h < 1 || w >= width || h >= height)
            continue;
        const auto top = static_cast<int>(dice.integer(0, height - h)), left = static_cast<int>(dice.integer(0, width - w));
        return {left, top, w, h};
    }
    return {};
}

float erasingNoise(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::int64_t index)
{
    const auto pair = noisePair(seed, epoch, position, index / 2);
    return index % 2 == 0 ? pair.first : pair.second;
}

void erase(std::span<float> chw, int side, const formats::PixelBox& box, std::uint64_t seed, std::int64_t epoch, std::int64_t position)
{
    assert(chw.size() == static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
    for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = box.top; y < box.top + box.height; ++y) {
            const std::int64_t row = (c * side + y) * side, end = row + box.left + box.width;
            for (std::int64_t i = row + box.left; i < end;) {
                const auto pair = noisePair(seed, epoch, position, i / 2);
                if (i % 2 == 0)
                    chw[static_cast<std::size_t>(i++)] = pair.first;
                if (i < end && i % 2 == 1)
                    chw[static_cast<std::size_t>(i++)] = pair.second;
            }
        }
}

} // namespace espalier::data
