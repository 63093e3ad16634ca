// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/forecast.h"
#include "core/plan/plan.h"
#include "core/runs/follower.h"

#include <QString>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::widgets {

/// A stage of a plan as the window shows it.
struct StageView {
    std::string id;
    int index = 0;                       // as a person counts, from 0
    bool search = false;                 // a supernet: it trains to find the size of stage `index`
    bool searched = false;               // its size is chosen without training, just before it begins
    QString title;                       // "Stage 2", "Search for stage 2", "Module 1 of 4"
    QString growth;                      // "8 blocks · 24²"
    QString trains;                      // "all parts train", "blocks 0–5 train"
    std::int64_t side = 0;               // of images, in pixels
    QString counted;                     // "5 blocks, 2 train", "2 levels × 2, all train"
    std::vector<bool> blocks;            // from the input to the output: which train
    int lane = 0, lanes = 1;             // where it stands among those side by side, from the top, and how many they are
    double depth = 1.0, sideShare = 1.0; // against the largest of the plan
};

/// "24²": images of that side.
QString squared(std::int64_t side);

/// The stages in order. Where latents are trained on, a position stands for `pixels` pixels of a side.
std::vector<StageView> stageViews(const plan::Plan& plan, std::int64_t pixels = 1);

/// Which stage (its index) ended with which step, of a plan of several stages; empty for one.
std::map<std::int64_t, int> stageEnds(const plan::Plan& plan);

/// Where a stage lies in its run: what the run had done, or will have.
struct StagePoint {
    double steps = 0.0, images = 0.0, seconds = 0.0, flops = 0.0;
};
struct StageSpan {
    StagePoint from, to; // to: a forecast until the stage ended
    StagePoint joined;   // when all that stand beside it have ended: steps of the longest, the work of all; `to` where none stands there
    bool started = false, ended = false;
    std::optional<double> forecastSeconds; // what the pace of the stages before it said; none for the first
    double searchSeconds = 0.0;            // spent on searching while it ran
};

/// How far each branch came, by its name.
using BranchProgress = std::map<std::string, runs::Progress, std::less<>>;
/// How far the run came, as the stage counts it: its branch, where it has one; nothing for a branch of which nothing is known.
const runs::Progress* progressOf(const plan::Stage& stage, const runs::Progress& now, const BranchProgress& branches);

/// One for each stage of the plan. `now` is how far the run came; seconds that nobody can know stay where they are.
std::vector<StageSpan> stageSpans(const plan::Plan& plan, const runs::Progress& now, const BranchProgress& branches = {});
/// What training the last, whole stage for as many images would take at the pace so far; none where there is no pace.
std::optional<double> plainSeconds(const plan::Plan& plan, const std::vector<StageSpan>& spans);

} // namespace espalier::widgets
