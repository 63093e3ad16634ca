// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/chain.h"
#include "core/plan/division.h"

#include <vector>

namespace espalier::plan {

/// Deep Model Assembling: stages "meta", "module-0" … side by side, each inside the meta model and in a branch of its own, and
/// "assembled" after all of them. What comes from elsewhere has no stage. A run that trains one module alone has no branch.
class AssembledStrategy final : public ChainStrategy {
public:
    AssembledStrategy(const config::RunConfig& config, const config::AssembledSchedule& schedule, DataFacts data)
        : ChainStrategy(config, data), m_schedule(schedule)
    {
    }

private:
    Result<std::vector<Stage>> stages() const override;
    const char* kind() const override { return "assembled"; }
    Stage phase(const StageId& id, const config::PhaseConfig& own, const Length& length, const Division& division) const;
    Length lengthOf(const config::PhaseConfig& own) const;

    const config::AssembledSchedule m_schedule;
};

/// Ids of stages, which are also what a person looks for in a run: "meta", "module-0", "assembled".
inline constexpr const char* kMetaStage = "meta";
inline constexpr const char* kAssembledStage = "assembled";
StageId moduleStage(std::size_t module);

} // namespace espalier::plan
