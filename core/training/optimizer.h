// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/training_config.h"
#include "core/tensors/state.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::training {

/// Whether weight decay acts on a parameter. With matrices alone, as in timm's groups: not on what has one dimension, ends in ".bias",
/// or is a class token or a table of positions; with tables these two decay as well.
bool decays(config::DecayOn on, std::string_view name, std::int64_t dimensions);

/// A parameter with the averages and moments that this training keeps of it; a fixed table keeps averages only.
tensors::Slot makeSlot(std::string name, at::Tensor value, const config::TrainingConfig& training);

/// Moments for a parameter that trains and has none yet.
void giveMoments(tensors::Slot& slot, const config::TrainingConfig& training);

/// One step over all slots that have a gradient. Adam (with AMSGrad), AdamW and SGD (momentum, Nesterov) are PyTorch's fused kernels
/// (Kingma & Ba 2015; Reddi et al. 2018; Loshchilov & Hutter 2019); SGD with dampening and LAMB (You et al. 2020, as in timm: a bias
/// corrected update whose length is fitted to that of what decays) are made of one call for all tensors each. Moments live in the slots.
/// Gradients are divided by `gradScale` on the way (clipping, loss scaling); where `foundInf` is 1 nothing changes. All are float32
/// scalars on the device, so nothing here waits for it.
class Optimizer {
public:
    explicit Optimizer(const config::TrainingConfig& training) : m_training(training) {}
    void step(std::vector<tensors::Slot>& slots, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale,
              const at::Tensor& foundInf);

private:
    /// Parameters with the same weight decay, and what goes with them.
    struct Group {
        double decay = 0.0;
        std::vector<at::Tensor> values, gradients, first, second, largest, steps;
    };
    /// The scalars of a step that may be skipped.
    struct Scalars {
        at::Tensor learningRate;             // 0 where it is
        at::Tensor skipped, keep;            // bool, and 1 or 0
        std::optional<at::Tensor> gradScale; // 1 where it is
    };
    void fused(Group& group, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale, const at::Tensor& foundInf) const;
    void lamb(Group& group, const Scalars& scalars) const;
    void dampened(Group& group, const Scalars& scalars) const;
    /// Gradients as the rest of the step sees them: divided, or 0 where the step is skipped.
    static void prepare(Group& group, const Scalars& scalars);

    const config::TrainingConfig m_training;
};

} // namespace espalier::training
