// SPDX-License-Identifier: Apache-2.0
#include "core/training/optimizer.h"

#include <ATen/ATen.h>

#include <cassert>

namespace espalier::training {
namespace {

/// Equal strides, except of sides of length 1, whose strides mean nothing.
[[maybe_unused]] bool samePlaces(const at::Tensor& a, const at::Tensor& b)
{
    for (std::int64_t d = 0; d < a.dim(); ++d)
        if (a.size(d) != 1 && a.stride(d) != b.stride(d))
            return false;
    return a.sizes() == b.sizes();
}

} // namespace

void Optimizer::step(std::vector<tensors::Slot>& slots, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale,
                     const at::Tensor& foundInf)
{
    const at::NoGradGuard noGrad;
    std::vector<at::Tensor> values, gradients, first, second, steps;
    for (auto& slot : slots) {
        const auto& gradient = slot.value.grad();
        if (!gradient.defined())
            continue;
        // With other strides the fused kernels pair wrong elements without an error.
        assert(samePlaces(gradient, slot.value) && samePlaces(slot.m, slot.value));
        values.push_back(slot.value.detach());
        gradients.push_back(gradient);
        first.push_back(slot.m);
        if (slot.v.defined())
            second.push_back(slot.v);
        steps.push_back(slot.step);
    }
    if (values.empty())
        return;
    const auto& t = m_training;
    if (t.optimizer == config::OptimizerKind::Sgd) {
        if (t.momentum == 0.0)
            first.clear(); // the kernels refuse buffers that they do not use
        // The momentum starts at zero, which equals PyTorch's first step (buffer = gradient) without dampening.
        at::_fused_sgd_(values, gradients, first, t.weightDecay, t.momentum, learningRate, /*dampening=*/0.0, /*nesterov=*/false,
                        /*maximize=*/false, /*is_first_step=*/false, gradScale, foundInf);
        return;
    }
    at::_foreach_add_(steps, 1.0);
    if (t.optimizer == config::OptimizerKind::AdamW)
        at::_fused_adamw_(values, gradients, first, second, {}, steps, learningRate, t.beta1, t.beta2, t.weightDecay, t.epsilon,
                          /*amsgrad=*/false, /*maximize=*/false, gradScale, foundInf);
    else
        at::_fused_adam_(values, gradients, first, second, {}, steps, learningRate, t.beta1, t.beta2, t.weightDecay, t.epsilon,
                         /*amsgrad=*/false, /*maximize=*/false, gradScale, foundInf);
    at::_foreach_sub_(steps, std::vector<at::Tensor>(steps.size(), foundInf)); // a skipped step does not count
}

} // namespace espalier::training
