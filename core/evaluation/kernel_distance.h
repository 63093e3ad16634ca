// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::evaluation {

/// Unbiased squared maximum mean discrepancy of features [n, d] and [m, d] under the kernel (x · y / d + 1)^3, in float64. Can be negative.
double squaredDiscrepancy(const at::Tensor& x, const at::Tensor& y);

/// KID (Bińkowski et al. 2018): the mean of that over random subsets. Unlike FID it does not fall as the sets grow.
struct KernelDistance {
    static constexpr std::int64_t kSubsets = 100, kSubsetSize = 1000;
    double mean = 0.0;
    double deviation = 0.0;      // over the subsets
    std::int64_t subsetSize = 0; // less than kSubsetSize where a set is smaller
};
/// Subsets are drawn without replacement, always the same ones for the same sizes. Each set needs two rows.
Result<KernelDistance> kernelDistance(const at::Tensor& x, const at::Tensor& y);

} // namespace espalier::evaluation
