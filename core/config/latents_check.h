// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.h"

#include <vector>

namespace espalier::config {

/// Problems of training on latents. Private to this folder.
std::vector<Problem> checkLatents(const RunConfig& config);

} // namespace espalier::config
