// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"
#include "core/shapes/model_shape.h"

#include <cstdint>

namespace espalier::shapes {

/// Floating point operations of one forward pass of one image: two for each multiply-add of convolutions (k² · in · out per output
/// position), linear layers (in · out) and attention (q·k and weights·v, each channels · positions²). Norms, activations, biases,
/// softmax and resampling without parameters are left out, as is usual: they are under 2 % of these models.
double forwardFlops(const ModelShape& shape);
/// Forward and backward of one image: three times the forward pass.
double trainingFlops(const ModelShape& shape);
/// The part of a transformer's forward pass up to the end of its first `blocks` blocks.
double prefixFlops(const ModelShape& shape, std::int64_t blocks);

/// Bytes that training takes on one device. Parameters, gradients, moments and averages are exact (fp32); activations are what
/// autograd keeps for the backward pass of one micro-batch, without what the allocator and library workspaces add: expect 10–40 % more.
struct TrainingMemory {
    std::int64_t weights = 0, gradients = 0, moments = 0, averages = 0, activations = 0;
    std::int64_t total() const { return weights + gradients + moments + averages + activations; }
};
TrainingMemory trainingMemory(const ModelShape& shape, const config::TrainingConfig& training, std::int64_t microBatch);

} // namespace espalier::shapes
