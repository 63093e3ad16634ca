// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/plan.h"
#include "core/runs/follower.h"
#include "widgets/run_values.h"

namespace espalier::gui {

/// The x of a step and back, on the axis that the plots show now; linear between points, with the run's mean pace beyond its end.
class AxisMap {
public:
    AxisMap(widgets::XAxis axis, const runs::RunFollower& run);
    /// Of a branch: its wall clock begins with that of its run.
    AxisMap(widgets::XAxis axis, const runs::RunFollower& branch, const AxisMap& run) : AxisMap(axis, branch) { m_origin = run.m_origin; }
    double at(double step) const;
    double stepOf(double x) const;
    bool known() const { return m_axis == widgets::XAxis::Step || m_clock != nullptr; }

private:
    double valueOf(std::size_t index) const;

    widgets::XAxis m_axis;
    const runs::Pyramid* m_clock = nullptr; // nothing: x is the step
    double m_origin = 0.0;                  // wall clock: seconds since 1970 of the first point
};

/// Everything that the plots and lanes show for a query. Reads the follower and the plan, which may be null, only.
widgets::PlotData answer(const runs::RunFollower& run, const widgets::PlotQuery& query, const plan::Plan* plan = nullptr);

/// What the window shows of a run; lists are copied only where `changes` says so, else taken from `before`.
widgets::RunView viewOf(const runs::RunFollower& run, const widgets::RunView& before, const runs::RunChanges& changes);

} // namespace espalier::gui
