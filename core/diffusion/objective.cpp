// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/objective.h"

#include "core/diffusion/losses.h"

#include <ATen/ATen.h>

namespace espalier::diffusion {

DiffusionObjective::DiffusionObjective(const config::DiffusionConfig& config, bool strict) : m_process(config), m_lossType(config.lossType)
{
    if (config.lossWeighting == config::LossWeighting::None)
        return;
    const auto published = lossWeights(m_process.tables(), config);
    m_weights.emplace(strict ? published : withMeanOne(published));
}

models::LossTerms DiffusionObjective::operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                                 const tensors::Draws& draws)
{
    return with(model, batch, path, draws, draws.timesteps(m_process.levels()), draws.normal(Stream::Noise, batch.x.sizes().slice(1)));
}

models::LossTerms DiffusionObjective::with(models::Model& model, const tensors::Batch& batch, const tensors::Path& path,
                                           const tensors::Draws& draws, const at::Tensor& t, const at::Tensor& noise)
{
    const at::Tensor xt = m_process.noised(batch.x, t, noise);
    // The loss is float32 whatever the network computed in.
    const at::Tensor output = model.forward({xt, t, batch.labels}, path, draws).to(batch.x.scalar_type());
    SampleLosses losses = lossPerSample(m_process, m_lossType, output, batch.x, xt, t, noise);
    const at::Tensor shown = losses.sum().detach();
    if (m_weights)
        losses.mse = (*m_weights)(t, losses.mse) * losses.mse;
    return {losses.sum().mean(), shown};
}

} // namespace espalier::diffusion
