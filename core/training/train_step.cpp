// SPDX-License-Identifier: Apache-2.0
#include "core/training/train_step.h"

#include "core/training/ema.h"
#include "core/training/precision.h"

#include <ATen/ATen.h>
#include <torch/torch.h>

namespace espalier::training {
namespace {

/// What gradients arrive for: a fixed table gets none, on any rank.
std::vector<at::Tensor> trainedValues(const tensors::TrainState& state)
{
    std::vector<at::Tensor> parameters;
    for (const auto& slot : state.slots)
        if (slot.value.requires_grad())
            parameters.push_back(slot.value);
    return parameters;
}

} // namespace

TrainStep::TrainStep(Parts parts, const config::RunConfig& config)
    : m_model(parts.model), m_objective(parts.objective), m_state(parts.state), m_share(parts.share), m_device(parts.device),
      m_training(config.training), m_seed(static_cast<std::uint64_t>(config.seed)), m_reducer(parts.group, trainedValues(parts.state)),
      m_world(parts.group->world()),
      m_upload(parts.model.image(), parts.model.classes(), config, parts.share.microBatch, parts.device, parts.batchesHeld, parts.kept),
      m_optimizer(config.training), m_report(parts.device), m_ownTime(parts.device)
{
    const auto b = m_share.microBatch;
    const auto on = at::TensorOptions(m_device);
    m_stepNumber = at::zeros({}, on.dtype(at::kLong));
    m_slotBase = at::arange(b, on.dtype(at::kLong));
    m_slots = at::empty({b}, on.dtype(at::kLong));
    m_learningRate = at::zeros({}, on.dtype(at::kFloat));
    m_found = at::zeros({}, on.dtype(at::kFloat));
    m_loss = at::zeros({1}, on.dtype(at::kFloat));
    if (m_training.precision == config::Precision::Fp16)
        m_lossScale.emplace(m_device);
}

void TrainStep::begin(double learningRate, tensors::Path path, std::int64_t side)
{
    m_ownTime.begin();
    m_path = std::move(path);
    m_side = side;
    if (m_moving.empty()) // now, and not before a checkpoint was read
        m_moving = movingSlots(m_state.slots);
    m_stepNumber.fill_(m_state.counters.step);
    m_learningRate.fill_(learningRate);
    m_loss.zero_();
    for (auto& slot : m_state.slots)
        slot.value.mutable_grad() = at::Tensor(); // backward then hands over its own tensors instead of adding to zeros
}

void TrainStep::accumulate(const data::HostBatch& batch)
{
    at::add_out(m_slots, m_slotBase, batch.firstSlot);
    const tensors::Draws draws{m_seed, m_stepNumber, m_slots};
    const auto inputs = ofSide(m_upload(batch, draws), m_side);
    const bool last = batch.micro + 1 == m_share.accumulation;
    if (last)
        m_reducer.arm();
    models::LossTerms terms;
    {
        const PrecisionScope precision(m_training.precision, m_device.type());
        terms = m_objective(m_model, inputs, m_path, draws);
    }
    const double share = 1.0 / static_cast<double>(m_share.accumulation);
    m_loss.add_(terms.perSample.mean(), share);
    auto loss = m_share.accumulation > 1 ? terms.loss * share : terms.loss;
    if (m_lossScale)
        loss = loss * m_lossScale->scale();
    loss.backward();
}

at::Tensor TrainStep::gradientNorm() const
{
    std::vector<at::Tensor> gradients;
    gradients.reserve(m_state.slots.size());
    for (const auto& slot : m_state.slots)
        if (slot.value.grad().defined())
            gradients.push_back(slot.value.grad());
    return at::stack(at::_foreach_norm(gradients, 2)).norm();
}

std::optional<at::Tensor> TrainStep::gradientScale(const at::Tensor& norm) const
{
    std::optional<at::Tensor> scale;
    if (m_lossScale)
        scale = m_lossScale->scale();
    if (m_training.gradNorm <= 0)
        return scale;
    const auto clip = ((norm + 1e-6) / m_training.gradNorm).clamp_min(1.0);
    if (scale)
        return *scale * clip;
    // On the CPU looking is free, and dividing by 1 is a pass over all gradients for nothing.
    return m_device.is_cpu() && clip.item<float>() == 1.0f ? std::nullopt : std::optional(clip);
}

void TrainStep::finish()
{
    m_ownTime.end(); // from here on it waits for the others
    m_reducer.finish(m_loss);
    const at::NoGradGuard noGrad;
    const auto loss = m_loss[0] / static_cast<double>(m_world);
    const auto norm = m_lossScale ? gradientNorm() / m_lossScale->scale() : gradientNorm();
    // 1 in m_found makes the optimizer skip the step; equal on all ranks, because the loss and the gradients are sums over them.
    const auto finite = at::isfinite(loss);
    const auto good = finite.logical_and(at::isfinite(norm)).to(at::kFloat);
    m_found.copy_(1.0 - good);
    // Gradients that overflow tell the scale to fall, no more.
    const auto bad = m_lossScale ? m_found * (1.0 - finite.to(at::kFloat) * m_lossScale->canFall()) : m_found;
    m_optimizer.step(m_state.slots, m_learningRate, gradientScale(norm), m_found);
    updateEma(m_moving, m_state.emaDecays, m_training.ema.ramp, m_state.counters.step, good);
    m_report.add(loss, norm, good, bad, m_stepNumber);
    if (m_lossScale)
        m_lossScale->update(m_found);
    ++m_state.counters.step;
    m_state.counters.images += m_share.globalBatch;
}

} // namespace espalier::training
