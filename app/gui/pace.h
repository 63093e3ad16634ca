// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/run_config.h"
#include "core/runs/library.h"
#include "widgets/plan_summary.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::gui {

/// Finds how fast a configuration will train here: the mean speed of the newest run of the library that trained the same model, batch and
/// precision on the same devices. Reads files of runs at rest, each once. One thread.
class PaceFinder {
public:
    struct Here {
        std::string host;
        std::vector<std::string> gpus; // names, in NVML's order
    };
    std::optional<widgets::Pace> find(const config::RunConfig& config, const std::vector<runs::RunSummary>& library, const Here& here);

private:
    /// What speed depends on, as text to compare; empty: unknown.
    struct Known {
        double changed = 0.0;
        std::string key;
    };
    std::map<std::filesystem::path, Known> m_known;
};

} // namespace espalier::gui
