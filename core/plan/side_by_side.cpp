// SPDX-License-Identifier: Apache-2.0
#include "core/plan/side_by_side.h"

#include <algorithm>

namespace espalier::plan {
namespace {

std::int64_t branchesOf(const Plan& plan)
{
    return std::ranges::count_if(plan.stages, [](const Stage& stage) { return !stage.branch.empty(); });
}

/// Operations that a device did in a second, from what ended so far.
std::optional<double> paceOf(const Plan& plan, std::int64_t devices)
{
    double flops = 0.0, seconds = 0.0;
    for (const auto& stage : plan.stages)
        if (const auto begin = beginOf(plan, stage), end = endOf(plan, stage.id); begin && end) {
            flops += end->flops - begin->flops;
            seconds += (end->seconds - begin->seconds) * static_cast<double>(stage.branch.empty() ? devices : 1);
        }
    return flops > 0.0 && seconds > 0.0 ? std::optional(flops / seconds) : std::nullopt;
}

} // namespace

std::vector<Stage> openBranches(const Plan& plan)
{
    std::vector<Stage> open;
    const auto ended = [&](const StageId& id) { return findMeasurement(plan, id) != nullptr; };
    for (const auto& stage : plan.stages)
        if (!stage.branch.empty() && !ended(stage.id) && std::ranges::all_of(stage.after, ended))
            open.push_back(stage);
    return open;
}

std::int64_t placesFor(const Plan& plan, const config::RunConfig& config, std::int64_t devices)
{
    const auto* assembled = std::get_if<config::AssembledSchedule>(&config.schedule);
    const auto wanted = assembled && assembled->atOnce > 0 ? assembled->atOnce : devices;
    return std::max<std::int64_t>(1, std::min(wanted, branchesOf(plan)));
}

std::optional<SideBySide> sideBySide(const Plan& plan, const config::RunConfig& config, std::int64_t devices,
                                     const std::vector<std::optional<double>>& flops)
{
    SideBySide found{branchesOf(plan), devices, placesFor(plan, config, devices), 0.0, 0.0, {}};
    if (found.branches == 0 || flops.size() != plan.stages.size())
        return std::nullopt;
    // A place gets a device, or its share of one; the next branch goes where it can begin first.
    std::vector<double> until(static_cast<std::size_t>(found.places), 0.0);
    const double share = std::min(1.0, static_cast<double>(devices) / static_cast<double>(found.places));
    for (std::size_t i = 0; i < plan.stages.size(); ++i) {
        if (!flops[i])
            return std::nullopt;
        found.deviceFlops += *flops[i];
        if (plan.stages[i].branch.empty())
            found.wallFlops += *flops[i] / static_cast<double>(devices);
        else
            *std::ranges::min_element(until) += *flops[i] / share;
    }
    found.wallFlops += *std::ranges::max_element(until);
    if (const auto pace = paceOf(plan, devices))
        found.wallSeconds = found.wallFlops / *pace;
    return found;
}

} // namespace espalier::plan
