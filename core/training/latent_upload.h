// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/loader.h"
#include "core/tensors/draws.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::training {

/// Moments or latents of a batch on their way to the device, and what the network sees of them: with moments, means plus deviations times
/// noise of Stream::Posterior (or the means alone), scaled. Latents that come ready stay as they are. All memory is static.
class LatentUpload {
public:
    LatentUpload(const config::RunConfig& config, std::int64_t microBatch, at::Device device);

    /// Starts to copy; the batch must stay until the device has read it.
    void copy(const data::HostBatch& batch);
    /// Writes [microBatch, 4, side, side].
    void see(at::Tensor& images, const tensors::Draws& draws) const;

private:
    const bool m_moments, m_sampled;
    const double m_scale;
    at::Tensor m_values; // [microBatch, 8 or 4, side, side]
};

} // namespace espalier::training
