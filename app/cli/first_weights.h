// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/runs/run_folder.h"

namespace espalier::cli {

/// Whether a new run can begin with the weights that init.from names, as far as names and shapes tell it before anything is made: they are
/// there, readable, of the family of this run's network, and at least one of them fits. The worker that loads them says the rest.
Result<Done> checkFirstWeights(const config::RunConfig& config);

/// Removes the folder of a run that came to its end before its first step, so that the same command can be given again; a run that holds a
/// checkpoint, a drawing or a number stays. Whoever calls this has made the folder.
void removeUnbegun(const runs::RunFolder& run);

} // namespace espalier::cli
