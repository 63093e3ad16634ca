// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tensors/state.h"

#include <cstdint>

namespace espalier::training {

/// Decay of update number n = 0, 1, 2, …: min(decay, (1+n)/(10+n)) with the ramp (ddpm-torch), else the decay itself.
double emaDecayAt(double decay, bool ramp, std::int64_t n);

/// The parameters whose averages still move: all but those that do not train and that every average has reached.
std::vector<tensors::Slot*> movingSlots(std::vector<tensors::Slot>& slots);

/// Moves every average of the set towards its parameter: ema += (1 - d)(value - ema). `keep` is a float32 scalar on the device:
/// where it is 0 nothing moves (the step was skipped).
void updateEma(const std::vector<tensors::Slot*>& slots, const std::vector<double>& decays, bool ramp, std::int64_t n,
               const at::Tensor& keep);

} // namespace espalier::training
