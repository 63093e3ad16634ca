// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/plan.h"
#include "core/runs/follower.h"

#include <QString>

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::widgets {

/// A block of a network that is assembled, from its input to its output.
struct TargetCell {
    int module = -1;    // whose it is; -1: no module's, such as what every block of a DiT listens to
    bool block = true;  // else a part that is there once: "embed"
    bool trains = true; // while this network trains
    QString part;       // "block 3", "embed", "level 2 down"
    bool operator==(const TargetCell&) const = default;
};

/// One module of the target: where its weights come from and how it fares.
struct TargetModule {
    enum class From { Trained, File, Meta };
    int module = 0;
    QString title;  // "Module 1 of 4"
    int stage = -1; // index of the stage that trains it here; -1: none does
    From from = From::Trained;
    QString source; // "trained here", "from module-2", "the meta model's"
    QString trains; // "40 steps": how long it will; empty: not known
    runs::RunState state = runs::RunState::New;
    double fraction = 0.0;          // of its own length
    QString why;                    // behind the state, such as the cause of a failure
    std::vector<TargetCell> hybrid; // the network in which it trains; empty: it does not train here
    bool operator==(const TargetModule&) const = default;
};

/// A network that is made of modules, as its plan says it.
struct TargetView {
    QString words;                 // "12 blocks in 4 modules"
    QString meta;                  // where the meta model comes from; empty: there is none
    bool known = false;            // whether it is known how the modules fare: else it is a plan only
    std::vector<TargetCell> cells; // of the target
    std::vector<TargetModule> modules;
    bool operator==(const TargetView&) const = default;
};

/// What a plan with modules assembles; no modules where it has none. `run` and `branches`: how they fare; null: nothing has begun.
struct TargetState {
    runs::RunState state = runs::RunState::New;
    const runs::Progress* progress = nullptr; // of the run
    const std::vector<runs::BranchStatus>* branches = nullptr;
};
TargetView targetView(const plan::Plan& plan, const TargetState* run = nullptr);

/// The place of a module's colour in Tokens::series; the first belongs to what the run trains as a whole.
inline int seriesOfModule(int module)
{
    return 1 + module % 7;
}

/// "Training 63 %", "waits": how a module fares, in words.
QString fareOf(const TargetModule& module);

} // namespace espalier::widgets
