// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/models/layers.h"
#include "core/tensors/state.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::models {

/// Everything that decides the parameters. The defaults are those of Stable Diffusion's kl-f8 (sd-vae-ft-ema, sd-vae-ft-mse).
struct AutoencoderOptions {
    std::int64_t imageChannels = 3, latentChannels = 4;
    std::vector<std::int64_t> channels{128, 256, 512, 512}; // of the levels, from the finest
    std::int64_t blocks = 2;                                // of a level of the encoder; one more in the decoder
    std::int64_t groups = 32;
    double scalingFactor = 0.18215; // latents that diffusion sees have about unit variance
    /// Pixels along a side of one position of the latents.
    std::int64_t factor() const { return std::int64_t{1} << (channels.size() - 1); }
};

/// The distribution of latents that the encoder gives: independent Gaussians.
struct Posterior {
    at::Tensor mean, logVariance; // [B, latent channels, h, w]; the logarithm clamped to [-30, 20]

    /// moments: [B, 2 * latent channels, h, w], means first.
    static Posterior of(const at::Tensor& moments);
    at::Tensor deviation() const;
    /// noise: standard normal, like `mean`.
    at::Tensor sample(const at::Tensor& noise) const;
    /// Kullback-Leibler divergence to the standard normal distribution: [B].
    at::Tensor divergence() const;
};

/// Decoding in overlapping pieces, so that large images fit small GPUs. The result differs from decoding whole: normalisation and
/// attention see one piece at a time.
struct Tiling {
    std::int64_t side = 64; // of a piece, in positions of the latents
    double overlap = 0.25;  // share of it that is blended, linearly, with the piece before
};

/// The variational autoencoder of latent diffusion (diffusers' AutoencoderKL): names, order and arithmetic as published. It turns images
/// [B, 3, H, W] in [-1, 1], sides multiples of factor(), into latents and back; what comes back is not clamped.
class AutoencoderKL final : public torch::nn::Module {
public:
    AutoencoderKL(const AutoencoderOptions& options, const Place& place);
    ~AutoencoderKL() override;

    Posterior encode(const at::Tensor& images) const;
    at::Tensor decode(const at::Tensor& latents) const;
    at::Tensor decodeTiled(const at::Tensor& latents, const Tiling& tiling) const;

    const AutoencoderOptions& options() const { return m_options; }
    /// For tests and probes: called with the name and the output of every block, in the order in which they run.
    std::function<void(const std::string&, const at::Tensor&)> watch;

private:
    struct Encoder;
    struct Decoder;
    AutoencoderOptions m_options;
    std::shared_ptr<Encoder> m_encoder;
    std::shared_ptr<Decoder> m_decoder;
    std::shared_ptr<Conv2d> m_quant, m_postQuant;
};

/// Sets the weights from a file's tensors: every name has to be there and none may be left over. The sentence names `file` and the first
/// tensor that does not fit.
Result<Done> loadWeights(AutoencoderKL& autoencoder, const tensors::TensorMap& weights, const std::string& file);

} // namespace espalier::models
