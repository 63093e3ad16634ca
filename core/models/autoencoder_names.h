// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/tensors/state.h"

#include <string>

namespace espalier::models {

/// An autoencoder's tensors under the names of present diffusers, whoever wrote the file: older diffusers called the attention layers
/// query, key, value and proj_attn; the original latent-diffusion code has other names throughout, levels of the decoder in reverse and
/// attention as convolutions, alone or as the first_stage_model of a whole Stable Diffusion. Names that nobody knows stay as they are.
Result<tensors::TensorMap> underPresentNames(const tensors::TensorMap& weights, const std::string& file);

} // namespace espalier::models
