// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/follower.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace espalier::runs {

/// Follows the stages of a run that stand side by side (branches/, docs/run-folder.md). Costs a stat call for a run that has none. One
/// thread.
class Branches {
public:
    explicit Branches(RunFolder run) : m_run(std::move(run)) {}

    /// Whether any of them tells something new.
    bool poll();
    /// By the names of their folders.
    const std::map<std::string, RunFollower, std::less<>>& all() const { return m_followers; }
    /// Adds to what the run itself has done what the branches have done beyond that, while nothing was trained after them: steps are the
    /// mean of all, images and time the sum. The pace is that of the branch `newest`, if it is one.
    void addTo(Progress& progress, std::string_view newest) const;

private:
    struct Done {
        double steps = 0.0, images = 0.0, seconds = 0.0;
    };
    void readPlan();

    RunFolder m_run;
    std::map<std::string, RunFollower, std::less<>> m_followers;
    std::int64_t m_modified = -2, m_planModified = -2;
    std::int64_t m_count = 0;                         // branches of the plan; 0: not known, or what comes before them has not ended
    Done m_before;                                    // what the run had done when they began
    std::map<std::string, Done, std::less<>> m_ended; // what the run had done when each ended, the others left out
};

} // namespace espalier::runs
