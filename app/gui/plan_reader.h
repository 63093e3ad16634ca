// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/plan.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <filesystem>
#include <memory>

namespace espalier::gui {

/// Follows the plan.json of one run. Costs a look at the file's time and size when nothing changed. One thread.
class PlanReader {
public:
    explicit PlanReader(const runs::RunFolder& run) : m_file(run.planFile()) {}
    /// Whether there is another plan now, or none any more.
    bool poll();
    /// Null: there is none, or it cannot be read.
    const std::shared_ptr<const plan::Plan>& plan() const { return m_plan; }

private:
    std::filesystem::path m_file;
    std::filesystem::file_time_type m_time{};
    std::uintmax_t m_size = 0;
    std::shared_ptr<const plan::Plan> m_plan;
};

} // namespace espalier::gui
