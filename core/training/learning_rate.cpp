// SPDX-License-Identifier: Apache-2.0
#include "core/training/learning_rate.h"

#include "core/config/batch.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier::training {

double learningRateAt(const config::TrainingConfig& training, std::int64_t step, std::int64_t totalSteps)
{
    const double scale =
        training.learningRateBatch > 0 ? static_cast<double>(training.batchSize) / static_cast<double>(training.learningRateBatch) : 1.0;
    const double peak = training.learningRate * scale;
    const double warmup = static_cast<double>(training.warmupSteps);
    if (training.warmupSteps > 0 && step < training.warmupSteps)
        return peak * std::min(1.0, (static_cast<double>(step) + 1.0) / warmup);
    if (training.learningRateSchedule == config::LearningRateSchedule::Constant || totalSteps <= training.warmupSteps)
        return peak;
    const double done = std::min(1.0, (static_cast<double>(step) - warmup) / (static_cast<double>(totalSteps) - warmup));
    const double left = training.learningRateSchedule == config::LearningRateSchedule::Cosine
                            ? 0.5 * (1.0 + std::cos(std::numbers::pi * done))
                            : 1.0 - done;
    return peak * (training.finalLearningRate + (1.0 - training.finalLearningRate) * left);
}

} // namespace espalier::training
