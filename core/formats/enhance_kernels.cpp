// SPDX-License-Identifier: Apache-2.0
#include "core/formats/enhance_kernels.h"

#include "core/base/clones.h"

#include <algorithm>
#include <cstring>

namespace espalier::formats::kernels {
namespace {

constexpr std::size_t kBlock = 64; // pixels that loops take together

ESPALIER_INLINE std::int32_t greyOf(const std::uint8_t* rgb)
{
    return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16;
}

ESPALIER_INLINE std::uint8_t blended(std::int32_t base, std::int32_t value, float factor)
{
    const float mixed = static_cast<float>(base) + factor * static_cast<float>(value - base);
    return static_cast<std::uint8_t>(static_cast<std::int32_t>(std::min(std::max(mixed, 0.0f), 255.0f)));
}

ESPALIER_INLINE void blendPixels(std::uint8_t* rgb, std::size_t pixels, float factor)
{
    std::uint8_t base[3 * kBlock];
    for (std::size_t i = 0; i < pixels; ++i)
        base[3 * i] = base[3 * i + 1] = base[3 * i + 2] = static_cast<std::uint8_t>(greyOf(rgb + 3 * i));
    for (std::size_t i = 0; i < 3 * pixels; ++i)
        rgb[i] = blended(base[i], rgb[i], factor);
}

using Double4 = double __attribute__((vector_size(32)));

/// The cubic through four numbers, in the order of Pillow's arithmetic: the result is truncated, so the last bit shows.
ESPALIER_INLINE void cubic(const Double4& p1, const Double4& p2, const Double4& p3, const Double4& p4, double at, Double4& out)
{
    out = p1 + at * (p2 + at * (p3 + at * p4));
}

/// Along a row; differences of bytes are exact in any order.
ESPALIER_INLINE void alongRow(const Quad* row, double at, Double4& out)
{
    const Quad a = row[0], b = row[1], c = row[2], d = row[3];
    cubic(__builtin_convertvector(b, Double4), __builtin_convertvector(c - a, Double4),
          __builtin_convertvector(2 * (a - b) + c - d, Double4), __builtin_convertvector(b - a - c + d, Double4), at, out);
}

ESPALIER_INLINE void downRows(const Double4& a, const Double4& b, const Double4& c, const Double4& d, double at, Double4& out)
{
    cubic(b, -a + c, 2 * (a - b) + c - d, -a + b - c + d, at, out);
}

ESPALIER_INLINE int floorOf(double v)
{
    const int i = static_cast<int>(v);
    return i - (v < i);
}

} // namespace

void lookUp(std::span<std::uint8_t> rgb, const std::array<Table, 3>& tables)
{
    for (std::size_t i = 0; i + 3 <= rgb.size(); i += 3) {
        rgb[i] = tables[0][rgb[i]];
        rgb[i + 1] = tables[1][rgb[i + 1]];
        rgb[i + 2] = tables[2][rgb[i + 2]];
    }
}

Counts count(std::span<const std::uint8_t> rgb)
{
    Counts even{}, odd{}; // neighbours are often equal: two counters do not wait for each other
    std::size_t i = 0;
    for (; i + 6 <= rgb.size(); i += 6)
        for (std::size_t c = 0; c < 3; ++c) {
            ++even[c][rgb[i + c]];
            ++odd[c][rgb[i + 3 + c]];
        }
    for (; i + 3 <= rgb.size(); i += 3)
        for (std::size_t c = 0; c < 3; ++c)
            ++even[c][rgb[i + c]];
    for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t v = 0; v < 256; ++v)
            even[c][v] += odd[c][v];
    return even;
}

ESPALIER_CLONES std::int64_t sumOfGrey(std::span<const std::uint8_t> rgb)
{
    constexpr std::size_t kPart = std::size_t{1} << 20; // pixels whose sum fits into 32 bits
    std::int64_t sum = 0;
    const std::uint8_t* in = rgb.data();
    for (std::size_t left = rgb.size() / 3; left > 0;) {
        const std::size_t pixels = std::min(left, kPart);
        std::int32_t part = 0;
        for (std::size_t i = 0; i < pixels; ++i)
            part += greyOf(in + 3 * i);
        sum += part;
        in += 3 * pixels;
        left -= pixels;
    }
    return sum;
}

ESPALIER_CLONES void blendWithGrey(std::span<std::uint8_t> rgb, float factor)
{
    std::size_t left = rgb.size() / 3;
    std::uint8_t* at = rgb.data();
    for (; left >= kBlock; left -= kBlock, at += 3 * kBlock)
        blendPixels(at, kBlock, factor);
    blendPixels(at, left, factor);
}

ESPALIER_CLONES void blendWith(std::span<std::uint8_t> rgb, const std::uint8_t* __restrict base, float factor)
{
    std::uint8_t* __restrict to = rgb.data();
    for (std::size_t i = 0; i < rgb.size(); ++i)
        to[i] = blended(base[i], to[i], factor);
}

ESPALIER_CLONES void smooth(const std::uint8_t* __restrict rgb, int width, int height, std::uint16_t* __restrict sums,
                            std::uint8_t* __restrict out)
{
    const auto bytes = static_cast<std::size_t>(width) * 3, rows = static_cast<std::size_t>(height);
    if (width < 3 || height < 3) {
        std::memcpy(out, rgb, bytes * rows);
        return;
    }
    std::memcpy(out, rgb, bytes);
    for (std::size_t y = 1; y + 1 < rows; ++y) {
        const std::uint8_t *above = rgb + (y - 1) * bytes, *here = above + bytes, *below = here + bytes;
        for (std::size_t i = 0; i < bytes; ++i)
            sums[i] = static_cast<std::uint16_t>(above[i] + here[i] + below[i]);
        std::uint8_t* to = out + y * bytes;
        for (std::size_t i = 3; i < bytes - 3; ++i) {
            // Thirteenths, rounded: a half cannot occur.
            const std::uint32_t weighted = static_cast<std::uint32_t>(sums[i - 3] + sums[i] + sums[i + 3] + 4 * here[i]);
            to[i] = static_cast<std::uint8_t>((2 * weighted + 13) / 26);
        }
        std::memcpy(to, here, 3);
        std::memcpy(to + bytes - 3, here + bytes - 3, 3);
    }
    std::memcpy(out + (rows - 1) * bytes, rgb + (rows - 1) * bytes, bytes);
}

void framed(const std::uint8_t* rgb, int width, int height, Quad* out)
{
    const auto pixel = [](const std::uint8_t* p) { return Quad{p[0], p[1], p[2], 0}; };
    for (int y = -kFrame; y < height + kFrame; ++y) {
        const std::uint8_t* row = rgb + static_cast<std::size_t>(std::clamp(y, 0, height - 1)) * static_cast<std::size_t>(width) * 3;
        for (int x = 0; x < kFrame; ++x)
            *out++ = pixel(row);
        for (int x = 0; x < width; ++x)
            *out++ = pixel(row + 3 * x);
        for (int x = 0; x < kFrame; ++x)
            *out++ = pixel(row + 3 * (width - 1));
    }
}

ESPALIER_CLONES void transformBicubic(const Quad* framed, int width, int height, const std::array<double, 6>& m,
                                      const std::array<std::uint8_t, 3>& fill, std::uint8_t* out)
{
    const std::ptrdiff_t stride = width + 2 * kFrame;
    const Double4 zero{}, most = {255.0, 255.0, 255.0, 255.0};
    for (int row = 0; row < height; ++row) {
        const double y = row + 0.5;
        for (int column = 0; column < width; ++column, out += 3) {
            const double x = column + 0.5;
            double u = m[0] * x + m[1] * y + m[2], v = m[3] * x + m[4] * y + m[5];
            if (!(u >= 0.0 && u < width && v >= 0.0 && v < height)) {
                std::memcpy(out, fill.data(), 3);
                continue;
            }
            u -= 0.5;
            v -= 0.5;
            const int left = floorOf(u), top = floorOf(v);
            const double du = u - left, dv = v - top;
            const Quad* at = framed + (top - 1 + kFrame) * stride + (left - 1 + kFrame);
            Double4 sum;
            // On a row or a column of pixels the cubic is the pixel itself, to the last bit.
            if (dv == 0.0) {
                alongRow(at + stride, du, sum);
            } else if (du == 0.0) {
                downRows(__builtin_convertvector(at[1], Double4), __builtin_convertvector(at[stride + 1], Double4),
                         __builtin_convertvector(at[2 * stride + 1], Double4), __builtin_convertvector(at[3 * stride + 1], Double4), dv,
                         sum);
            } else {
                Double4 a, b, c, d;
                alongRow(at, du, a);
                alongRow(at + stride, du, b);
                alongRow(at + 2 * stride, du, c);
                alongRow(at + 3 * stride, du, d);
                downRows(a, b, c, d, dv, sum);
            }
            sum = sum > zero ? sum : zero;
            sum = sum < most ? sum : most;
            const Quad whole = __builtin_convertvector(sum, Quad);
            out[0] = static_cast<std::uint8_t>(whole[0]);
            out[1] = static_cast<std::uint8_t>(whole[1]);
            out[2] = static_cast<std::uint8_t>(whole[2]);
        }
    }
}

ESPALIER_CLONES void toPlanes(std::span<const std::uint8_t> rgb, const std::array<float, 3>& mean, const std::array<float, 3>& deviation,
                              float* __restrict planes)
{
    const std::size_t pixels = rgb.size() / 3;
    const std::uint8_t* __restrict in = rgb.data();
    for (std::size_t c = 0; c < 3; ++c) {
        const float m = mean[c], d = deviation[c];
        float* __restrict to = planes + c * pixels;
        for (std::size_t i = 0; i < pixels; ++i)
            to[i] = (static_cast<float>(in[3 * i + c]) / 255.0f - m) / d;
    }
}

} // namespace espalier::formats::kernels
