// SPDX-License-Identifier: Apache-2.0
#pragma once

// Training steps whose draws are given, as golden files give them.

#include "core/diffusion/objective.h"
#include "core/training/train_step.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::training {

/// Levels and noise as the golden files give them, in place of drawn ones; everything after the draw is the real objective.
class GivenDraws final : public models::Objective {
public:
    struct Draw {
        at::Tensor x0, t, noise; // x0 undefined: that of the batch
    };
    explicit GivenDraws(const config::DiffusionConfig& diffusion) : m_real(diffusion) {}

    models::LossTerms operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                 const tensors::Draws& draws) override
    {
        const Draw& given = next.at(losses.size());
        tensors::Batch clean = batch;
        if (given.x0.defined()) // values that no byte stands for, lying in memory as the real ones do
            clean.x = at::empty_like(batch.x).copy_(given.x0);
        auto terms = m_real.with(model, clean, path, draws, given.t, given.noise);
        losses.push_back(terms.loss.item<double>());
        return terms;
    }
    std::string name() const override { return "given"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

    std::vector<Draw> next;     // one per micro-batch of the step
    std::vector<double> losses; // as many as were asked for

private:
    diffusion::DiffusionObjective m_real;
};

inline tensors::TrainState stateOf(const models::Model& model, const std::vector<double>& decays)
{
    tensors::TrainState state;
    state.emaDecays = decays;
    for (const auto& parameter : model.named_parameters()) {
        tensors::Slot slot{.name = parameter.key(), .value = parameter.value()};
        for (std::size_t i = 0; i < decays.size(); ++i)
            slot.ema.push_back(slot.value.detach().clone());
        if (slot.value.requires_grad()) {
            slot.m = tensors::twinOf(slot.value);
            slot.v = tensors::twinOf(slot.value);
            slot.step = at::zeros({});
        }
        state.slots.push_back(std::move(slot));
    }
    tensors::assertPaired(state);
    return state;
}

/// A micro-batch whose bytes nobody looks at.
struct BlankBatch {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> labels;
    data::HostBatch batch;

    BlankBatch(std::int64_t size, std::int64_t side, std::int64_t micro)
        : bytes(static_cast<std::size_t>(size * side * side * 3)), labels(static_cast<std::size_t>(size))
    {
        batch.images = bytes;
        batch.labels = labels;
        batch.micro = micro;
        batch.firstSlot = micro * size;
    }
};

} // namespace espalier::training
