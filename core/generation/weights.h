// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/models/model.h"
#include "core/tensors/state.h"

#include <memory>
#include <string>

namespace espalier::generation {

/// A network of its own to draw with, so that drawing never touches what is trained.
class DrawingModel {
public:
    DrawingModel(const config::RunConfig& config, at::Device device) : m_config(config), m_device(device) {}

    /// Copies weights out of a training: "raw", "ema" (the first average) or "ema:0.9999".
    Result<std::shared_ptr<models::Model>> from(const tensors::TrainState& state, const std::string& which);
    /// Reads weights from a checkpoint folder, a safetensors or a PyTorch file, or a diffusers folder.
    Result<std::shared_ptr<models::Model>> from(const std::filesystem::path& checkpoint, const std::string& which);

private:
    Result<Done> make();
    /// Weights of anyone: says which model they belong to when it is another one.
    Result<Done> checkForeign(const std::filesystem::path& from, const std::string& which) const;
    const config::RunConfig m_config;
    at::Device m_device;
    std::shared_ptr<models::Model> m_model; // made when first needed
};

} // namespace espalier::generation
