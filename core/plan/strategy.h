// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>
#include <vector>

namespace espalier::plan {

/// Decides what happens next. Pure: everything it knows is in the Plan, so that a run resumes by reading plan.json.
class PlanStrategy {
public:
    virtual ~PlanStrategy() = default;
    /// All stages with their lengths, checked: what cannot be trained fails here, before anything starts.
    virtual Result<Plan> begin(const config::RunConfig& config) const = 0;
    /// What can be done now; several are branches side by side. Empty: the run is finished.
    virtual std::vector<Request> ready(const Plan& plan) const = 0;
    /// The plan with a measurement added. One that is there already changes nothing.
    virtual Plan apply(Plan plan, const Measurement& measurement) const = 0;
};

/// What a strategy must know about the data: epochs become images.
struct DataFacts {
    std::int64_t images = 0; // training images
};

/// The whole model, from the start, in one stage.
class PlainStrategy : public PlanStrategy {
public:
    explicit PlainStrategy(DataFacts data) : m_data(data) {}
    Result<Plan> begin(const config::RunConfig& config) const override;
    std::vector<Request> ready(const Plan& plan) const override;
    Plan apply(Plan plan, const Measurement& measurement) const override;

private:
    DataFacts m_data;
};

} // namespace espalier::plan
