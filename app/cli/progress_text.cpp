// SPDX-License-Identifier: Apache-2.0
#include "app/cli/progress_text.h"

#include "core/base/text.h"

#include <fmt/format.h>

namespace espalier::cli {

namespace {

std::string stateOf(const runs::BranchStatus& branch)
{
    using enum runs::RunState;
    if (branch.state == Training)
        return fmt::format("{:.0f} %", 100.0 * branch.fraction);
    if (branch.held && !runs::isLive(branch.state))
        return branch.state == Failed ? "failed, held" : "held";
    switch (branch.state) {
    case New:
    case Queued:
        return "waits";
    case Finished:
        return "done";
    default:
        return std::string(runs::stateText(branch.state));
    }
}

} // namespace

std::string branchesText(const std::vector<runs::BranchStatus>& branches)
{
    std::string text;
    for (const auto& branch : branches)
        text += fmt::format("{}{} {}", text.empty() ? "" : " · ", branch.name, stateOf(branch));
    return text;
}

std::string branchesTable(const std::vector<runs::BranchStatus>& branches)
{
    std::string text;
    for (const auto& branch : branches) {
        text += fmt::format("  {}: {}", branch.name, stateOf(branch));
        if (branch.state != runs::RunState::Training && branch.state != runs::RunState::Finished && branch.fraction > 0.0)
            text += fmt::format(" at {:.0f} %", 100.0 * branch.fraction);
        if (branch.attempt > 0)
            text += fmt::format(", attempt {} on {}", branch.attempt, branch.device);
        if (branch.etaSeconds)
            text += fmt::format(", {} to go", durationText(std::chrono::duration<double>(*branch.etaSeconds)));
        if (branch.state == runs::RunState::Failed)
            text += ": " + branch.why;
        text += '\n';
    }
    return text;
}

Json branchesDocument(const std::vector<runs::BranchStatus>& branches)
{
    Json all = Json::array();
    for (const auto& branch : branches) {
        Json json{{"name", branch.name},       {"module", branch.module},    {"state", runs::stateText(branch.state)},
                  {"why", branch.why},         {"held", branch.held},        {"device", branch.device},
                  {"attempt", branch.attempt}, {"fraction", branch.fraction}};
        if (branch.etaSeconds)
            json["eta_seconds"] = *branch.etaSeconds;
        all.push_back(std::move(json));
    }
    return all;
}

} // namespace espalier::cli
