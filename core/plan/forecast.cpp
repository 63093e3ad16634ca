// SPDX-License-Identifier: Apache-2.0
#include "core/plan/forecast.h"

#include "core/shapes/cost.h"
#include "core/shapes/parameters.h"

#include <algorithm>
#include <cmath>

namespace espalier::plan {

Forecast forecast(const Stage& stage, double imagesPerSecond)
{
    Forecast cost;
    cost.flopsPerImage = shapes::trainingFlops(stage.shape);
    cost.parameters = shapes::parameterCount(stage.shape);
    cost.steps = stepLimit(stage.length, stage.globalBatch);
    cost.seconds = stage.length.seconds;
    const auto batch = static_cast<double>(stage.globalBatch);
    if (imagesPerSecond > 0.0) {
        if (cost.seconds) { // time and steps: whichever comes first
            const double stepsInTime = std::ceil(*cost.seconds * imagesPerSecond / batch);
            if (stepsInTime < 9e18 && (!cost.steps || stepsInTime < static_cast<double>(*cost.steps)))
                cost.steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(stepsInTime));
        }
        if (cost.steps) {
            const double seconds = static_cast<double>(*cost.steps) * batch / imagesPerSecond;
            cost.seconds = std::min(cost.seconds.value_or(seconds), seconds);
        }
    }
    if (cost.steps) {
        const double images = static_cast<double>(*cost.steps) * batch;
        if (images < 9e18)
            cost.images = *cost.steps * stage.globalBatch;
        cost.flops = images * cost.flopsPerImage;
    }
    return cost;
}

} // namespace espalier::plan
