// SPDX-License-Identifier: Apache-2.0
#include "core/models/norm_silu_kernels.h"

#include "core/base/clones.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

// Sums run over pixels with one accumulator per channel, so the compiler vectorises them in any instruction set without changing
// their order.

namespace espalier::models::kernels {
namespace {

constexpr std::int64_t kRows = 16; // pixels summed in float before they are added up in double

/// 1 / (1 + exp(-z)) within 3e-7 of itself: exp by a power of two and a polynomial, which vectorises.
ESPALIER_INLINE float sigmoid(float z)
{
    const float x = std::min(std::max(-z, -87.0f), 87.0f);
    constexpr float kRound = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    const float power = x * 1.44269504f + kRound, n = power - kRound;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; // x - n ln 2, in two parts
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    std::int32_t bits;
    std::memcpy(&bits, &power, sizeof bits);
    bits = (bits << 23) + 0x3F800000; // the integer stands in the low bits of the mantissa
    float scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return 1.0f / (1.0f + p * scale);
}

ESPALIER_INLINE float load(float value)
{
    return value;
}
ESPALIER_INLINE float load(BFloat16 value)
{
    const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
    float out;
    std::memcpy(&out, &bits, sizeof out);
    return out;
}
ESPALIER_INLINE void store(float& to, float value)
{
    to = value;
}
/// To the nearest, ties to even; what is not a number stays so.
ESPALIER_INLINE void store(BFloat16& to, float value)
{
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const std::uint32_t notANumber = static_cast<std::uint32_t>(value != value); // without a branch, which would stop vectorisation
    to.bits = static_cast<std::uint16_t>(rounded | (notANumber * 0x7FC0u));
}

/// Scratch of one thread: rows of `channels` numbers.
struct Rows {
    explicit Rows(std::int64_t channels, int floats, int doubles)
        : channels(channels), single(static_cast<std::size_t>(channels) * static_cast<std::size_t>(floats)),
          wide(static_cast<std::size_t>(channels) * static_cast<std::size_t>(doubles))
    {
    }
    float* f(int row) { return single.data() + row * channels; }
    double* d(int row) { return wide.data() + row * channels; }
    std::int64_t channels;
    std::vector<float> single;
    std::vector<double> wide;
};

ESPALIER_INLINE void flush(float* __restrict part, double* __restrict total, std::int64_t channels)
{
    for (std::int64_t c = 0; c < channels; ++c) {
        total[c] += static_cast<double>(part[c]);
        part[c] = 0.0f;
    }
}

/// x * scale + shift is the normalised value times weight plus bias.
ESPALIER_INLINE void affine(const NormSilu& n, const float* mean, const float* inverse, float* scale, float* shift)
{
    const std::int64_t each = n.channels / n.groups;
    for (std::int64_t c = 0; c < n.channels; ++c) {
        const std::int64_t g = c / each;
        scale[c] = inverse[g] * n.weight[c];
        shift[c] = n.bias[c] - mean[g] * scale[c];
    }
}

template <class T>
ESPALIER_INLINE void forwardOf(const NormSilu& n, const T* __restrict x, const float* __restrict mask, T* __restrict y, float* mean,
                               float* inverse)
{
    const std::int64_t channels = n.channels, each = channels / n.groups;
    Rows rows(channels, 6, 2);
    // Offsets from the first pixel are summed, so that a large mean costs no digits of the variance.
    float* __restrict first = rows.f(4);
    for (std::int64_t c = 0; c < channels; ++c)
        first[c] = load(x[c]);
    float* __restrict s1 = rows.f(0), * __restrict s2 = rows.f(1);
    double* __restrict t1 = rows.d(0), * __restrict t2 = rows.d(1);
    for (std::int64_t p = 0; p < n.pixels; ++p) {
        const T* __restrict row = x + p * channels;
#pragma GCC ivdep
        for (std::int64_t c = 0; c < channels; ++c) {
            const float v = load(row[c]) - first[c];
            s1[c] += v;
            s2[c] += v * v;
        }
        if (p % kRows == kRows - 1 || p + 1 == n.pixels) {
            flush(s1, t1, channels);
            flush(s2, t2, channels);
        }
    }
    const auto pixels = static_cast<double>(n.pixels), count = pixels * static_cast<double>(each);
    for (std::int64_t g = 0; g < n.groups; ++g) {
        double sum = 0;
        for (std::int64_t c = g * each; c < (g + 1) * each; ++c)
            sum += t1[c] + pixels * static_cast<double>(first[c]);
        const double m = sum / count;
        double squares = 0; // of the distances from m, by channel
        for (std::int64_t c = g * each; c < (g + 1) * each; ++c) {
            const double offset = static_cast<double>(first[c]) - m;
            squares += t2[c] + 2 * offset * t1[c] + pixels * offset * offset;
        }
        mean[g] = static_cast<float>(m);
        inverse[g] = static_cast<float>(1.0 / std::sqrt(std::max(squares / count, 0.0) + static_cast<double>(n.epsilon)));
    }
    float* __restrict scale = rows.f(2), * __restrict shift = rows.f(3), * __restrict wide = rows.f(5);
    affine(n, mean, inverse, scale, shift);
    for (std::int64_t p = 0; p < n.pixels; ++p) {
        const T* __restrict row = x + p * channels;
        T* __restrict out = y + p * channels;
        float* __restrict to = std::is_same_v<T, float> ? reinterpret_cast<float*>(out) : wide; // GCC vectorises no loop that also narrows
        if (mask) {
            const float* __restrict keep = mask + p * channels;
            for (std::int64_t c = 0; c < channels; ++c) {
                const float z = load(row[c]) * scale[c] + shift[c];
                to[c] = z * sigmoid(z) * keep[c];
            }
        } else {
            for (std::int64_t c = 0; c < channels; ++c) {
                const float z = load(row[c]) * scale[c] + shift[c];
                to[c] = z * sigmoid(z);
            }
        }
        if constexpr (!std::is_same_v<T, float>)
            for (std::int64_t c = 0; c < channels; ++c)
                store(out[c], wide[c]);
    }
}

/// `kept` takes the gradient at the norm's output: fp32 even when dx is not. It may be dx itself.
template <class T>
ESPALIER_INLINE void backwardOf(const NormSilu& n, const T* __restrict x, const float* __restrict mask, const float* mean,
                                const float* inverse, const T* __restrict dy, float* kept, T* dx, float* __restrict dWeight,
                                float* __restrict dBias)
{
    const std::int64_t channels = n.channels, each = channels / n.groups;
    Rows rows(channels, 7, 2);
    float* __restrict scale = rows.f(0), * __restrict shift = rows.f(1), * __restrict centre = rows.f(2);
    affine(n, mean, inverse, scale, shift);
    for (std::int64_t c = 0; c < channels; ++c)
        centre[c] = mean[c / each];
    float* __restrict s1 = rows.f(3), * __restrict s2 = rows.f(4);
    double* __restrict t1 = rows.d(0), * __restrict t2 = rows.d(1);
    // First the gradient at the norm's output, with its sums and its sums times (x - mean).
    for (std::int64_t p = 0; p < n.pixels; ++p) {
        const T* __restrict row = x + p * channels;
        const T* __restrict down = dy + p * channels;
        float* __restrict out = kept + p * channels;
        if (mask) {
            const float* __restrict keep = mask + p * channels;
            for (std::int64_t c = 0; c < channels; ++c) {
                const float v = load(row[c]), z = v * scale[c] + shift[c], s = sigmoid(z);
                const float d = load(down[c]) * keep[c] * (s * (1.0f + z * (1.0f - s)));
                out[c] = d;
                s1[c] += d;
                s2[c] += d * (v - centre[c]);
            }
        } else {
            for (std::int64_t c = 0; c < channels; ++c) {
                const float v = load(row[c]), z = v * scale[c] + shift[c], s = sigmoid(z);
                const float d = load(down[c]) * (s * (1.0f + z * (1.0f - s)));
                out[c] = d;
                s1[c] += d;
                s2[c] += d * (v - centre[c]);
            }
        }
        if (p % kRows == kRows - 1 || p + 1 == n.pixels) {
            flush(s1, t1, channels);
            flush(s2, t2, channels);
        }
    }
    // dx = inverse (weight d - mean(weight d) - xhat mean(weight d xhat)) = scale d + slope (x - mean) + constant
    float* __restrict slope = rows.f(5), * __restrict constant = rows.f(6);
    const double count = static_cast<double>(n.pixels) * static_cast<double>(each);
    for (std::int64_t g = 0; g < n.groups; ++g) {
        double a = 0, b = 0;
        const double inv = inverse[g];
        for (std::int64_t c = g * each; c < (g + 1) * each; ++c) {
            a += t1[c] * static_cast<double>(n.weight[c]);
            b += t2[c] * inv * static_cast<double>(n.weight[c]);
            dBias[c] = static_cast<float>(t1[c]);
            dWeight[c] = static_cast<float>(t2[c] * inv);
        }
        for (std::int64_t c = g * each; c < (g + 1) * each; ++c) {
            slope[c] = static_cast<float>(-inv * inv * b / count);
            constant[c] = static_cast<float>(-inv * a / count);
        }
    }
    for (std::int64_t p = 0; p < n.pixels; ++p) {
        const T* __restrict row = x + p * channels;
        const float* from = kept + p * channels; // may lie where `out` does: element by element that is safe
        T* out = dx + p * channels;
#pragma GCC ivdep
        for (std::int64_t c = 0; c < channels; ++c)
            store(out[c], scale[c] * from[c] + (slope[c] * (load(row[c]) - centre[c]) + constant[c]));
    }
}

// The clones themselves: templates and members cannot be cloned.
ESPALIER_CLONES void forwardSingle(const NormSilu& n, const float* x, const float* mask, float* y, float* mean, float* inverse)
{
    forwardOf(n, x, mask, y, mean, inverse);
}
ESPALIER_CLONES void forwardHalf(const NormSilu& n, const BFloat16* x, const float* mask, BFloat16* y, float* mean, float* inverse)
{
    forwardOf(n, x, mask, y, mean, inverse);
}
ESPALIER_CLONES void backwardSingle(const NormSilu& n, const float* x, const float* mask, const float* mean, const float* inverse,
                                    const float* dy, float* dx, float* dWeight, float* dBias)
{
    backwardOf(n, x, mask, mean, inverse, dy, dx, dx, dWeight, dBias);
}
ESPALIER_CLONES void backwardHalf(const NormSilu& n, const BFloat16* x, const float* mask, const float* mean, const float* inverse,
                                  const BFloat16* dy, float* kept, BFloat16* dx, float* dWeight, float* dBias)
{
    backwardOf(n, x, mask, mean, inverse, dy, kept, dx, dWeight, dBias);
}

} // namespace

template <>
void NormSilu::forward(const float* x, const float* mask, float* y, float* mean, float* inverse) const
{
    forwardSingle(*this, x, mask, y, mean, inverse);
}

template <>
void NormSilu::forward(const BFloat16* x, const float* mask, BFloat16* y, float* mean, float* inverse) const
{
    forwardHalf(*this, x, mask, y, mean, inverse);
}

template <>
void NormSilu::backward(const float* x, const float* mask, const float* mean, const float* inverse, const float* dy, float* dx,
                        float* dWeight, float* dBias) const
{
    backwardSingle(*this, x, mask, mean, inverse, dy, dx, dWeight, dBias);
}

template <>
void NormSilu::backward(const BFloat16* x, const float* mask, const float* mean, const float* inverse, const BFloat16* dy, BFloat16* dx,
                        float* dWeight, float* dBias) const
{
    std::vector<float> kept(static_cast<std::size_t>(pixels * channels));
    backwardHalf(*this, x, mask, mean, inverse, dy, kept.data(), dx, dWeight, dBias);
}

} // namespace espalier::models::kernels
