// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/shapes/model_shape.h"
#include "core/tensors/state.h"

#include <string>

namespace espalier::growth {

/// Weights of a checkpoint or file as a state without moments.
struct FileParent {
    shapes::ModelShape shape;
    tensors::TrainState state;
};

/// `which` as for tensors::readWeights; empty is raw. The weights must be those of a whole model.
Result<FileParent> readParent(const std::string& file, const std::string& which);

/// A stage that has ended as its checkpoint has it: weights, averages and counters, no moments.
Result<FileParent> readStage(const std::string& checkpoint, const shapes::ModelShape& shape);

} // namespace espalier::growth
