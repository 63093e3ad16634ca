// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/models/autoencoder_kl.h"

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <string>

namespace espalier::models {

/// An autoencoder as it came from a file.
struct AutoencoderFile {
    std::shared_ptr<AutoencoderKL> network; // in evaluation mode, without gradients
    std::filesystem::path file;             // of the weights
    std::string sha256;                     // of that file
    std::string encoderSha256;              // of what decides latents: equal for files that differ in their decoder, dtype or names alone
};

/// Opens a diffusers folder (config.json beside diffusion_pytorch_model.safetensors or .bin; `vae` inside a whole pipeline), or a lone file
/// of weights, whose shape follows from its tensors where no config.json lies beside it.
Result<AutoencoderFile> openAutoencoder(const std::filesystem::path& path, c10::Device device);

/// What a diffusers config.json says. A setting that would change the network into one that we cannot build is refused by name.
Result<AutoencoderOptions> autoencoderOptions(const Json& config, const std::string& file);

} // namespace espalier::models
