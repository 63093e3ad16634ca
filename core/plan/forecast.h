// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/plan.h"
#include "core/plan/prefix.h"

#include <cstdint>
#include <optional>

namespace espalier::plan {

/// What a stage will cost. What its length leaves open (a stage that only time ends) is open here too.
struct Forecast {
    double flopsPerImage = 0.0;  // forward and backward; of a supernet, the mean of its candidates
    std::int64_t parameters = 0; // of which
    std::int64_t trained = 0;    // get gradients
    std::optional<std::int64_t> steps, images;
    std::optional<double> flops;
    std::optional<double> seconds; // an upper bound from the length, or from a rate where one is known
};

/// `imagesPerSecond` is what was measured for this shape on these devices; 0: not known yet. `prefix`: what is kept of frozen blocks: steps
/// do without them, and the whole includes computing it once.
Forecast forecast(const Stage& stage, double imagesPerSecond = 0.0, const Prefix& prefix = {});

/// Operations of forward and backward of one image when a candidate of the stage runs: what a search compares where cost is analytic. What
/// does not train has no gradient of its weights; gradients still pass through it, but not into the blocks before the first that trains.
/// `kept`: what those give is there already.
double costOf(const Stage& stage, const Candidate& candidate, bool kept = false);

} // namespace espalier::plan
