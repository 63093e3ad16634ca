// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/follower.h"

#include <string>
#include <vector>

namespace espalier::cli {

/// A run's curves as CSV: a row for each step at which any tag has a value, a column for each tag ("step", then the tags by name, or those
/// asked for in their order). Superseded points are left out. Fails for a tag that the run does not have, naming the nearest.
Result<std::string> scalarsCsv(const runs::RunFollower& run, const std::vector<std::string>& tags);

} // namespace espalier::cli
