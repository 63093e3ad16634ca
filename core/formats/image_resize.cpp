// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_resize.h"

#include "core/formats/resize_kernels.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

namespace espalier::formats {
namespace {

using kernels::kPrecision;
using kernels::Weights;

struct Kernel {
    double support;
    double (*weight)(double);
};

double boxWeight(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}
double triangleWeight(double x)
{
    x = std::abs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}
double hammingWeight(double x)
{
    x = std::abs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x *= std::numbers::pi;
    return std::sin(x) / x * (0.54 + 0.46 * std::cos(x));
}
double cubicWeight(double x)
{
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}
double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= std::numbers::pi;
    return std::sin(x) / x;
}
double lanczosWeight(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

Kernel kernelOf(ResizeFilter filter)
{
    switch (filter) {
    case ResizeFilter::Box:
        return {0.5, boxWeight};
    case ResizeFilter::Hamming:
        return {1.0, hammingWeight};
    case ResizeFilter::Bicubic:
        return {2.0, cubicWeight};
    case ResizeFilter::Lanczos:
        return {3.0, lanczosWeight};
    case ResizeFilter::Nearest: // has its own way
    case ResizeFilter::Bilinear:
        break;
    }
    return {1.0, triangleWeight};
}

// Edges are floats in Pillow, and so is their difference: it moves the last bit of a weight.
Weights weightsFor(int from, float begin, float end, int to, const Kernel& kernel)
{
    const double scale = static_cast<double>(end - begin) / to, filterScale = std::max(scale, 1.0);
    const double support = kernel.support * filterScale, shrink = 1.0 / filterScale;
    Weights weights;
    weights.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
    weights.runs.resize(static_cast<std::size_t>(to));
    weights.values.assign(static_cast<std::size_t>(to) * weights.stride, 0);
    std::vector<double> row(weights.stride);
    for (int i = 0; i < to; ++i) {
        const double centre = begin + (i + 0.5) * scale;
        const int first = std::max(0, static_cast<int>(centre - support + 0.5));
        const int last = std::min(from, static_cast<int>(centre + support + 0.5));
        const int count = last - first;
        double sum = 0.0;
        for (int k = 0; k < count; ++k) {
            const double w = kernel.weight((k + first - centre + 0.5) * shrink);
            row[static_cast<std::size_t>(k)] = w;
            sum += w;
        }
        std::int32_t* out = weights.values.data() + static_cast<std::size_t>(i) * weights.stride;
        for (int k = 0; k < count; ++k) {
            const double w = sum != 0.0 ? row[static_cast<std::size_t>(k)] / sum : row[static_cast<std::size_t>(k)];
            out[k] = static_cast<std::int32_t>(w < 0 ? w * (1 << kPrecision) - 0.5 : w * (1 << kPrecision) + 0.5);
        }
        weights.runs[static_cast<std::size_t>(i)] = {first, count};
    }
    return weights;
}

kernels::Rows rowsOf(const Image& image, int first, int count)
{
    return {image.row(first), static_cast<std::size_t>(image.width) * 3, count};
}

/// Rows [firstRow, firstRow + rows) of the source, each squeezed or stretched to the result's width.
Image resizeRows(const Image& source, const Weights& weights, int firstRow, int rows)
{
    Image out = Image::ofSize(static_cast<int>(weights.runs.size()), rows);
    kernels::across(rowsOf(source, firstRow, rows), weights, out.rgb.data());
    return out;
}

/// `source` begins at row `firstRow` of the image that the weights speak of.
Image resizeColumns(const Image& source, const Weights& weights, int firstRow)
{
    Image out = Image::ofSize(source.width, static_cast<int>(weights.runs.size()));
    kernels::down(rowsOf(source, 0, source.height), firstRow, weights, out.rgb.data());
    return out;
}

Image resizeNearest(const Image& image, int width, int height, const Box& box)
{
    Image out = Image::ofSize(width, height);
    const auto places = [](float begin, float end, int to, int from) {
        std::vector<int> at(static_cast<std::size_t>(to));
        const double scale = static_cast<double>(end - begin) / to;
        double place = begin + scale * 0.5; // summed, as Pillow does: the last bits decide ties
        for (int& v : at) {
            v = std::clamp(static_cast<int>(std::floor(place)), 0, from - 1);
            place += scale;
        }
        return at;
    };
    const auto columns = places(static_cast<float>(box.left), static_cast<float>(box.right), width, image.width);
    const auto rows = places(static_cast<float>(box.top), static_cast<float>(box.bottom), height, image.height);
    for (int y = 0; y < height; ++y) {
        const std::uint8_t* in = image.row(rows[static_cast<std::size_t>(y)]);
        std::uint8_t* to = out.row(y);
        for (const int x : columns)
            to = std::copy_n(in + static_cast<std::size_t>(x) * 3, 3, to);
    }
    return out;
}

/// Python's round: halves go to the even neighbour.
int roundHalfEven(double v)
{
    return static_cast<int>(std::nearbyint(v));
}

/// Pixels [left, left + width) x [top, top + height) of a result.
struct Window {
    int left = 0, top = 0, width = 0, height = 0;
};

/// Only the places [begin, begin + count).
Weights partOf(Weights all, int begin, int count)
{
    const auto from = static_cast<std::ptrdiff_t>(begin), to = from + count, stride = static_cast<std::ptrdiff_t>(all.stride);
    all.runs = {all.runs.begin() + from, all.runs.begin() + to};
    all.values = {all.values.begin() + from * stride, all.values.begin() + to * stride};
    return all;
}

/// `window` of what `box` of the image becomes at width x height.
Image resizeTo(const Image& image, int width, int height, ResizeFilter filter, const Box& box, const Window& window)
{
    assert(width > 0 && height > 0 && image.width > 0 && image.height > 0 && "sizes are checked where they come in");
    assert(box.left >= 0 && box.top >= 0 && box.right <= image.width && box.bottom <= image.height && box.left < box.right &&
           box.top < box.bottom);
    const bool needsRows = width != image.width || box.left != 0 || box.right != width;
    const bool needsColumns = height != image.height || box.top != 0 || box.bottom != height;
    const auto cut = [&](const Image& whole) { return crop(whole, window.left, window.top, window.width, window.height); };
    if (!needsRows && !needsColumns)
        return cut(image);
    if (filter == ResizeFilter::Nearest)
        return cut(resizeNearest(image, width, height, box));
    const Kernel kernel = kernelOf(filter);
    const Weights down = partOf(weightsFor(image.height, static_cast<float>(box.top), static_cast<float>(box.bottom), height, kernel),
                                window.top, window.height);
    if (!needsRows) {
        const Image whole = resizeColumns(image, down, 0);
        return window.width == width ? whole : crop(whole, window.left, 0, window.width, window.height);
    }
    const Weights across = partOf(weightsFor(image.width, static_cast<float>(box.left), static_cast<float>(box.right), width, kernel),
                                  window.left, window.width);
    if (!needsColumns)
        return resizeRows(image, across, window.top, window.height);
    // Only rows that the second pass will look at.
    const int first = down.runs.front().first, last = down.runs.back().first + down.runs.back().count;
    return resizeColumns(resizeRows(image, across, first, last - first), down, first);
}

} // namespace

Image resize(const Image& image, int width, int height, ResizeFilter filter, const Box& box)
{
    return resizeTo(image, width, height, filter, box, {0, 0, width, height});
}

Image resize(const Image& image, int width, int height, ResizeFilter filter)
{
    return resize(image, width, height, filter, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)});
}

namespace {
/// Size of the image when its shorter side becomes `size`.
std::pair<int, int> scaledSize(const Image& image, int size)
{
    const std::int64_t shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
    const int other = static_cast<int>(size * longer / shorter);
    return image.width <= image.height ? std::pair(size, other) : std::pair(other, size);
}
} // namespace

Image resizeShorterSide(const Image& image, int size, ResizeFilter filter)
{
    const auto [width, height] = scaledSize(image, size);
    return resize(image, width, height, filter);
}

Image resizeToSquare(const Image& image, int size, ResizeFilter filter)
{
    const auto [width, height] = scaledSize(image, size);
    return resizeTo(image, width, height, filter, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)},
                    {roundHalfEven((width - size) / 2.0), roundHalfEven((height - size) / 2.0), size, size});
}

Image crop(const Image& image, int left, int top, int width, int height)
{
    assert(left >= 0 && top >= 0 && width >= 0 && height >= 0 && left + width <= image.width && top + height <= image.height);
    Image out = Image::ofSize(width, height);
    for (int y = 0; y < height; ++y)
        std::copy_n(image.row(top + y) + static_cast<std::size_t>(left) * 3, static_cast<std::size_t>(width) * 3, out.row(y));
    return out;
}

Image centreCrop(const Image& image, int width, int height)
{
    if (width <= image.width && height <= image.height)
        return crop(image, roundHalfEven((image.width - width) / 2.0), roundHalfEven((image.height - height) / 2.0), width, height);
    // torchvision pads first: (size - n) / 2 before, (size - n + 1) / 2 behind, then crops.
    const int padLeft = std::max(0, (width - image.width) / 2), padTop = std::max(0, (height - image.height) / 2);
    Image padded = Image::ofSize(std::max(width, image.width), std::max(height, image.height));
    for (int y = 0; y < image.height; ++y)
        std::copy_n(image.row(y), static_cast<std::size_t>(image.width) * 3,
                    padded.row(padTop + y) + static_cast<std::size_t>(padLeft) * 3);
    return centreCrop(padded, width, height);
}

Image admCentreCrop(const Image& image, int size)
{
    const auto shorter = [](const Image& i) { return std::min(i.width, i.height); };
    Image small;
    const Image* now = &image;
    while (shorter(*now) >= 2 * size) {
        small = resize(*now, now->width / 2, now->height / 2, ResizeFilter::Box);
        now = &small;
    }
    const double scale = static_cast<double>(size) / shorter(*now);
    const Image scaled = resize(*now, roundHalfEven(now->width * scale), roundHalfEven(now->height * scale), ResizeFilter::Bicubic);
    return crop(scaled, (scaled.width - size) / 2, (scaled.height - size) / 2, size, size);
}

Image flipHorizontally(const Image& image)
{
    Image out = Image::ofSize(image.width, image.height);
    for (int y = 0; y < image.height; ++y) {
        const std::uint8_t* in = image.row(y);
        std::uint8_t* to = out.row(y) + static_cast<std::size_t>(image.width) * 3;
        for (int x = 0; x < image.width; ++x, in += 3) {
            to -= 3;
            std::copy_n(in, 3, to);
        }
    }
    return out;
}

} // namespace espalier::formats
