// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/model.h"
#include "core/tensors/state.h"

namespace espalier::models {

/// What an objective makes of a batch, all on the device.
struct LossTerms {
    at::Tensor loss;      // []: mean over the batch, with whatever weights training gives, to be differentiated
    at::Tensor perSample; // [B], detached, without those weights: its mean is the loss that is shown
};

/// Turns a batch into a loss. The trainer knows nothing else about what it trains. It is a StatePart: what it remembers between
/// steps (nothing for the plain diffusion loss) is saved with the run.
class Objective : public tensors::StatePart {
public:
    virtual LossTerms operator()(Model& model, const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) = 0;
};

} // namespace espalier::models
