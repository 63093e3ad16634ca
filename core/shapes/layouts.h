// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/shapes/autoencoder_shape.h"
#include "core/shapes/model_shape.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::shapes {

/// What weights can be written for.
enum class Layout {
    Safetensors, // a file under the published names, the configuration in its header
    Torch,       // a bare state dict under the published names
    Dit,         // facebookresearch/DiT and its descendants
    Timm,
    DeepIncubation, // LeapLabTHU/Deep-Incubation: finished_checkpoint.pth, with its modules
    DdpmTorch,      // tqch/ddpm-torch
    Diffusers,      // a folder: config.json and weights
};

/// "dit"; the names as they are typed.
std::string_view nameOf(Layout layout);
std::optional<Layout> layoutOf(std::string_view name);
std::vector<std::string> layoutNames();

/// Whether the published code has such a model; the message says why not.
Result<Done> checkLayout(const ModelShape& shape, Layout layout);
/// Those that such a model can be written for.
std::vector<Layout> layoutsFor(const ModelShape& shape);

/// config.json of a diffusers folder. `shape` has passed checkLayout.
Json diffusersConfig(const ModelShape& shape);
/// The same model with what its config.json says and its weights do not: the number of heads.
ModelShape withDiffusersConfig(ModelShape shape, const Json& config);
/// config.json of diffusers' AutoencoderKL. `config`: what stood beside the weights, if anything, which is kept.
Json diffusersConfig(const AutoencoderShape& shape, const Json& config);

} // namespace espalier::shapes
