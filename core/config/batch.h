// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/training_config.h"

#include <cstdint>

namespace espalier::config {

/// How one optimizer step is split: world * accumulation forward passes of microBatch images each.
struct BatchSplit {
    std::int64_t microBatch = 1, accumulation = 1;
    int world = 1;
    std::int64_t globalBatch() const { return microBatch * accumulation * world; }
};

/// Splits training.batch_size over `world` workers, with micro_batch and accumulation where they are set.
/// Fails with a Usage error whose detail is the setting at fault and whose message names the nearest values that work.
Result<BatchSplit> deriveBatch(const TrainingConfig& training, int world);

/// The peak learning rate that training uses: scaled by batch_size / learning_rate_batch when the latter is set.
double effectiveLearningRate(const TrainingConfig& training);

} // namespace espalier::config
