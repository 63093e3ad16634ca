// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/chain.h"

#include <cstdint>
#include <vector>

namespace espalier::plan {

/// AutoProg-Zero: the side and the set of blocks that train grow; the network is whole from the start. Before every stage but the last the
/// candidates are scored without training, and a vote of ranks chooses.
class AutoProgZeroStrategy final : public ChainStrategy {
public:
    AutoProgZeroStrategy(const config::RunConfig& config, const config::AutoProgZeroSchedule& schedule, DataFacts data);

private:
    struct Size {
        std::int64_t side = 0, level = 0;
    };
    Result<std::vector<Stage>> stages() const override;
    const char* kind() const override { return "autoprog-zero"; }
    std::vector<Request> searches(const Stage& stage) const override;
    void decide(Plan& plan, const Stage& stage) const override;
    std::vector<std::int64_t> choices() const override { return m_sides; }

    Candidate candidateOf(const Size& size) const;
    std::vector<Candidate> windowOf(std::int64_t stage, const Size& current) const;
    /// Gives stages from `first` on their windows and sizes, when the one before had `current`.
    void layOut(std::vector<Stage>& chain, std::int64_t first, Size current) const;
    std::vector<shapes::PartRange> trainableAt(std::int64_t level) const;

    const config::AutoProgZeroSchedule m_schedule;
    std::vector<std::int64_t> m_sides, m_levels; // of an even growth, a value for each stage
};

} // namespace espalier::plan
