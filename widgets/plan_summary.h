// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"

#include <QString>

#include <vector>

namespace espalier::widgets {

/// What the form must know about the machine to say what a configuration means.
struct MachineFacts {
    int gpus = 0;       // what `auto` will use; 0: the CPU
    QString deviceName; // "NVIDIA H200", "AMD EPYC, 16 cores"; may be empty
};

struct PlanLine {
    QString title, text;
    bool operator==(const PlanLine&) const = default;
};

/// What a valid configuration amounts to, line by line: length, batch, learning rate, devices, what is saved and drawn. Empty if it is not
/// valid.
std::vector<PlanLine> planSummary(const Json& config, const MachineFacts& machine);

} // namespace espalier::widgets
