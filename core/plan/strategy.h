// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace espalier::plan {

/// Decides what happens next in a run of one configuration. Pure: everything else it knows is in the Plan, so that a run resumes by reading
/// plan.json.
class PlanStrategy {
public:
    virtual ~PlanStrategy() = default;
    /// All stages with their lengths, checked: what cannot be trained fails here, before anything starts. What a search has yet to find is
    /// as in a schedule that grows evenly.
    virtual Result<Plan> begin() const = 0;
    /// What can be done now; several are branches side by side. Empty: the run is finished.
    virtual std::vector<Request> ready(const Plan& plan) const = 0;
    /// The plan with a measurement added. One that is there already changes nothing.
    virtual Plan apply(Plan plan, const Measurement& measurement) const = 0;
    /// Measurements of a search that a stage needs, in their order, before it is trained to its end.
    virtual std::vector<Request> searches(const Stage&) const { return {}; }
    /// Sides of what the network sees that a run can still come to, ascending: of stages that have not ended, and of all that a search may
    /// yet choose.
    virtual std::vector<std::int64_t> sides(const Plan& plan) const;
};

/// What a strategy must know about the data: epochs become images.
struct DataFacts {
    std::int64_t images = 0; // training images
};

/// That of a configuration: plain.cpp, stages.cpp, autoprog.cpp, autoprog_zero.cpp, assembled.cpp.
std::unique_ptr<PlanStrategy> makeStrategy(const config::RunConfig& config, DataFacts data);

/// The plan that a configuration and what was measured so far come to. A last stage that is longer now has not ended: it goes on.
Result<Plan> planOf(const PlanStrategy& strategy, const std::vector<Measurement>& ledger);

} // namespace espalier::plan
