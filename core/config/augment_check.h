// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.h"

namespace espalier::config {

/// What is wrong across the settings of crops and augmentation. Private to this folder.
std::vector<Problem> checkAugment(const RunConfig& config);

} // namespace espalier::config
