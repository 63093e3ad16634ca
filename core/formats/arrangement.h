// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tensors of a file under the names that the networks here give their parameters. Private to this folder: WeightsFile shows the result.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/formats/safetensors.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

/// A tensor as a file holds it.
struct FileTensor {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
    std::size_t place = 0;    // in the file
    std::int64_t memory = -1; // equal numbers: the same bytes, so that nobody need compare them; -1: unknown
};

/// A parameter of a network, and the tensors of the file that it is made of.
struct ArrangedTensor {
    enum class Made {
        Joined,    // the bytes of `from` one behind the other: nearly always one tensor
        Positions, // DiT's fixed table, which is in no file of this layout
    };
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
    Made made = Made::Joined;
    std::vector<std::size_t> from;  // places in the file
    std::vector<std::size_t> twins; // places where the same bytes must stand once more
};

struct Arrangement {
    std::vector<ArrangedTensor> tensors;
    std::string layout; // "deep-incubation", "diffusers", "latent-diffusion"; "autoprog-zero" for a DiT with a table of stages; else ""
    std::int64_t stages = 0; // of AutoProg-Zero's table
};

/// `config`: what config.json beside the weights says; null without one. The sentence of a failure names `file`.
Result<Arrangement> arranged(const std::vector<FileTensor>& tensors, const Json& config, const std::filesystem::path& file);

/// The layout of diffusers' DiTTransformer2DModel (diffusers_dit.cpp).
bool looksLikeDiffusersDit(const std::vector<FileTensor>& tensors);
Result<Arrangement> fromDiffusersDit(const std::vector<FileTensor>& tensors, const Json& config, const std::filesystem::path& file);

/// Autoencoders of latents under any of their names (autoencoder_layout.cpp).
inline constexpr std::string_view kFirstStage = "first_stage_model."; // what they are called inside a whole Stable Diffusion
bool looksLikeAutoencoder(const std::vector<FileTensor>& tensors);
Result<Arrangement> fromAutoencoder(const std::vector<FileTensor>& tensors, const std::filesystem::path& file);

} // namespace espalier::formats
