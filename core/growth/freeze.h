// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/shapes/model_shape.h"
#include "core/shapes/parts.h"
#include "core/tensors/state.h"

#include <functional>
#include <vector>

namespace espalier::growth {

/// Lets gradients reach what lies in `trainable` (empty: everything) and nothing else; computed tables never train. Moments stay as they
/// are, so a probe can set it and put it back.
void setGradients(tensors::TrainState& state, const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable);

/// Makes what a stage does not train cost nothing: no gradient, no moments. What it trains has moments, from `giveMoments` where it had
/// none: what is unfrozen late starts at step 0.
void setTrainable(tensors::TrainState& state, const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable,
                  const std::function<void(tensors::Slot&)>& giveMoments);

} // namespace espalier::growth
