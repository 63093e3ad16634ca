// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <optional>
#include <string>
#include <vector>

namespace espalier::plan {

/// What a search found out about one candidate.
struct CandidateScore {
    std::string name;
    double seconds = 0.0;                                 // of forward and backward of a batch, or where cost is analytic its operations
    double loss = 0.0;                                    // of a supernet's search
    double ntk = 0.0, zico = 0.0;                         // of a search without training
    double timeRank = 0.0, ntkRank = 0.0, zicoRank = 0.0; // of such a search
    double total = 0.0;                                   // least is best
    bool chosen = false;
};

/// A search so far.
struct SearchResults {
    bool trained = false;                   // by losses of a supernet; else by scores without training
    bool complete = false;                  // nothing more is measured: one of them is chosen
    double exponent = 0.0;                  // of the power law, where trained
    std::vector<CandidateScore> candidates; // in the order of the window
};

/// The search for the size of a stage: `stage` is the supernet, or the stage itself where nothing is trained for it. None where nothing was
/// measured for it yet, or its measurements are those of another search.
std::optional<SearchResults> searchResults(const Plan& plan, const Stage& stage, const config::RunConfig& config);

} // namespace espalier::plan
