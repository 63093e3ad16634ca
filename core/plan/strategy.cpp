// SPDX-License-Identifier: Apache-2.0
#include "core/plan/strategy.h"

#include "core/base/overloaded.h"
#include "core/plan/autoprog.h"
#include "core/plan/autoprog_zero.h"
#include "core/plan/plain.h"
#include "core/plan/stages.h"

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
