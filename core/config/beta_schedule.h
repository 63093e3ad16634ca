// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/diffusion_config.h"

#include <vector>

namespace espalier::config {

/// The variances of the forward process, float64, as tqch/ddpm-torch computes them (cosine as improved-diffusion does).
std::vector<double> betaSchedule(BetaSchedule schedule, double start, double end, std::int64_t timesteps);

} // namespace espalier::config
