// SPDX-License-Identifier: Apache-2.0
#include "core/config/batch.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::config {

namespace {

std::string workersText(int world)
{
    return world == 1 ? "1 worker" : fmt::format("{} workers", world);
}

/// "120 and 128": the multiples of `step` on both sides of `value`.
std::string nearestMultiples(std::int64_t value, std::int64_t step)
{
    const auto below = value / step * step;
    return below > 0 ? fmt::format("the nearest that can are {} and {}", below, below + step)
                     : fmt::format("the smallest that can is {}", step);
}

/// "16 and 32": the divisors of `whole` on both sides of `value`.
std::string nearestDivisors(std::int64_t value, std::int64_t whole)
{
    auto below = std::min(value, whole);
    while (whole % below != 0)
        --below;
    auto above = value + 1;
    while (above < whole && whole % above != 0)
        ++above;
    return above <= whole && whole % above == 0 ? fmt::format("the nearest that do are {} and {}", below, above)
                                                : fmt::format("the nearest that does is {}", below);
}

/// What to set so that the same steps are made: with the micro-batch that was chosen for the memory of a device, where it can stay.
std::string splitThatDoes(std::int64_t perWorker, std::int64_t micro, std::int64_t accumulation)
{
    if (perWorker % micro == 0)
        return fmt::format("set training.accumulation to {}, which takes the same steps with the same draws", perWorker / micro);
    if (perWorker % accumulation == 0)
        return fmt::format("set training.micro_batch to {}, which takes the same steps with the same draws", perWorker / accumulation);
    return fmt::format(
        "set training.accumulation to 0 to have it derived, and training.micro_batch to what divides the {} images of a worker; {}",
        perWorker, nearestDivisors(micro, perWorker));
}

Error wrong(const char* path, std::string message)
{
    return {ErrorCode::Usage, std::move(message), path};
}

} // namespace

Result<BatchSplit> deriveBatch(const TrainingConfig& training, int world)
{
    if (world < 1)
        return wrong("devices", "Training needs at least one worker.");
    const auto batch = training.batchSize, micro = training.microBatch, accumulation = training.accumulation;
    if (batch < 1)
        return wrong("training.batch_size", "training.batch_size must be at least 1 image.");
    if (batch % world != 0) {
        return wrong("training.batch_size", fmt::format("training.batch_size {} cannot be divided evenly among {}; {}.", batch,
                                                        workersText(world), nearestMultiples(batch, world)));
    }
    const auto perWorker = batch / world;
    if (micro > 0 && accumulation > 0) {
        if (accumulation > perWorker || micro != perWorker / accumulation || perWorker % accumulation != 0) {
            return wrong("training.micro_batch",
                         fmt::format("training.micro_batch {} x training.accumulation {} x {} does not make training.batch_size {}; {}.",
                                     micro, accumulation, workersText(world), batch, splitThatDoes(perWorker, micro, accumulation)));
        }
        return BatchSplit{micro, accumulation, world};
    }
    if (micro > 0) {
        if (perWorker % micro != 0) {
            return wrong("training.micro_batch", fmt::format("training.micro_batch {} does not divide the {} images of a worker; {}.",
                                                             micro, perWorker, nearestDivisors(micro, perWorker)));
        }
        return BatchSplit{micro, perWorker / micro, world};
    }
    if (accumulation > 0) {
        if (perWorker % accumulation != 0) {
            return wrong("training.accumulation", fmt::format("training.accumulation {} does not divide the {} images of a worker; {}.",
                                                              accumulation, perWorker, nearestDivisors(accumulation, perWorker)));
        }
        return BatchSplit{perWorker / accumulation, accumulation, world};
    }
    return BatchSplit{perWorker, 1, world};
}

double effectiveLearningRate(const TrainingConfig& training)
{
    if (training.learningRateBatch <= 0)
        return training.learningRate;
    return training.learningRate * static_cast<double>(training.batchSize) / static_cast<double>(training.learningRateBatch);
}

} // namespace espalier::config
