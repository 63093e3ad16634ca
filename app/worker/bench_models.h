// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/run_config.h"

#include <string>

namespace espalier::worker {

/// The models that bench times, each under its published recipe: "unet-cifar10", "dit-s2", "vit-ti" …
Result<config::RunConfig> benchConfig(const std::string& model);

} // namespace espalier::worker
