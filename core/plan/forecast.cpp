// SPDX-License-Identifier: Apache-2.0
#include "core/plan/forecast.h"

#include "core/base/overloaded.h"
#include "core/shapes/cost.h"
#include "core/shapes/parameters.h"

#include <algorithm>
#include <cmath>

namespace espalier::plan {

namespace {

/// Parameters that get gradients; `trainable` empty: all that ever do.
std::int64_t trainedParameters(const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable)
{
    std::int64_t count = 0;
    for (const auto& parameter : shapes::parameterTable(shape))
        if (parameter.trained && (trainable.empty() || std::ranges::any_of(trainable, [&](const shapes::PartRange& range) {
                                      return shapes::contains(range, parameter.part, parameter.block);
                                  })))
            count += parameter.elements();
    return count;
}

shapes::ModelShape seenBy(shapes::ModelShape shape, std::int64_t side, const std::vector<bool>& keepBlock)
{
    if (side > 0)
        shape.side = side;
    if (!keepBlock.empty())
        std::visit(
            Overloaded{[](config::UNetConfig&) {}, [&](auto& transformer) { transformer.depth = std::ranges::count(keepBlock, true); }},
            shape.model);
    return shape;
}

} // namespace

double costOf(const Stage& stage, const Candidate& candidate, bool kept)
{
    const auto seen = seenBy(stage.shape, candidate.side, candidate.keepBlock);
    if (candidate.trainable.empty())
        return shapes::trainingFlops(seen);
    const auto frozen = frozenBlocks(stage.shape, candidate.trainable);
    const auto forward = shapes::forwardFlops(seen);
    const auto above = frozen > 0 ? forward - shapes::prefixFlops(seen, frozen) : forward;
    const auto reached = frozen > 0 ? trainedParameters(stage.shape, {{"blocks", frozen}, {"head"}}) : shapes::trainedCount(stage.shape);
    const auto share = static_cast<double>(trainedParameters(stage.shape, candidate.trainable)) / static_cast<double>(reached);
    return (kept ? above : forward) + above * (1.0 + share); // forward, gradients of what flows, and of the weights
}

Forecast forecast(const Stage& stage, double imagesPerSecond, const Prefix& prefix)
{
    Forecast cost;
    if (stage.role == Stage::Role::Supernet) {
        for (const auto& candidate : stage.window)
            cost.flopsPerImage += costOf(stage, candidate) / static_cast<double>(stage.window.size());
    } else {
        cost.flopsPerImage = costOf(stage, {{}, sideOf(stage), {}, stage.trainable}, prefix.kept());
    }
    cost.parameters = shapes::parameterCount(stage.shape);
    cost.trained = trainedParameters(stage.shape, stage.trainable);
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
        if (!prefix.kept() || prefix.fillFlops > 0.0) // else nobody knows how many images are computed once
            cost.flops = images * cost.flopsPerImage + prefix.fillFlops;
    }
    return cost;
}

} // namespace espalier::plan
