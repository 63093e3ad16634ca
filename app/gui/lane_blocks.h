// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/curve_views.h"
#include "core/plan/plan.h"
#include "widgets/stage_view.h"

namespace espalier::gui {

/// How far the stages of a run came that stand side by side.
widgets::BranchProgress branchProgress(const runs::RunFollower& run);

/// The stages of a run on the axis of the plots, for the lanes: those of its plan, or where it has none those that its events tell of.
void addBlocks(const runs::RunFollower& run, const plan::Plan* plan, const AxisMap& map, widgets::PlotData& data);

} // namespace espalier::gui
