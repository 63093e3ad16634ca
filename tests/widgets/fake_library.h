// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/json.h"
#include "core/runs/run_folder.h"
#include "core/runs/run_state.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace espalier::testing {

/// A run folder as a trainer leaves it, with invented curves, samples, checkpoints and evaluations.
struct FakeRun {
    std::string name = "flowers";
    runs::RunState state = runs::RunState::Training;
    std::int64_t ofSteps = 50'000, step = 29'800; // step: of all stages, one after the other, also where some stand side by side
    std::int64_t pointEvery = 1;                  // steps between scalars
    int evaluations = 12, grids = 3, checkpoints = 3;
    int gridSide = 6, cell = 32; // 6 × 6 cells of 32 pixels
    double secondsPerStep = 0.07;
    std::string failure; // sentence of a failed run
    int seed = 1;
    bool pictures = true;
    int gpus = 0;                   // trained on so many GPUs, each rank with curves of its own; rank 2 is slow
    Json settings = Json::object(); // beside those of the demo: a schedule of several stages has a plan.json with invented searches
};

/// Writes it below `library`, through core/runs' own writers; asserts that all went well.
runs::RunFolder makeRun(const std::filesystem::path& library, const FakeRun& run);
/// A ViT that grows by AutoProg, a DiT that unfreezes by AutoProg-Zero: both in their third stage, with searches, grids and checkpoints of
/// each.
FakeRun growingVit();
FakeRun growingDit();
/// A ViT assembled from so many modules: its third one trains, or all is done.
FakeRun assembledVit(int modules = 4, bool finished = false);
/// The seven runs of the drawings, the two that grow and two that are assembled.
void makeShowcase(const std::filesystem::path& library);

} // namespace espalier::testing
