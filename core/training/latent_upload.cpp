// SPDX-License-Identifier: Apache-2.0
#include "core/training/latent_upload.h"

#include "core/config/seen_image.h"
#include "core/models/autoencoder_kl.h"

#include <ATen/ATen.h>

namespace espalier::training {

LatentUpload::LatentUpload(const config::RunConfig& config, std::int64_t microBatch, at::Device device)
    : m_moments(config.data.source != config::DataSource::Features), m_sampled(config.latents.sampled), m_scale(config.latents.scale)
{
    const auto seen = config::seenImage(config);
    m_values =
        at::empty({microBatch, (m_moments ? 2 : 1) * seen.channels, seen.side, seen.side}, at::TensorOptions(device).dtype(at::kFloat));
}

void LatentUpload::copy(const data::HostBatch& batch)
{
    m_values.copy_(at::from_blob(batch.latents.data(), m_values.sizes(), at::kFloat), /*non_blocking=*/true);
}

void LatentUpload::see(at::Tensor& images, const tensors::Draws& draws) const
{
    if (!m_moments) {
        images.copy_(m_values);
        return;
    }
    const auto posterior = models::Posterior::of(m_values);
    const auto perSample = posterior.mean.sizes().slice(1);
    images.copy_(m_sampled ? posterior.sample(draws.normal(Stream::Posterior, perSample)) : posterior.mean);
    images.mul_(m_scale);
}

} // namespace espalier::training
