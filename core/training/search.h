// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/dataset.h"
#include "core/data/latent_set.h"
#include "core/plan/plan.h"
#include "core/training/trainee.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace espalier::training {

/// What candidates of one side are measured on.
struct SearchData {
    config::RunConfig config; // of a stage of that side
    std::shared_ptr<const data::Dataset> images;
    std::shared_ptr<const data::LatentSet> latents; // null: pixels
};

/// What candidates are measured with. Weights, averages, moments and what trains are the same afterwards, bit for bit.
struct SearchParts {
    const plan::Stage& stage; // whose window it is
    config::RunConfig config; // of that stage
    Trainee& trainee;
    std::map<std::int64_t, SearchData> data; // by side of what the network sees
    at::Device device;
    std::function<double(const plan::Candidate&)> analytic; // seconds in another unit; empty: they are measured
    std::function<bool(double)> goOn;                       // hears the share done; false: somebody asks to leave
    double flops = 0.0;                                     // grows by what measuring takes
};

using SearchTable = std::vector<std::vector<double>>;

/// Mean loss, of the average with the smallest decay, in evaluation mode, and where asked the seconds of forward and backward of a batch,
/// of every candidate on the same images: rows {loss, seconds}. Candidates of a side that `data` lacks see those of its first made smaller.
/// (Progressive learning, 3.7.)
Result<SearchTable> probeLosses(SearchParts& parts, bool timed);

/// Condition of the tangent kernel, ZiCo and seconds of forward and backward of every candidate, on images that differ from round to
/// round: rows {ntk, zico, seconds}. (Progressive learning, 4.5 to 4.8.)
Result<SearchTable> zeroShotScores(SearchParts& parts, std::uint64_t round);

} // namespace espalier::training
