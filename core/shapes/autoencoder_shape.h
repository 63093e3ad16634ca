// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/shapes/recognise.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier::shapes {

/// What decides the tensors of diffusers' AutoencoderKL, as far as they say it.
struct AutoencoderShape {
    std::int64_t imageChannels = 3, latentChannels = 4;
    std::vector<std::int64_t> channels{128, 256, 512, 512}; // of the levels, from the finest
    std::int64_t blocks = 2;                                // of a level of the encoder; one more in the decoder
    bool operator==(const AutoencoderShape&) const = default;
};

/// Every tensor under its present name (formats::WeightsFile knows the older ones); the order is ours.
std::vector<NamedShape> autoencoderTensors(const AutoencoderShape& shape);
/// The autoencoder that these tensors are; nothing when one is missing, more or has another shape.
std::optional<AutoencoderShape> autoencoderOf(std::span<const NamedShape> tensors);
/// "AutoencoderKL 128·1,2,4,4, 4 latent channels".
std::string describe(const AutoencoderShape& shape);

} // namespace espalier::shapes
