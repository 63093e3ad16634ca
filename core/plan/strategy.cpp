// SPDX-License-Identifier: Apache-2.0
#include "core/plan/strategy.h"

#include "core/base/overloaded.h"
#include "core/plan/assembled.h"
#include "core/plan/autoprog.h"
#include "core/plan/autoprog_zero.h"
#include "core/plan/plain.h"
#include "core/plan/stage_config.h"
#include "core/plan/stages.h"

#include <algorithm>
#include <set>

namespace espalier::plan {
namespace {

/// Whether a stage ended before its present length, which is then longer than it was.
bool goesOn(const Plan& plan, const Measurement& measurement)
{
    const auto* stage = findStage(plan, measurement.id);
    if (!stage || stage != &plan.stages.back())
        return false;
    Plan with = plan;
    with.ledger.push_back(measurement);
    const auto begin = beginOf(plan, *stage), end = endOf(with, stage->id);
    return begin && end && !reached(stage->length, end->steps - begin->steps, end->images - begin->images, end->seconds - begin->seconds);
}

} // namespace

std::vector<std::int64_t> PlanStrategy::sides(const Plan& plan) const
{
    std::set<std::int64_t> sides;
    for (const auto& stage : plan.stages) {
        if (findMeasurement(plan, stage.id))
            continue;
        const auto wanted = searches(stage);
        const bool searching = std::ranges::any_of(wanted, [&](const Request& each) { return !findMeasurement(plan, idOf(each)); });
        if (stage.role == Stage::Role::Train)
            sides.insert(sideOf(stage));
        if (stage.role == Stage::Role::Supernet || searching)
            for (const auto& candidate : stage.window)
                sides.insert(sideOf(stage, candidate));
    }
    return {sides.begin(), sides.end()};
}

std::unique_ptr<PlanStrategy> makeStrategy(const config::RunConfig& config, DataFacts data)
{
    return std::visit(Overloaded{[&](const config::PlainSchedule&) -> std::unique_ptr<PlanStrategy> {
                                     return std::make_unique<PlainStrategy>(config, data);
                                 },
                                 [&](const config::StagesSchedule& schedule) -> std::unique_ptr<PlanStrategy> {
                                     return std::make_unique<StagesStrategy>(config, schedule, data);
                                 },
                                 [&](const config::AutoProgSchedule& schedule) -> std::unique_ptr<PlanStrategy> {
                                     return std::make_unique<AutoProgStrategy>(config, schedule, data);
                                 },
                                 [&](const config::AutoProgZeroSchedule& schedule) -> std::unique_ptr<PlanStrategy> {
                                     return std::make_unique<AutoProgZeroStrategy>(config, schedule, data);
                                 },
                                 [&](const config::AssembledSchedule& schedule) -> std::unique_ptr<PlanStrategy> {
                                     return std::make_unique<AssembledStrategy>(config, schedule, data);
                                 }},
                      config.schedule);
}

Result<Plan> planOf(const PlanStrategy& strategy, const std::vector<Measurement>& ledger)
{
    auto plan = strategy.begin();
    if (!plan)
        return plan;
    for (const auto& measurement : ledger)
        if (!goesOn(*plan, measurement))
            *plan = strategy.apply(std::move(*plan), measurement);
    if (auto checked = check(*plan); !checked)
        return std::move(checked).error();
    return plan;
}

} // namespace espalier::plan
