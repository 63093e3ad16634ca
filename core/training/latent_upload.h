// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/data/loader.h"
#include "core/tensors/draws.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>

namespace espalier::training {

/// Moments or latents of a batch on their way to the device, and what the network sees of them: with moments, means plus deviations times
/// noise of Stream::Posterior (or the means alone), scaled. Latents that come ready stay as they are. All memory is static: that of a side
/// is made when its first batch comes.
class LatentUpload {
public:
    LatentUpload(const config::RunConfig& config, std::int64_t microBatch, at::Device device);

    /// Starts to copy; the batch must stay until the device has read it. Gives its side.
    std::int64_t copy(const data::HostBatch& batch);
    /// Writes [microBatch, 4, side, side], of the side of the last copy.
    void see(at::Tensor& images, const tensors::Draws& draws) const;

private:
    const bool m_moments, m_sampled;
    const double m_scale;
    const std::int64_t m_microBatch, m_channels; // 8 or 4
    const at::Device m_device;
    std::map<std::int64_t, at::Tensor> m_values; // by side: [microBatch, channels, side, side]
    at::Tensor m_last;
};

} // namespace espalier::training
