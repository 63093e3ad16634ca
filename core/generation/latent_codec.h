// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/models/autoencoder_file.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <stop_token>
#include <string>

namespace espalier::generation {

/// The autoencoder of a configuration: images become moments of latents, latents become images. What goes through it goes in pieces that
/// bound the memory.
class LatentCodec {
public:
    /// Null for a configuration that sees pixels. Fails with a sentence when the autoencoder is missing, damaged or of another kind; one
    /// that names another scale than the settings is used, and said so in the log.
    static Result<std::shared_ptr<const LatentCodec>> open(const config::RunConfig& config, at::Device device, const Log& log);

    LatentCodec(models::AutoencoderFile file, const config::LatentsConfig& latents, at::Device device)
        : m_file(std::move(file)), m_latents(latents), m_device(device)
    {
    }

    /// Images in one piece: what `encode` should be given at once.
    std::int64_t piece(std::int64_t side) const;
    /// uint8 [n, side, side, 3] to float [n, 8, side / 8, side / 8] on the CPU: means, then logarithms of variances.
    at::Tensor encode(const at::Tensor& images) const;
    /// Latents as networks draw them, float [n, 4, h, w], to uint8 [n, 8 h, 8 w, 3] on the CPU. Cancelled when `stop` is requested.
    Result<at::Tensor> decode(const at::Tensor& latents, std::stop_token stop) const;

    /// What decides latents: SHA-256 of the encoder.
    const std::string& encoderSha256() const { return m_file.encoderSha256; }
    /// Whether weights that were trained with the encoder of that hash ("": unknown) can be used with this one.
    Result<Done> checkEncoder(const std::string& sha256) const;
    /// For checkpoints: which autoencoder their weights need.
    Json about() const;
    /// For recipes of images.
    Json recipe() const;

private:
    models::AutoencoderFile m_file;
    config::LatentsConfig m_latents;
    at::Device m_device;
};

/// The same for who draws: an error where latents could not be shown.
Result<std::shared_ptr<const LatentCodec>> codecToDraw(const config::RunConfig& config, at::Device device, const Log& log);

} // namespace espalier::generation
