// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/plan.h"
#include "core/runs/follower.h"
#include "widgets/stage_view.h"

#include <QString>

#include <cstdint>
#include <optional>
#include <vector>

namespace espalier::widgets {

/// What one stage of a run took and brought. The supernet that finds its size belongs to it.
struct StageOutcome {
    int index = 0;                                 // from 0
    QString title;                                 // "Stage 1", "Meta model"
    QString shape, trains;                         // "8 blocks · 24²", "blocks 0–5 train"
    bool hybrid = false;                           // a module: what was measured is of the meta model with it in its place
    bool started = false, ended = false;           // it trains when it started and has not ended
    std::int64_t steps = 0;                        // done so far, or forecast before it begins; 0: nobody knows
    double training = 0.0;                         // seconds so far
    std::optional<double> forecast;                // seconds of training: as the stages before it said, else what its length allows
    std::optional<double> searching;               // seconds of measuring for its size; known when it ended
    double sampling = 0.0, evaluating = 0.0;       // seconds
    std::optional<runs::MeasuredValue> last, best; // of the recipe that the run measured most often
    std::optional<runs::SampleEntry> grid;         // the newest, of averaged weights where there are some
    double spent() const { return training + searching.value_or(0.0) + sampling + evaluating; }
};

struct StageOutcomes {
    std::vector<StageOutcome> stages;
    QString recipe; // of the measured values: "FD-1k, EMA, DDIM-50, seed 1"; empty: nothing was measured
};

/// One for each stage that a person counts; none for a run of one stage. `pixels` of a side stand in one position of a latent; `branches`:
/// how far the stages came that stand side by side.
StageOutcomes stageOutcomes(const plan::Plan& plan, const runs::Progress& now, const std::vector<runs::SampleEntry>& samples,
                            const std::vector<runs::EvaluationEntry>& evaluations, std::int64_t pixels = 1,
                            const BranchProgress& branches = {});

} // namespace espalier::widgets
