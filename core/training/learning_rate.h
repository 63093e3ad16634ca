// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"

#include <cstdint>

namespace espalier::training {

/// Learning rate of optimizer step `step` (0-based). Linear warm-up: step k runs at (k+1)/warmup of the peak (ddpm-torch). Afterwards
/// constant, or falling to `final` of the peak at `totalSteps` as a half cosine or a straight line; without a total it stays at the peak.
/// Pure: one step gives one rate, whatever was asked before.
double learningRateAt(const config::TrainingConfig& training, std::int64_t step, std::int64_t totalSteps);

} // namespace espalier::training
