// SPDX-License-Identifier: Apache-2.0
#include "core/training/latent_upload.h"

#include "core/config/seen_image.h"
#include "core/models/autoencoder_kl.h"

#include <ATen/ATen.h>

#include <cmath>

namespace espalier::training {

LatentUpload::LatentUpload(const config::RunConfig& config, std::int64_t microBatch, at::Device device)
    : m_moments(config.data.source != config::DataSource::Features), m_sampled(config.latents.sampled), m_scale(config.latents.scale),
      m_microBatch(microBatch), m_channels((m_moments ? 2 : 1) * config::seenImage(config).channels), m_device(device)
{
}

std::int64_t LatentUpload::copy(const data::HostBatch& batch)
{
    const auto positions = static_cast<double>(batch.latents.size()) / static_cast<double>(m_microBatch * m_channels);
    const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(positions)));
    auto& values = m_values[side];
    if (!values.defined())
        values = at::empty({m_microBatch, m_channels, side, side}, at::TensorOptions(m_device).dtype(at::kFloat));
    values.copy_(at::from_blob(batch.latents.data(), values.sizes(), at::kFloat), /*non_blocking=*/true);
    m_last = values;
    return side;
}

void LatentUpload::see(at::Tensor& images, const tensors::Draws& draws) const
{
    if (!m_moments) {
        images.copy_(m_last);
        return;
    }
    const auto posterior = models::Posterior::of(m_last);
    const auto perSample = posterior.mean.sizes().slice(1);
    images.copy_(m_sampled ? posterior.sample(draws.normal(Stream::Posterior, perSample)) : posterior.mean);
    images.mul_(m_scale);
}

} // namespace espalier::training
