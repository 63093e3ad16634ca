// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.h"

#include <vector>

namespace espalier::config {

/// Problems of a schedule that can be told without planning it: the lengths of its lists, and what its model does not have. Private to
/// this folder.
std::vector<Problem> checkSchedule(const RunConfig& config);
/// Those of an assembled schedule alone.
std::vector<Problem> checkAssembled(const AssembledSchedule& schedule, const RunConfig& config);

} // namespace espalier::config
