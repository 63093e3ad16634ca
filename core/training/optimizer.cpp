// SPDX-License-Identifier: Apache-2.0
#include "core/training/optimizer.h"

#include <ATen/ATen.h>

#include <array>
#include <cassert>

namespace espalier::training {
namespace {

using config::OptimizerKind;

/// Equal strides, except of sides of length 1, whose strides mean nothing.
[[maybe_unused]] bool samePlaces(const at::Tensor& a, const at::Tensor& b)
{
    for (std::int64_t d = 0; d < a.dim(); ++d)
        if (a.size(d) != 1 && a.stride(d) != b.stride(d))
            return false;
    return a.sizes() == b.sizes();
}

} // namespace

bool decays(config::DecayOn on, std::string_view name, std::int64_t dimensions)
{
    const bool table = name == "cls_token" || name == "pos_embed";
    return on == config::DecayOn::All || (dimensions > 1 && !name.ends_with(".bias") && (!table || on == config::DecayOn::Tables));
}

tensors::Slot makeSlot(std::string name, at::Tensor parameter, const config::TrainingConfig& training)
{
    tensors::Slot slot{.name = std::move(name), .value = std::move(parameter)};
    const auto value = slot.value.detach();
    for (std::size_t i = 0; i < training.ema.decays.size(); ++i)
        slot.ema.push_back(value.clone());
    if (slot.value.requires_grad())
        giveMoments(slot, training);
    return slot;
}

void giveMoments(tensors::Slot& slot, const config::TrainingConfig& training)
{
    const auto value = slot.value.detach();
    slot.m = at::zeros_like(value);
    if (training.optimizer != OptimizerKind::Sgd)
        slot.v = at::zeros_like(value);
    if (config::keepsMaximum(training))
        slot.largest = at::zeros_like(value);
    slot.step = at::zeros({}, value.options());
}

void Optimizer::step(std::vector<tensors::Slot>& slots, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale,
                     const at::Tensor& foundInf)
{
    const at::NoGradGuard noGrad;
    std::array<Group, 2> groups;
    groups[0].decay = m_training.weightDecay;
    for (auto& slot : slots) {
        const auto& gradient = slot.value.grad();
        if (!gradient.defined())
            continue;
        // With other strides the fused kernels pair wrong elements without an error.
        assert(samePlaces(gradient, slot.value) && samePlaces(slot.m, slot.value));
        auto& group = groups[m_training.weightDecay > 0.0 && !decays(m_training.weightDecayOn, slot.name, slot.value.dim()) ? 1 : 0];
        group.values.push_back(slot.value.detach());
        group.gradients.push_back(gradient);
        group.first.push_back(slot.m);
        if (slot.v.defined())
            group.second.push_back(slot.v);
        if (slot.largest.defined())
            group.largest.push_back(slot.largest);
        group.steps.push_back(slot.step);
    }
    const bool byHand = m_training.optimizer == OptimizerKind::Lamb ||
                        (m_training.optimizer == OptimizerKind::Sgd && m_training.momentum > 0.0 && m_training.dampening > 0.0);
    Scalars scalars;
    if (byHand) {
        scalars.skipped = foundInf > 0.5;
        scalars.keep = 1.0 - foundInf;
        scalars.learningRate = learningRate * scalars.keep;
        if (gradScale)
            scalars.gradScale = gradScale->masked_fill(scalars.skipped, 1.0);
    }
    for (auto& group : groups) {
        if (group.values.empty())
            continue;
        if (!byHand) {
            fused(group, learningRate, gradScale, foundInf);
            continue;
        }
        prepare(group, scalars);
        m_training.optimizer == OptimizerKind::Lamb ? lamb(group, scalars) : dampened(group, scalars);
    }
}

void Optimizer::fused(Group& group, const at::Tensor& learningRate, const std::optional<at::Tensor>& gradScale,
                      const at::Tensor& foundInf) const
{
    auto& [decay, values, gradients, first, second, largest, steps] = group;
    const auto& t = m_training;
    if (t.optimizer == OptimizerKind::Sgd) {
        if (t.momentum == 0.0)
            first.clear(); // the kernels refuse buffers that they do not use
        // The momentum starts at zero, which equals PyTorch's first step (buffer = gradient) without dampening.
        at::_fused_sgd_(values, gradients, first, decay, t.momentum, learningRate, /*dampening=*/0.0, t.nesterov && t.momentum > 0.0,
                        /*maximize=*/false, /*is_first_step=*/false, gradScale, foundInf);
        return;
    }
    at::_foreach_add_(steps, 1.0);
    if (t.optimizer == OptimizerKind::AdamW)
        at::_fused_adamw_(values, gradients, first, second, largest, steps, learningRate, t.beta1, t.beta2, decay, t.epsilon, t.amsgrad,
                          /*maximize=*/false, gradScale, foundInf);
    else
        at::_fused_adam_(values, gradients, first, second, largest, steps, learningRate, t.beta1, t.beta2, decay, t.epsilon, t.amsgrad,
                         /*maximize=*/false, gradScale, foundInf);
    at::_foreach_sub_(steps, std::vector<at::Tensor>(steps.size(), foundInf)); // a skipped step does not count
}

void Optimizer::prepare(Group& group, const Scalars& scalars)
{
    for (auto& gradient : group.gradients)
        gradient.masked_fill_(scalars.skipped, 0.0); // NaN times 0 would stay NaN
    if (scalars.gradScale)
        at::_foreach_div_(group.gradients, *scalars.gradScale);
}

void Optimizer::lamb(Group& group, const Scalars& scalars) const
{
    auto& [decay, values, gradients, first, second, largest, steps] = group;
    const auto& t = m_training;
    at::_foreach_add_(steps, scalars.keep);
    at::_foreach_mul_(first, at::where(scalars.skipped, 1.0, t.beta1));
    at::_foreach_add_(first, gradients, 1.0 - t.beta1);
    at::_foreach_mul_(second, at::where(scalars.skipped, 1.0, t.beta2));
    at::_foreach_addcmul_(second, gradients, gradients, 1.0 - t.beta2);

    // 1 - beta2^n in float32 would lose four digits in the first steps.
    const auto n = at::stack(steps).to(at::kDouble).clamp_min(1.0);
    const auto correction1 = (1.0 - at::pow(t.beta1, n)).to(at::kFloat), correction2 = (1.0 - at::pow(t.beta2, n)).sqrt().to(at::kFloat);
    auto denominator = at::_foreach_sqrt(second);
    at::_foreach_div_(denominator, correction2.unbind());
    at::_foreach_add_(denominator, t.epsilon);
    auto update = at::_foreach_div(first, correction1.unbind());
    at::_foreach_div_(update, denominator);
    if (decay > 0.0) {
        at::_foreach_add_(update, values, decay);
        const auto length = at::stack(at::_foreach_norm(values, 2)), step = at::stack(at::_foreach_norm(update, 2));
        const auto trust = at::where((length > 0).logical_and(step > 0), length / step, at::ones_like(length));
        at::_foreach_mul_(update, trust.unbind());
    }
    at::_foreach_mul_(update, scalars.learningRate);
    at::_foreach_sub_(values, update);
}

// PyTorch leaves the first gradient whole. Which step is the first only the device knows.
void Optimizer::dampened(Group& group, const Scalars& scalars) const
{
    auto& [decay, values, gradients, first, second, largest, steps] = group;
    const auto share = (1.0 - m_training.dampening * (at::stack(steps) > 0).to(at::kFloat)) * scalars.keep;
    at::_foreach_add_(steps, scalars.keep);
    auto pulls = decay > 0.0 ? at::_foreach_add(gradients, values, decay) : at::_foreach_mul(gradients, 1.0);
    at::_foreach_mul_(pulls, share.unbind());
    at::_foreach_mul_(first, at::where(scalars.skipped, 1.0, m_training.momentum));
    at::_foreach_add_(first, pulls);
    at::_foreach_sub_(values, at::_foreach_mul(first, scalars.learningRate));
}

} // namespace espalier::training
