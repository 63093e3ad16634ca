// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/layers.h"

namespace espalier::models {

/// silu(norm(x)), times `keep` [B, H, W, C] (a dropout mask) where it is defined. On the CPU, in channels-last memory (fp32, or bf16 under
/// autocast), one fused sweep forward and one backward: a third of the time of the separate operations. It differentiates once.
at::Tensor normSilu(const GroupNorm& norm, const at::Tensor& x, const at::Tensor& keep = {});

} // namespace espalier::models
