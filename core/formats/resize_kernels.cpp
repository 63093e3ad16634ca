// SPDX-License-Identifier: Apache-2.0
#include "core/formats/resize_kernels.h"

#include "core/base/clones.h"

#include <algorithm>
#include <cstring>

namespace espalier::formats::kernels {
namespace {

constexpr std::size_t kStrip = 16;         // rows that `across` takes together
constexpr std::size_t kLanes = 3 * kStrip; // one pixel of each of them
constexpr int kPart = 2048;                // pixels of a strip, unless one place alone looks at more
constexpr std::size_t kBlock = 4 * kLanes; // bytes of a row that `down` sums up together

using Bytes = std::uint8_t __attribute__((vector_size(kStrip)));

// 16 x 16 bytes. A round turns the eight bits (row, column) of each place left by one; after four they have changed sides.
ESPALIER_INLINE void transpose(Bytes (&rows)[kStrip])
{
    for (int round = 0; round < 4; ++round) {
        Bytes mixed[kStrip];
        for (std::size_t i = 0; i < kStrip / 2; ++i) {
            const Bytes a = rows[i], b = rows[i + kStrip / 2];
            mixed[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            mixed[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        std::copy_n(mixed, kStrip, rows);
    }
}

/// Byte i of row r of a strip goes to strip[i * kStrip + r].
ESPALIER_INLINE void gather(const std::uint8_t* const (&rows)[kStrip], std::size_t bytes, std::int32_t* strip)
{
    if (bytes < kStrip) {
        for (std::size_t i = 0; i < bytes; ++i)
            for (std::size_t r = 0; r < kStrip; ++r)
                strip[i * kStrip + r] = rows[r][i];
        return;
    }
    for (std::size_t i = 0; i < bytes; i += kStrip) {
        const std::size_t at = std::min(i, bytes - kStrip); // the last columns may be moved twice
        Bytes square[kStrip];
        for (std::size_t r = 0; r < kStrip; ++r)
            std::memcpy(&square[r], rows[r] + at, kStrip);
        transpose(square);
        std::uint8_t bytesOfSquare[sizeof square];
        std::memcpy(bytesOfSquare, square, sizeof square);
        std::int32_t* to = strip + at * kStrip;
        for (std::size_t k = 0; k < sizeof square; ++k)
            to[k] = bytesOfSquare[k];
    }
}

/// out[i] = clipped sum over k of in[k * stride + i] * weights[k], for i below n <= kMost. Four terms a turn, so that sums rest longer.
template <std::size_t kMost, class Pixel>
ESPALIER_INLINE void weightedSum(const Pixel* __restrict in, std::size_t stride, const std::int32_t* __restrict weights, int count,
                                 std::size_t n, std::uint8_t* __restrict out)
{
    std::int32_t sums[kMost];
    for (std::size_t i = 0; i < n; ++i)
        sums[i] = 1 << (kPrecision - 1);
    int k = 0;
    for (; k + 4 <= count; k += 4, in += 4 * stride) {
        const std::int32_t a = weights[k], b = weights[k + 1], c = weights[k + 2], d = weights[k + 3];
        const Pixel *pa = in, *pb = in + stride, *pc = in + 2 * stride, *pd = in + 3 * stride;
        for (std::size_t i = 0; i < n; ++i)
            sums[i] += pa[i] * a + pb[i] * b + pc[i] * c + pd[i] * d;
    }
    for (; k < count; ++k, in += stride) {
        const std::int32_t a = weights[k];
        for (std::size_t i = 0; i < n; ++i)
            sums[i] += in[i] * a;
    }
    for (std::size_t i = 0; i < n; ++i)
        out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> kPrecision, 0, 255));
}

/// Places from x on that look at no more than kPart pixels together, or one place: strips stay small however wide the image is.
std::size_t partEnd(const Weights& weights, std::size_t x)
{
    const int begin = weights.runs[x].first;
    std::size_t end = x + 1;
    while (end < weights.runs.size() && weights.runs[end].first + weights.runs[end].count - begin <= kPart)
        ++end;
    return end;
}

} // namespace

ESPALIER_CLONES void across(const Rows& in, const Weights& weights, std::uint8_t* out)
{
    const std::size_t places = weights.runs.size(), outBytes = places * 3;
    std::vector<std::int32_t> strip;
    std::uint8_t pixel[kLanes];
    for (int y = 0; y < in.count; y += static_cast<int>(kStrip)) {
        const std::size_t height = std::min<std::size_t>(kStrip, static_cast<std::size_t>(in.count - y));
        std::uint8_t* to = out + static_cast<std::size_t>(y) * outBytes;
        for (std::size_t x = 0; x < places;) {
            const int begin = weights.runs[x].first;
            const std::size_t next = partEnd(weights, x);
            const auto pixels = static_cast<std::size_t>(weights.runs[next - 1].first + weights.runs[next - 1].count - begin);
            const std::uint8_t* rows[kStrip];
            for (std::size_t r = 0; r < kStrip; ++r) // the last strip repeats its last row
                rows[r] =
                    in.first + (static_cast<std::size_t>(y) + std::min(r, height - 1)) * in.bytes + static_cast<std::size_t>(begin) * 3;
            strip.resize(std::max(strip.size(), pixels * kLanes));
            gather(rows, pixels * 3, strip.data());
            for (; x < next; ++x, to += 3) {
                const auto [first, count] = weights.runs[x];
                weightedSum<kLanes>(strip.data() + static_cast<std::size_t>(first - begin) * kLanes, kLanes, weights.of(x), count, kLanes,
                                    pixel);
                for (std::size_t r = 0; r < height; ++r)
                    for (std::size_t c = 0; c < 3; ++c)
                        to[r * outBytes + c] = pixel[c * kStrip + r];
            }
        }
    }
}

ESPALIER_CLONES void down(const Rows& in, int firstRow, const Weights& weights, std::uint8_t* out)
{
    for (std::size_t y = 0; y < weights.runs.size(); ++y, out += in.bytes) {
        const auto [first, count] = weights.runs[y];
        const std::uint8_t* from = in.first + static_cast<std::size_t>(first - firstRow) * in.bytes;
        std::size_t i = 0;
        for (; i + kBlock <= in.bytes; i += kBlock)
            weightedSum<kBlock>(from + i, in.bytes, weights.of(y), count, kBlock, out + i);
        if (i < in.bytes)
            weightedSum<kBlock>(from + i, in.bytes, weights.of(y), count, in.bytes - i, out + i);
    }
}

} // namespace espalier::formats::kernels
