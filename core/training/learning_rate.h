// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"

#include <cstdint>

namespace espalier::training {

/// What a schedule runs over.
struct Horizon {
    std::int64_t steps = 0; // after which the training ends; 0: only time ends it
    std::int64_t stepsPerEpoch = 1;
    bool lateByAnEpoch = false; // the published loops of DeiT and Deep-Incubation tell the schedule of an epoch when it is over
    std::int64_t from = 0;      // the step at which it begins; what came before had one of its own
};

/// Learning rate of optimizer step `step` (0-based), counted from where the horizon begins. Linear warm-up: step k runs at (k+1)/warmup of
/// the peak (ddpm-torch). Afterwards constant, or falling to `final` of the peak at the horizon as a half cosine or a straight line;
/// without one it stays at the peak. The cosine by epochs is timm's: epoch t < W of W epochs of warm-up has w + t (peak - w) / W, a later
/// one of E min + (peak - min) / 2 (1 + cos(pi t / E)); warm-up is not taken off t, and neither w nor min is scaled with the batch. Pure:
/// one step gives one rate, whatever was asked before.
double learningRateAt(const config::TrainingConfig& training, std::int64_t step, const Horizon& horizon);

} // namespace espalier::training
