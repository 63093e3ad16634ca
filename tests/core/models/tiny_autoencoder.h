// SPDX-License-Identifier: Apache-2.0
#pragma once

// An autoencoder of the right kind, 4 channels of an eighth of the side, that is small enough for tests. Its weights are the golden fill.

#include "core/models/autoencoder_file.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::tests {

inline std::shared_ptr<models::AutoencoderKL> tinyAutoencoder()
{
    models::AutoencoderOptions options;
    options.channels = {8, 8, 8, 16};
    options.blocks = 1;
    options.groups = 4;
    auto network = std::make_shared<models::AutoencoderKL>(options, models::Place{});
    fillParameters(*network);
    const at::NoGradGuard guard;
    for (auto& item : network->named_parameters())
        if (item.key().starts_with("quant_conv")) // posteriors that are neither points nor clouds
            item.value().mul_(0.3);
    return network;
}

inline Json tinyAutoencoderConfig()
{
    return {{"_class_name", "AutoencoderKL"},
            {"act_fn", "silu"},
            {"block_out_channels", {8, 8, 8, 16}},
            {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"}},
            {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"}},
            {"in_channels", 3},
            {"latent_channels", 4},
            {"layers_per_block", 1},
            {"norm_num_groups", 4},
            {"out_channels", 3},
            {"sample_size", 64}};
}

inline tensors::TensorMap weightsOf(const models::AutoencoderKL& network)
{
    tensors::TensorMap weights;
    for (const auto& item : network.named_parameters())
        weights.emplace(item.key(), item.value().detach().contiguous());
    return weights;
}

/// Writes a diffusers folder.
inline void writeAutoencoder(const std::filesystem::path& folder, const tensors::TensorMap& weights, const Json& config)
{
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(writeFileAtomically(folder / "config.json", config.dump()));
    ASSERT_TRUE(tensors::writeTensors(folder / "diffusion_pytorch_model.safetensors", {weights.begin(), weights.end()}, {}, Sync::No));
}
inline void writeTinyAutoencoder(const std::filesystem::path& folder)
{
    writeAutoencoder(folder, weightsOf(*tinyAutoencoder()), tinyAutoencoderConfig());
}
/// Another one: its encoder (or only its decoder) gives other numbers.
inline void writeOtherAutoencoder(const std::filesystem::path& folder, const std::string& part)
{
    auto weights = weightsOf(*tinyAutoencoder());
    for (auto& [name, tensor] : weights)
        if (name.starts_with(part))
            tensor = tensor * 1.01;
    writeAutoencoder(folder, weights, tinyAutoencoderConfig());
}

} // namespace espalier::tests
