// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/model_config.h"
#include "core/config/run_config.h"
#include "core/models/model.h"

#include <c10/core/Device.h>

#include <memory>

namespace espalier::models {

/// What the network of a configuration sees and draws: pixels, or latents.
ImageShape imageShape(const config::RunConfig& config);

/// Makes the network of a configuration on a device, its values not yet set: call initialise() or load weights. Errors name the field.
Result<std::shared_ptr<Model>> make(const config::ModelConfig& config, const ImageShape& image, c10::Device device, bool channelsLast);

} // namespace espalier::models
