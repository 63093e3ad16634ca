// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::formats {

/// 8-bit RGB, row by row, three bytes a pixel.
struct Image {
    static constexpr int channels = 3;
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> rgb;

    static Image ofSize(int width, int height)
    {
        return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels)};
    }
    const std::uint8_t* row(int y) const { return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * channels; }
    std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * channels; }
};

/// Whole pixels of an image; empty when it has no width.
struct PixelBox {
    std::int32_t left = 0, top = 0, width = 0, height = 0;
    bool operator==(const PixelBox&) const = default;
};

/// Somebody else's pixels: grey (1 channel) or RGB (3), rows without gaps.
struct PixelView {
    int width = 0;
    int height = 0;
    int channels = 3;
    std::span<const std::uint8_t> pixels;

    PixelView(int width, int height, int channels, std::span<const std::uint8_t> pixels)
        : width(width), height(height), channels(channels), pixels(pixels)
    {
    }
    PixelView(const Image& image) : PixelView(image.width, image.height, Image::channels, image.rgb) {}
};

} // namespace espalier::formats
