// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/shapes/model_shape.h"

#include <string>

namespace espalier::shapes {

/// Settings under which weights of published code are drawn from or trained on: the network, and for a DiT the process, sampler and
/// guidance that its code has (linear betas, 1000 levels, 250 of them visited, guidance 4 on three latent channels). Where the data lie is
/// left open. A U-Net of the DDPM baseline says nothing of its process, so its settings have to be given; the message, which begins with
/// `file`, asks for them.
Result<Json> publishedSettings(const ModelShape& shape, const std::string& file);

} // namespace espalier::shapes
