// SPDX-License-Identifier: Apache-2.0
#pragma once

// Operations that measuring takes: they are counted as training's are, so that methods can be compared at equal cost.

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace espalier::plan {

/// What AutoProg-Zero scores with, as published: images in a batch, batches (two for the tangent kernel, two for ZiCo), timed passes.
inline constexpr std::int64_t kZeroShotBatch = 16, kKernelBatches = 2, kZicoBatches = 2, kTimings = 6;
/// Numbers of gradients that a tangent kernel holds at once: 2 GiB.
inline constexpr std::int64_t kMostHeld = std::int64_t{1} << 29;

/// How many weights, of `sizes` elements each, every pass through the network makes gradients of for a tangent kernel of so many samples:
/// as many as stay below `most` numbers, and one at least.
std::vector<std::size_t> kernelPasses(std::span<const std::int64_t> sizes, std::int64_t samples, std::int64_t most = kMostHeld);

/// Operations for one image: of a forward pass alone,
double forwardCostOf(const Stage& stage, const Candidate& candidate);
/// and of its gradient for a tangent kernel of so many samples: forward and backward for each pass, gradients of every weight once.
double kernelCostOf(const Stage& stage, const Candidate& candidate, std::int64_t samples);

/// Images in a batch of a search.
std::int64_t searchBatch(const Stage& stage, const config::SearchConfig& search, std::int64_t images);
/// Forward and backward passes of a batch that a probe times for each candidate.
std::int64_t timedPasses(const config::SearchConfig& search);
/// Operations of one measurement of a stage, on a set of so many images.
double searchFlops(const Request& request, const Stage& stage, const config::SearchConfig& search,
                   std::int64_t images = std::numeric_limits<std::int64_t>::max());

} // namespace espalier::plan
