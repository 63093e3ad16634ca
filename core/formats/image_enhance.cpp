// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_enhance.h"

#include "core/formats/enhance_kernels.h"

#include <algorithm>
#include <cassert>

namespace espalier::formats {
namespace {

using kernels::Table;

template <class Rule>
Table tableOf(const Rule& rule)
{
    Table table;
    for (int v = 0; v < 256; ++v)
        table[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(std::clamp(static_cast<int>(rule(v)), 0, 255));
    return table;
}

template <class Rule>
void each(Image& image, const Rule& rule)
{
    const Table table = tableOf(rule);
    kernels::lookUp(image.rgb, {table, table, table});
}

/// One table a channel, made from how often its values occur.
template <class Make>
void eachChannel(Image& image, const Make& make)
{
    const auto counts = kernels::count(image.rgb);
    kernels::lookUp(image.rgb, {make(counts[0]), make(counts[1]), make(counts[2])});
}

int unchanged(int v)
{
    return v;
}

void blendWithLevel(Image& image, int level, double factor)
{
    const float f = static_cast<float>(factor), base = static_cast<float>(level);
    each(image, [&](int v) { return std::clamp(base + f * static_cast<float>(v - level), 0.0f, 255.0f); });
}

} // namespace

void autoContrast(Image& image)
{
    eachChannel(image, [](const std::array<std::int32_t, 256>& counts) {
        int low = 0, high = 255;
        while (low < 255 && counts[static_cast<std::size_t>(low)] == 0)
            ++low;
        while (high > 0 && counts[static_cast<std::size_t>(high)] == 0)
            --high;
        if (high <= low)
            return tableOf(unchanged);
        const double scale = 255.0 / (high - low), offset = -low * scale;
        return tableOf([&](int v) { return v * scale + offset; });
    });
}

void equalize(Image& image)
{
    eachChannel(image, [](const std::array<std::int32_t, 256>& counts) {
        std::int64_t all = 0, highest = 0;
        for (const auto n : counts) {
            all += n;
            if (n > 0)
                highest = n;
        }
        const std::int64_t step = (all - highest) / 255; // 0 where one value stands alone
        if (step == 0)
            return tableOf(unchanged);
        std::int64_t below = step / 2;
        return tableOf([&](int v) {
            const auto place = std::min<std::int64_t>(below / step, 255);
            below += counts[static_cast<std::size_t>(v)];
            return place;
        });
    });
}

void invert(Image& image)
{
    each(image, [](int v) { return 255 - v; });
}

void posterize(Image& image, int bits)
{
    assert(bits >= 0 && bits <= 8);
    const int mask = (0xFF00 >> bits) & 0xFF;
    each(image, [&](int v) { return v & mask; });
}

void solarize(Image& image, int threshold)
{
    each(image, [&](int v) { return v < threshold ? v : 255 - v; });
}

void solarizeAdd(Image& image, int add)
{
    each(image, [&](int v) { return v < 128 ? v + add : v; });
}

void adjustColor(Image& image, double factor)
{
    kernels::blendWithGrey(image.rgb, static_cast<float>(factor));
}

void adjustContrast(Image& image, double factor)
{
    const auto pixels = static_cast<double>(image.rgb.size() / 3);
    const auto mean = static_cast<double>(kernels::sumOfGrey(image.rgb)) / pixels;
    blendWithLevel(image, static_cast<int>(mean + 0.5), factor);
}

void adjustBrightness(Image& image, double factor)
{
    blendWithLevel(image, 0, factor);
}

void adjustSharpness(Image& image, double factor, ImageScratch& scratch)
{
    scratch.pixels.resize(image.rgb.size());
    scratch.sums.resize(static_cast<std::size_t>(image.width) * 3);
    kernels::smooth(image.rgb.data(), image.width, image.height, scratch.sums.data(), scratch.pixels.data());
    kernels::blendWith(image.rgb, scratch.pixels.data(), static_cast<float>(factor));
}

void normalise(std::span<const std::uint8_t> hwc, const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
               std::span<float> chw)
{
    assert(hwc.size() == chw.size());
    kernels::toPlanes(hwc, mean, deviation, chw.data());
}

} // namespace espalier::formats
