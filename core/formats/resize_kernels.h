// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// The two passes of a resize, on bytes.
namespace espalier::formats::kernels {

// The arithmetic of Pillow: weights in double, normalised, then fixed point; 8-bit results after each pass.
constexpr int kPrecision = 32 - 8 - 2;

/// For each place of the result: which places of the source count, and how much.
struct Weights {
    struct Run {
        int first, count;
    };
    std::vector<Run> runs;
    std::vector<std::int32_t> values; // `stride` for each run
    std::size_t stride = 0;
    const std::int32_t* of(std::size_t i) const { return values.data() + i * stride; }
};

/// Rows of RGB, `bytes` from one to the next.
struct Rows {
    const std::uint8_t* first = nullptr;
    std::size_t bytes = 0;
    int count = 0;
};

/// Each row squeezed or stretched to weights.runs.size() pixels, written row after row.
void across(const Rows& in, const Weights& weights, std::uint8_t* out);
/// Every row of the result is a weighted sum of rows of `in`, whose first is row `firstRow` of the image that the weights speak of.
void down(const Rows& in, int firstRow, const Weights& weights, std::uint8_t* out);

} // namespace espalier::formats::kernels
