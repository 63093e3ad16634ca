// SPDX-License-Identifier: Apache-2.0
#include "core/training/learning_rate.h"

#include "core/config/batch.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier::training {
namespace {

double byEpochs(const config::TrainingConfig& training, double peak, std::int64_t step, const Horizon& horizon)
{
    const auto perEpoch = std::max<std::int64_t>(horizon.stepsPerEpoch, 1);
    const auto now = step / perEpoch;
    const auto epoch = horizon.lateByAnEpoch ? std::max<std::int64_t>(now - 1, 0) : now;
    const auto epochs = (horizon.steps + perEpoch - 1) / perEpoch;
    const auto t = static_cast<double>(epoch);
    if (epoch < training.warmupEpochs)
        return training.warmupLearningRate + t * (peak - training.warmupLearningRate) / static_cast<double>(training.warmupEpochs);
    if (epochs == 0)
        return peak;
    if (epoch >= epochs)
        return training.minLearningRate;
    const double left = 0.5 * (1.0 + std::cos(std::numbers::pi * t / static_cast<double>(epochs)));
    return training.minLearningRate + (peak - training.minLearningRate) * left;
}

} // namespace

double learningRateAt(const config::TrainingConfig& training, std::int64_t stepOfRun, const Horizon& horizon)
{
    const auto step = stepOfRun - horizon.from;
    const double peak = config::effectiveLearningRate(training);
    if (training.learningRateSchedule == config::LearningRateSchedule::CosineEpochs)
        return byEpochs(training, peak, step, horizon);
    const double warmup = static_cast<double>(training.warmupSteps);
    if (training.warmupSteps > 0 && step < training.warmupSteps)
        return peak * std::min(1.0, (static_cast<double>(step) + 1.0) / warmup);
    if (training.learningRateSchedule == config::LearningRateSchedule::Constant || horizon.steps <= training.warmupSteps)
        return peak;
    const double done = std::min(1.0, (static_cast<double>(step) - warmup) / (static_cast<double>(horizon.steps) - warmup));
    const double left = training.learningRateSchedule == config::LearningRateSchedule::Cosine
                            ? 0.5 * (1.0 + std::cos(std::numbers::pi * done))
                            : 1.0 - done;
    return peak * (training.finalLearningRate + (1.0 - training.finalLearningRate) * left);
}

} // namespace espalier::training
