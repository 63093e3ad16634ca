// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/follower.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier::runs {

/// Whether a branch is held: nobody trains it before that is taken back, whoever resumes the run.
bool isHeld(const RunFolder& run, std::string_view branch);
/// Of a run that trains send a wish instead, {"module": K} with pause or start: its answer says what became of it. Needs no lock.
Result<Done> setHeld(const RunFolder& run, std::string_view branch, bool held);

/// What a person can ask of one branch of a run: Start (or go on; on a run at rest this takes back the hold alone) and Pause.
Possible possible(Action action, const BranchStatus& branch, RunState run);

/// Follows the stages of a run that stand side by side (branches/, docs/run-folder.md). Costs a stat call for a run that has none. One
/// thread.
class Branches {
public:
    explicit Branches(RunFolder run) : m_run(std::move(run)) {}

    /// Whether any of them tells something new.
    bool poll();
    /// By the names of their folders.
    const std::map<std::string, RunFollower, std::less<>>& all() const { return m_followers; }
    /// All of the plan, in its order.
    const std::vector<BranchStatus>& status() const { return m_status; }
    /// How many train now.
    std::int64_t training() const;
    /// Adds to what the run itself has done what the branches have done beyond that, while nothing was trained after them: steps are the
    /// mean of all, images and time the sum. The pace is that of all that train, or of the branch `newest`, if it is one.
    void addTo(Progress& progress, std::string_view newest) const;

private:
    struct Done {
        double steps = 0.0, images = 0.0, seconds = 0.0;
    };
    struct Planned {
        std::string name;
        std::int64_t module = -1;
        bool operator==(const Planned&) const = default;
    };
    void readPlan();
    BranchStatus statusOf(const Planned& branch) const;

    RunFolder m_run;
    std::map<std::string, RunFollower, std::less<>> m_followers;
    std::int64_t m_modified = -2, m_planModified = -2;
    std::vector<Planned> m_planned;                   // in the order of the plan
    std::vector<BranchStatus> m_status;               // of the same
    std::optional<Done> m_before;                     // what the run had done when they began
    std::map<std::string, Done, std::less<>> m_ended; // what the run had done when each ended, the others left out
};

} // namespace espalier::runs
