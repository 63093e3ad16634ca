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
    std::int64_t ofSteps = 50'000, step = 29'800;
    std::int64_t pointEvery = 1; // steps between scalars
    int evaluations = 12, grids = 3, checkpoints = 3;
    int gridSide = 6, cell = 32; // 6 × 6 cells of 32 pixels
    double secondsPerStep = 0.07;
    std::string failure; // sentence of a failed run
    int seed = 1;
    bool pictures = true;
    Json settings = Json::object(); // beside those of the demo: a schedule of several stages has a plan.json with invented searches
};

/// Writes it below `library`, through core/runs' own writers; asserts that all went well.
runs::RunFolder makeRun(const std::filesystem::path& library, const FakeRun& run);
/// A ViT that grows by AutoProg, a DiT that unfreezes by AutoProg-Zero: both in their third stage, with searches, grids and checkpoints of
/// each.
FakeRun growingVit();
FakeRun growingDit();
/// The seven runs of the drawings, and the two that grow.
void makeShowcase(const std::filesystem::path& library);

} // namespace espalier::testing
