// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>

namespace espalier::plan {

/// The configuration with which one stage trains, so that whoever trains, draws or measures needs to know nothing of stages: its model,
/// batch, learning rate, strengths, and data.side where images are smaller. The network itself is built for the side of stage.shape.
config::RunConfig configOf(const config::RunConfig& run, const Stage& stage);

/// A share of so many images, at least one.
std::int64_t shareOf(std::int64_t images, double share);
/// Training images that a stage sees of all there are.
std::int64_t imagesOf(const Stage& stage, std::int64_t all);

/// What goes into the network as a candidate of this stage.
std::int64_t sideOf(const Stage& stage, const Candidate& candidate);

/// Pixels of a side that the network sees: 8 for latents, else 1.
std::int64_t pixelsPerPosition(const config::RunConfig& config);

} // namespace espalier::plan
