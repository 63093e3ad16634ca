// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diffusion/process.h"

namespace espalier::diffusion {

/// The factor on the squared error of every level, as published, for the target that the configuration predicts (eps or x_0):
/// Min-SNR-gamma (Hang et al. 2023, section 3.4), P2 (Choi et al. 2022, equation 8), or 1. A weight W on the error of x_0 is
/// W / SNR on that of eps.
Table lossWeights(const ProcessTables& tables, const config::DiffusionConfig& config);

/// Rescaled to a mean of 1 over the levels: a constant factor means nothing to Adam, but clipping at a gradient norm would feel it.
Table withMeanOne(Table weights);

} // namespace espalier::diffusion
