// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/rendezvous.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

/// "auto", "cpu:2", "0,1" -> {"cpu", "cpu"}, {"cuda:0", "cuda:1"}: one worker each. Says which device is not there.
Result<std::vector<std::string>> devicesFor(std::string_view setting);
/// The one device of a worker that torchrun, Slurm or mpirun placed.
Result<std::string> deviceForRank(std::string_view setting, const runs::Rendezvous& place);
/// The UUID of the GPU that a worker will see as `device` ("cuda:1"), whatever CUDA_VISIBLE_DEVICES says; empty when that is not known.
std::string gpuIdentity(std::string_view device);
/// GPUs of this machine that the driver knows.
int gpuCount();

} // namespace espalier::cli
