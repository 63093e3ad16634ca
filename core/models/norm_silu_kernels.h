// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain C++17 without LibTorch: compiled for several instruction sets.

#include <cstdint>

namespace espalier::models::kernels {

/// bfloat16 as it lies in memory.
struct BFloat16 {
    std::uint16_t bits;
};

/// Group normalisation, SiLU and a dropout mask over one image in channels-last memory, in one sweep: y = silu(norm(x)) mask.
struct NormSilu {
    std::int64_t pixels, channels, groups;
    float epsilon;
    const float *weight, *bias; // [channels]

    /// T is float or BFloat16; all arithmetic is fp32, with one rounding at the end. `mask` is [pixels, channels] or null. Writes
    /// y [pixels, channels], mean and inverse deviation [groups].
    template <class T>
    void forward(const T* x, const float* mask, T* y, float* mean, float* inverse) const;
    /// Writes dx [pixels, channels], and this image's part of the gradients of weight and bias [channels].
    template <class T>
    void backward(const T* x, const float* mask, const float* mean, const float* inverse, const T* dy, T* dx, float* dWeight,
                  float* dBias) const;
};

} // namespace espalier::models::kernels
