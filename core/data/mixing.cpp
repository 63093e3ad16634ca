// SPDX-License-Identifier: Apache-2.0
#include "core/data/mixing.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace espalier::data {

namespace {

/// Marsaglia and Tsang (2000), for shapes of at least 1.
double drawGamma(double shape, Dice& dice)
{
    const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
    for (;;) {
        const double x = dice.normal(0.0, 1.0), v = std::pow(1.0 + c * x, 3);
        if (v <= 0.0)
            continue;
        const double u = 1.0 - dice.uniform(0.0, 1.0);
        if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v))
            return d * v;
    }
}

} // namespace

double drawBeta(double alpha, Dice& dice)
{
    assert(alpha > 0.0);
    if (alpha > 1.0) {
        const double a = drawGamma(alpha, dice), b = drawGamma(alpha, dice);
        return a / (a + b);
    }
    for (;;) { // Jöhnk (1964), for shapes up to 1
        const double u = 1.0 - dice.uniform(0.0, 1.0);
        const double v = 1.0 - dice.uniform(0.0, 1.0);
        const double x = std::pow(u, 1.0 / alpha), y = std::pow(v, 1.0 / alpha);
        if (x + y > 1.0)
            continue;
        if (x + y > 0.0)
            return x / (x + y);
        // Both powers vanished: the same quotient by logarithms.
        const double logX = std::log(u) / alpha, logY = std::log(v) / alpha, top = std::max(logX, logY);
        return std::exp(logX - top) / (std::exp(logX - top) + std::exp(logY - top));
    }
}

formats::PixelBox cutBox(int width, int height, double lambda, int x, int y)
{
    const double ratio = std::sqrt(1.0 - lambda);
    const int halfWidth = static_cast<int>(width * ratio) / 2, halfHeight = static_cast<int>(height * ratio) / 2;
    const int left = std::clamp(x - halfWidth, 0, width), right = std::clamp(x + halfWidth, 0, width);
    const int top = std::clamp(y - halfHeight, 0, height), bottom = std::clamp(y + halfHeight, 0, height);
    return {left, top, right - left, bottom - top};
}

double shareOutside(const formats::PixelBox& box, int width, int height)
{
    const double area = static_cast<double>(box.width) * static_cast<double>(box.height);
    return 1.0 - area / (static_cast<double>(width) * static_cast<double>(height));
}

Mix drawMix(const MixOptions& options, int width, int height, Dice& dice)
{
    if (!options.on() || !dice.chance(options.probability))
        return {};
    const bool both = options.mixup > 0.0 && options.cutmix > 0.0;
    const bool cut = both ? dice.chance(options.switchTo) : options.cutmix > 0.0;
    Mix mix;
    mix.lambda = drawBeta(cut ? options.cutmix : options.mixup, dice);
    if (!cut || mix.lambda == 1.0)
        return mix;
    mix.cut = true;
    const auto y = static_cast<int>(dice.integer(0, height - 1)), x = static_cast<int>(dice.integer(0, width - 1));
    mix.box = cutBox(width, height, mix.lambda, x, y);
    mix.lambda = shareOutside(mix.box, width, height);
    return mix;
}

Mix mixAt(const MixOptions& options, int side, std::uint64_t seed, std::int64_t epoch, std::int64_t position)
{
    PhiloxDice dice(seed, Stream::Mix, epoch, position);
    return drawMix(options, side, side, dice);
}

void softTarget(std::int64_t label, std::int64_t partner, double lambda, double smoothing, std::span<float> classes)
{
    const auto count = static_cast<std::int64_t>(classes.size());
    assert(label >= 0 && label < count && partner >= 0 && partner < count);
    const double off = smoothing / static_cast<double>(count), on = 1.0 - smoothing + off;
    std::fill(classes.begin(), classes.end(), static_cast<float>(off));
    if (label == partner) {
        classes[static_cast<std::size_t>(label)] = static_cast<float>(on);
        return;
    }
    classes[static_cast<std::size_t>(label)] = static_cast<float>(on * lambda + off * (1.0 - lambda));
    classes[static_cast<std::size_t>(partner)] = static_cast<float>(off * lambda + on * (1.0 - lambda));
}

} // namespace espalier::data
