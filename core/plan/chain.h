// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all strategies are made of: stages that wait for those before them.

#include "core/config/run_config.h"
#include "core/plan/strategy.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::plan {

/// Stages that each come after others, with what has to be measured before they end. Mostly one after the other; those that wait for
/// nothing but what has ended can be done side by side.
class ChainStrategy : public PlanStrategy {
public:
    ChainStrategy(const config::RunConfig& config, DataFacts data) : m_config(config), m_data(data) {}
    Result<Plan> begin() const final;
    std::vector<Request> ready(const Plan& plan) const final;
    Plan apply(Plan plan, const Measurement& measurement) const final;
    std::vector<std::int64_t> sides(const Plan& plan) const final;

protected:
    virtual Result<std::vector<Stage>> stages() const = 0;
    virtual const char* kind() const = 0;
    /// What follows from the last measurement of a stage's search.
    virtual void decide(Plan&, const Stage&) const {}
    /// Sides that searches choose from.
    virtual std::vector<std::int64_t> choices() const { return {}; }

    /// The stage that a configuration alone trains: stage-00 with the whole model.
    Stage whole() const;
    /// The length of the run, shared out: stage k gets shares[k]. Usage error that names a stage without a step.
    Result<std::vector<Length>> lengths(const std::vector<double>& shares) const;
    /// The same for stages of equal length.
    Result<std::vector<Length>> equalLengths(std::int64_t stages) const;

    const config::RunConfig m_config;
    const DataFacts m_data;
};

/// "stage-00", "stage-00-search".
StageId stageId(std::int64_t index);
StageId searchId(std::int64_t index);
const std::string& idOf(const Request& request);

/// Everything from the stage before, which has the same shape.
std::vector<PartSource> carriedOver(const StageId& from);
/// How a network grows. `slowest`: the name of the average that mogrow takes.
struct Growth {
    config::GrowthOperator by = config::GrowthOperator::Clone;
    bool newOnly = false;
    std::string slowest;
};
std::vector<PartSource> grown(const StageId& from, const shapes::ModelShape& smaller, const shapes::ModelShape& larger,
                              const Growth& growth);
std::string slowestAverage(const config::TrainingConfig& training);

/// Blocks of a transformer, or most residual blocks that a level of a U-Net has.
std::int64_t depthOf(const config::ModelConfig& model);
/// With another depth: blocks of a transformer, residual blocks in each level of a U-Net, of which a level that has fewer keeps its own.
config::ModelConfig withDepth(config::ModelConfig model, std::int64_t depth);
/// With other drop-path (ViT) or dropout (U-Net); a DiT has neither.
config::ModelConfig withDrop(config::ModelConfig model, double drop);
double dropOf(const config::ModelConfig& model);
/// Positions that a side of what the network sees must be a multiple of.
std::int64_t sideStep(const config::ModelConfig& model);
/// Pixels that images have at least along a side, as data.side says.
inline constexpr std::int64_t kLeastSide = 8;
/// Sides that grow evenly, in what the network sees; `multipleInPixels` 0: the least that the model takes.
std::vector<std::int64_t> growingSides(const config::RunConfig& config, double start, std::int64_t multipleInPixels, std::int64_t stages);

/// The values of a list that differ, in their order.
std::vector<std::int64_t> distinct(const std::vector<std::int64_t>& values);
/// The one behind `value`, or `value` where it is the last.
std::int64_t nextOf(const std::vector<std::int64_t>& values, std::int64_t value);

} // namespace espalier::plan
