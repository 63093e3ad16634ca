// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>

namespace espalier::plan {

/// Where a new run leaves another: the plan that it begins with, whose ledger holds what was measured up to there.
struct Fork {
    Plan plan;
    StageId stage;         // the last one that both have
    std::int64_t step = 0; // where it ended
};

/// A run that is `parent` to the end of stage `index`, as a person counts, and from there on as `config` says. Usage error when that stage
/// has not ended or is none, or when `config` differs from `before`, the parent's, in what decided a stage up to there: the sentence and
/// the detail name the setting.
Result<Fork> forkAt(const Plan& parent, const config::RunConfig& before, const config::RunConfig& config, int index);

/// The last stage with this number: the one that trains its size to the end. Usage error for a number that no stage has.
Result<const Stage*> stageNumbered(const Plan& plan, int index);

} // namespace espalier::plan
