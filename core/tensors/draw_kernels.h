// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain C++17 without LibTorch: compiled for several instruction sets, which all make the same bits.

#include "core/base/philox.h"

#include <cstdint>

namespace espalier::tensors::kernels {

/// Everything that decides the draw of one sample, but the element.
struct Address {
    std::uint64_t seed;
    Stream stream;
    std::uint64_t step, slot;
    std::uint32_t site;
};

/// Elements that one Philox block makes. Ranges below start at a multiple of it.
inline constexpr std::int64_t kNormalsPerBlock = 2, kWordsPerBlock = 4;

/// Elements [first, last) of a draw, written to out[0 … last - first).
void normal(const Address& address, std::int64_t first, std::int64_t last, float* out);
void uniform(const Address& address, std::int64_t first, std::int64_t last, float* out);
/// 0 where the word is below `threshold`, else `scale`.
void keep(const Address& address, std::uint32_t threshold, float scale, std::int64_t first, std::int64_t last, float* out);

} // namespace espalier::tensors::kernels
