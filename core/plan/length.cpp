// SPDX-License-Identifier: Apache-2.0
#include "core/plan/length.h"

#include <algorithm>
#include <limits>

namespace espalier::plan {

Length lengthOf(const config::TrainingConfig& training, std::int64_t dataImages)
{
    Length length;
    if (training.steps > 0)
        length.steps = training.steps;
    if (training.images > 0)
        length.images = training.images;
    if (training.epochs > 0) {
        const auto perEpoch = std::max(dataImages / training.batchSize, std::int64_t{1}) * training.batchSize;
        const bool fits = training.epochs <= std::numeric_limits<std::int64_t>::max() / perEpoch;
        const auto images = fits ? training.epochs * perEpoch : std::numeric_limits<std::int64_t>::max();
        length.images = std::min(length.images.value_or(images), images);
    }
    if (training.seconds > 0.0)
        length.seconds = training.seconds;
    return length;
}

bool reached(const Length& length, std::int64_t steps, std::int64_t images, double seconds)
{
    return (length.steps && steps >= *length.steps) || (length.images && images >= *length.images) ||
           (length.seconds && seconds >= *length.seconds);
}

std::optional<std::int64_t> stepLimit(const Length& length, std::int64_t globalBatch)
{
    auto limit = length.steps;
    if (length.images) {
        const auto steps = *length.images / globalBatch + (*length.images % globalBatch != 0);
        limit = std::min(limit.value_or(steps), steps);
    }
    return limit;
}

double progress(const Length& length, std::int64_t steps, std::int64_t images, double seconds)
{
    double share = 0.0;
    const auto consider = [&](auto done, const auto& limit) {
        if (limit && *limit > 0)
            share = std::max(share, static_cast<double>(done) / static_cast<double>(*limit));
    };
    consider(steps, length.steps);
    consider(images, length.images);
    consider(seconds, length.seconds);
    return std::clamp(share, 0.0, 1.0);
}

} // namespace espalier::plan
