// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/parallel/process_group.h"
#include "core/tensors/state.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace espalier::parallel {

/// A number that two tensors share when their bytes do; a single other bit changes it. Computed where the tensor is, whatever its strides.
std::int64_t fingerprintOf(const at::Tensor& tensor);

/// Before the first step: fails on every rank alike when ranks differ in `facts` (name and value, the same names on all ranks), in where
/// training stands, or in a parameter or what is kept beside it. Names the first difference and the rank that has it. All ranks must call
/// it.
Result<Done> checkAgreement(ProcessGroup& group, const std::vector<std::pair<std::string, std::string>>& facts,
                            const tensors::TrainState& state);

} // namespace espalier::parallel
