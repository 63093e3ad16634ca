// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plan/chain.h"

namespace espalier::plan {

/// Stages as a person wrote them down: nothing is measured, nothing is decided.
class StagesStrategy final : public ChainStrategy {
public:
    StagesStrategy(const config::RunConfig& config, const config::StagesSchedule& schedule, DataFacts data)
        : ChainStrategy(config, data), m_schedule(schedule)
    {
    }

private:
    Result<std::vector<Stage>> stages() const override;
    const char* kind() const override { return "stages"; }
    Result<std::vector<Length>> stageLengths() const;
    Result<config::ModelConfig> modelOf(std::size_t stage) const;
    Result<std::vector<std::vector<shapes::PartRange>>> trainables() const;
    Result<Done> checkGrowth() const;

    const config::StagesSchedule m_schedule;
};

/// Parts of a model as a person writes them: "head+blocks:0-3", the last block included; "all" is every part. Usage error that says what is
/// wrong with the text; whether a model has such parts is another question.
Result<std::vector<shapes::PartRange>> partsFromText(std::string_view text);
std::string textOf(const std::vector<shapes::PartRange>& parts);

} // namespace espalier::plan
