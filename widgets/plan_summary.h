// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <QString>

#include <cstdint>
#include <optional>
#include <vector>

namespace espalier::widgets {

/// What the form must know about the machine to say what a configuration means.
struct MachineFacts {
    int gpus = 0;                              // 0: `auto` means the CPU
    QString deviceName;                        // of what `auto` will use: "NVIDIA H200", "AMD EPYC, 16 cores"; may be empty
    std::uint64_t hostBytes = 0, gpuBytes = 0; // memory of the machine and of its first GPU; 0: not known
};

/// How fast a run like the planned one trained.
struct Pace {
    double imagesPerSecond = 0.0;
    QString run;
    bool operator==(const Pace&) const = default;
};

struct PlanLine {
    QString title, text;
    bool wrong = false; // it will not work
    bool operator==(const PlanLine&) const = default;
};

/// The stages of a configuration, as far as they can be known before its data is read.
Result<plan::Plan> plannedOf(const config::RunConfig& run);
/// Training time of each stage at a pace that was measured for the whole model; none where neither length nor pace gives it.
std::vector<std::optional<double>> stageSeconds(const plan::Plan& plan, const std::optional<Pace>& pace);

/// What a valid configuration amounts to, line by line: length, cost, batch, learning rate, devices, what is saved and drawn. Empty if it
/// is not valid. Time is said only where a limit or a measured pace gives it.
std::vector<PlanLine> planSummary(const Json& config, const MachineFacts& machine, const std::optional<Pace>& pace = std::nullopt);

} // namespace espalier::widgets
