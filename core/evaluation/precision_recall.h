// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <stop_token>

namespace espalier::evaluation {

/// Improved precision and recall (Kynkäänniemi et al. 2019, as ADM computes them) and, from the same balls, density and coverage (Naeem et
/// al. 2020). A ball reaches from a point to its k-th nearest neighbour in its own set. All depend on the sizes of both sets.
struct PrecisionRecall {
    double precision = 0.0; // share of samples inside a ball of the reference; on its rim counts
    double recall = 0.0;    // share of references inside a ball of the samples; on its rim counts
    double density = 0.0;   // balls of the reference that a sample lies in, over k; on the rim does not count
    double coverage = 0.0;  // share of balls of the reference that hold a sample; on the rim does not count
};

/// Features [n, d] and [m, d], each with more than k rows. Distances are made in float64, block by block, on the device of `reference`;
/// `tick` is called and `stop` looked at between blocks.
Result<PrecisionRecall> precisionRecall(const at::Tensor& reference, const at::Tensor& samples, std::int64_t k = 3,
                                        const std::function<void()>& tick = {}, std::stop_token stop = {});

} // namespace espalier::evaluation
