// SPDX-License-Identifier: Apache-2.0
#include "core/training/classification_objective.h"

#include <ATen/ATen.h>

namespace espalier::training {

models::LossTerms ClassificationObjective::operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                                      const tensors::Draws& draws)
{
    // The loss is float32 whatever the network computed in.
    const at::Tensor logits = model.forward(batch, path, draws).to(batch.x.scalar_type());
    const at::Tensor logOf = at::log_softmax(logits, 1); // [B, classes]
    const at::Tensor perSample =
        -(batch.targets.defined() ? (batch.targets * logOf).sum(1) : logOf.gather(1, batch.labels.unsqueeze(1)).squeeze(1));
    return {perSample.mean(), perSample.detach()};
}

} // namespace espalier::training
