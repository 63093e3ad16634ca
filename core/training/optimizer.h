// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"
#include "core/tensors/state.h"

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace espalier::training {

/// One fused step over all slots that have a gradient: Adam, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019) or SGD with momentum,
/// as PyTorch computes them. Moments live in the slots. Gradients are divided by `gradScale` on the way (clipping); where `foundInf`
/// is 1 nothing changes. All four are float32 scalars on the device, so nothing here waits for it.
class Optimizer {
public:
    explicit Optimizer(const config::TrainingConfig& training) : m_training(training) {}
    void step(std::vector<tensors::Slot>& slots, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale,
              const at::Tensor& foundInf);

private:
    config::TrainingConfig m_training;
};

} // namespace espalier::training
