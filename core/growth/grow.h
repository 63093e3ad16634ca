// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/plan/plan.h"
#include "core/shapes/model_shape.h"
#include "core/tensors/state.h"

#include <span>

namespace espalier::growth {

/// A stage that has ended, as its training left it.
struct Parent {
    plan::StageId id;
    shapes::ModelShape shape;
    const tensors::TrainState* state; // of a model of that shape
};

/// Gives a new stage's state its weights: what stage.weights names comes from the parents or from files, the rest stays as `to`, the state
/// of a model of stage.shape, has it. A block that came from one with the same index, one of many or one for all, has its parameters by
/// name; those of a transformer must match in name and size, while a level of a U-Net keeps what does not match as it began,
/// unless it is a module (stage.division). A computed
/// table of another size stays as computed.
///
/// Averages come from the parent's average of the same decay by the same map, whatever stage.weights says of the network itself; of a decay
/// that the parent lacks, of what begins anew, and of a stage that is a training by itself (stage.recipe), they are the new values. With
/// stage.optimizer Keep, moments and step counts follow what each parameter came from, where both train it; otherwise they stay as `to` has
/// them. Counters, buffers and parts are left alone.
///
/// Nothing is changed unless all fits; the sentence names the stage and the part.
Result<Done> grow(const plan::Stage& stage, std::span<const Parent> parents, tensors::TrainState& to);

} // namespace espalier::growth
