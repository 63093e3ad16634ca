// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/worker_link.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

/// "auto", "cpu:2", "0,1" -> {"cpu", "cpu"}, {"cuda:0", "cuda:1"}: one worker each. Says which device is not there.
Result<std::vector<std::string>> devicesFor(std::string_view setting);
/// The one device of a worker that torchrun, Slurm or mpirun placed.
Result<std::string> deviceForRank(std::string_view setting, const runs::Ranks& ranks);
/// GPUs of this machine that the driver knows.
int gpuCount();

} // namespace espalier::cli
