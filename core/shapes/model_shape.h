// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/model_config.h"
#include "core/config/run_config.h"

#include <cstdint>
#include <string>

namespace espalier::shapes {

/// Everything that decides which parameters a model has and what it takes in: enough to build it, price it and name its parts.
struct ModelShape {
    std::int64_t inChannels = 3, outChannels = 3; // a classifier has 0 that come out
    std::int64_t side = 32; // of what the network sees, in pixels or latents; 0: unknown (a U-Net recognised from its weights takes any)
    config::ModelConfig model;
    bool operator==(const ModelShape&) const = default;
};

/// "unet".
std::string family(const ModelShape& shape);
/// The name of a published size, "DiT-XL/2" or "ViT-B/16"; empty when it is none.
std::string publishedName(const config::ModelConfig& model);
/// One short line for a chip: "U-Net 128·1,2,2,2 at 32²", "DiT-S/2 at 32²", "ViT 96·6/4 at 32²".
std::string describe(const ModelShape& shape);

/// Channels that come out of a network into which `channels` go.
std::int64_t outChannelsOf(const config::ModelConfig& model, std::int64_t channels);
/// The model that a configuration trains.
ModelShape shapeOf(const config::RunConfig& config);

/// Whether such a model can be built; the message names the setting.
Result<Done> checkShape(const ModelShape& shape);

Json toJson(const ModelShape& shape);
/// Reads and checks: what comes back can be built.
Result<ModelShape> shapeFromJson(const Json& json);

} // namespace espalier::shapes
