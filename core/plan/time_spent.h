// SPDX-License-Identifier: Apache-2.0
#pragma once

// What training a run took, counted in two ways: seconds of all its devices together, and seconds of a clock on the wall while any of them
// trained. Stages that stand side by side add up in the first and count once in the second; in turn, both are the same on one device.

#include "core/plan/plan.h"
#include "core/runs/follower.h"

#include <cstdint>
#include <vector>

namespace espalier::plan {

struct TimeSpent {
    double device = 0.0; // seconds of training, of each device
    double wall = 0.0;   // seconds in which at least one trained
};

/// Reads the clocks of a run and of its branches (`clock/training_seconds`): sampling, evaluating, searching, waiting and what a kill lost
/// are not training. Values; keeps nothing of the run.
class TimesSpent {
public:
    /// `plan`: null where there is none; then the run is one stage.
    TimesSpent(const runs::RunFollower& run, const Plan* plan);
    TimeSpent all() const;
    /// Up to the step of a stage of the run itself, with all that was trained before or beside it.
    TimeSpent untilStep(std::int64_t step) const;

private:
    /// One folder trained from `begin` to `end` (seconds since 1970), `seconds` of it, on so many devices.
    struct Piece {
        double begin = 0.0, end = 0.0, seconds = 0.0;
        int devices = 1;
    };
    struct Folder {
        std::vector<Piece> pieces; // in order of time
    };
    struct Moment {
        double step = 0.0, time = 0.0;
    };
    TimeSpent until(double time) const;
    void addFolder(const runs::RunFollower& run, const runs::RunFollower& owner, const std::vector<const Stage*>& stages, const Plan* plan,
                   bool own);

    std::vector<Folder> m_folders; // the run's own first
    std::vector<Moment> m_moments; // when the run itself came to its steps
};

} // namespace espalier::plan
