// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tensors/state.h"

#include <ATen/core/Tensor.h>

namespace espalier::training {

/// Dynamic loss scaling for fp16, whose gradients would vanish: the loss is multiplied by a scale that doubles after 2000 good steps in
/// a row and halves when a gradient overflowed, as torch.amp.GradScaler does. All on the device; nothing waits for it.
class LossScale final : public tensors::StatePart {
public:
    explicit LossScale(at::Device device);

    /// What losses are multiplied and gradients divided by; float32 scalar.
    const at::Tensor& scale() const { return m_scale; }
    /// 1 where an overflow says nothing of the training yet, because the scale can still fall; 0 once it fell below 1 and gradients
    /// overflow all the same.
    at::Tensor canFall() const;
    /// After a step; `foundInf` is 1 where it was skipped.
    void update(const at::Tensor& foundInf);

    /// Goes on where another one stands.
    void takeOver(const LossScale& before);

    std::string name() const override { return "loss_scale"; }
    void save(Json& json, tensors::TensorMap& tensors) const override;
    Result<Done> load(const Json& json, const tensors::TensorMap& tensors) override;

private:
    at::Tensor m_scale;     // float32 []
    at::Tensor m_goodSteps; // int32 []: in a row, since the scale last changed
};

} // namespace espalier::training
