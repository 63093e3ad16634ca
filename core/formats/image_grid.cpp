// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_grid.h"

#include "core/formats/image_quantise.h"

#include <algorithm>
#include <cassert>
#include <vector>

namespace espalier::formats {
namespace {

void normaliseTo(std::span<float> values, float low, float high)
{
    const float width = std::max(high - low, 1e-5f);
    for (float& v : values)
        v = (std::clamp(v, low, high) - low) / width;
}

void normalise(std::span<float> values, const GridOptions& options)
{
    if (options.range)
        return normaliseTo(values, options.range->first, options.range->second);
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    normaliseTo(values, *least, *greatest);
}

/// Lays out `count` cells; `pixelOf(image, y, x, to)` writes three bytes.
template <class PixelOf>
Image laidOut(int count, int height, int width, const GridOptions& options, std::uint8_t border, PixelOf pixelOf)
{
    const int padding = count == 1 ? 0 : options.padding;
    const int columns = std::min(options.columns, count), rows = (count + columns - 1) / columns;
    Image grid = Image::ofSize(columns * (width + padding) + padding, rows * (height + padding) + padding);
    std::fill(grid.rgb.begin(), grid.rgb.end(), border);
    for (int i = 0; i < count; ++i) {
        const int left = i % columns * (width + padding) + padding, top = i / columns * (height + padding) + padding;
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x)
                pixelOf(static_cast<std::size_t>(i), static_cast<std::size_t>(y), static_cast<std::size_t>(x),
                        grid.row(top + y) + static_cast<std::size_t>(left + x) * 3);
    }
    return grid;
}

} // namespace

Image imageGrid(std::span<const float> values, int count, int channels, int height, int width, const GridOptions& options)
{
    const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
    const std::size_t each = plane * static_cast<std::size_t>(channels);
    assert(count > 0 && options.columns > 0 && (channels == 1 || channels == 3) && values.size() == each * static_cast<std::size_t>(count));
    std::vector<float> scaled(values.begin(), values.end());
    if (options.normalise && options.scaleEach)
        for (std::size_t at = 0; at < scaled.size(); at += each)
            normalise(std::span(scaled).subspan(at, each), options);
    else if (options.normalise)
        normalise(scaled, options);
    const auto pixel = [&](std::size_t image, std::size_t y, std::size_t x, std::uint8_t* to) {
        for (std::size_t c = 0; c < 3; ++c)
            to[c] = quantise(scaled[image * each + (channels == 1 ? 0 : c) * plane + y * static_cast<std::size_t>(width) + x],
                             Rounding::SaveImageUnit);
    };
    return laidOut(count, height, width, options, quantise(options.padValue, Rounding::SaveImageUnit), pixel);
}

Image imageGrid(std::span<const std::uint8_t> pixels, int count, int height, int width, int channels, const GridOptions& options)
{
    const std::size_t rowBytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
    const std::size_t each = static_cast<std::size_t>(height) * rowBytes;
    assert(count > 0 && options.columns > 0 && (channels == 1 || channels == 3) && pixels.size() == each * static_cast<std::size_t>(count));
    const auto pixel = [&](std::size_t image, std::size_t y, std::size_t x, std::uint8_t* to) {
        const std::uint8_t* from = pixels.data() + image * each + y * rowBytes + x * static_cast<std::size_t>(channels);
        for (std::size_t c = 0; c < 3; ++c)
            to[c] = from[channels == 1 ? 0 : c];
    };
    return laidOut(count, height, width, options, quantise(options.padValue, Rounding::SaveImageUnit), pixel);
}

} // namespace espalier::formats
