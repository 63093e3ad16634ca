// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/cost.h"

#include "core/shapes/layers.h"
#include "core/shapes/parameters.h"

#include <algorithm>

namespace espalier::shapes {

namespace {

double forwardFlops(const Layer& layer)
{
    const auto positions = static_cast<double>(layer.outPositions());
    const auto in = static_cast<double>(layer.in), out = static_cast<double>(layer.out);
    if (layer.kind == Layer::Kind::Conv)
        return 2.0 * static_cast<double>(layer.kernel * layer.kernel) * in * out * positions;
    if (layer.kind == Layer::Kind::Linear)
        return 2.0 * in * out * positions;
    return layer.kind == Layer::Kind::Attention ? 4.0 * in * positions * positions : 0.0;
}

} // namespace

double forwardFlops(const ModelShape& shape)
{
    double flops = 0.0;
    for (const auto& layer : layersOf(shape))
        flops += forwardFlops(layer);
    return flops;
}

double prefixFlops(const ModelShape& shape, std::int64_t blocks)
{
    double flops = 0.0;
    for (const auto& layer : layersOf(shape))
        if (layer.part == "embed" || (layer.part == "blocks" && layer.block < blocks))
            flops += forwardFlops(layer);
    return flops;
}

double trainingFlops(const ModelShape& shape)
{
    return 3.0 * forwardFlops(shape);
}

namespace {

/// Bytes that autograd keeps of one image at this layer: mostly its input, at the precision it is computed in.
double keptBytes(const Layer& layer, bool half, double dropRate)
{
    const double positions = static_cast<double>(layer.inPositions());
    const double input = static_cast<double>(layer.in) * positions;
    const double multiplied = half ? 2.0 : 4.0; // bf16 autocast narrows what goes into multiplications only
    switch (layer.kind) {
    case Layer::Kind::Conv:
    case Layer::Kind::Linear:
        return input * multiplied;
    case Layer::Kind::Attention: // q, k and v; the fused kernels work the weights out again
        return 3.0 * input * multiplied;
    case Layer::Kind::Activation: // between two multiplications
        return input * (layer.tokens > 0 ? multiplied : 4.0);
    case Layer::Kind::Norm:
    case Layer::Kind::Scale:
        return input * 4.0;
    case Layer::Kind::Dropout: // the mask
        return dropRate > 0.0 ? input : 0.0;
    case Layer::Kind::Embedding:
    case Layer::Kind::Table:
        return 0.0;
    }
    return 0.0;
}

/// Of the whole network. A block that is computed again keeps its input, and while backward passes it, all that is inside.
double keptBytes(const ModelShape& shape, bool half, bool recompute)
{
    const auto* unet = std::get_if<config::UNetConfig>(&shape.model);
    double kept = 0.0, inside = 0.0, largest = 0.0;
    const Layer* last = nullptr;
    const auto layers = layersOf(shape);
    for (const auto& layer : layers) {
        const bool again = recompute && (layer.part == "blocks" || layer.part == "downsamples" || layer.part == "upsamples");
        const double bytes = keptBytes(layer, half, unet ? unet->dropRate : 0.0);
        const bool inLast = last && (unet ? !layer.name.ends_with("norm1") : last->part == layer.part && last->block == layer.block);
        if (!inLast) {
            largest = std::max(largest, inside);
            inside = 0.0;
            if (again)
                kept += 4.0 * static_cast<double>(layer.in * layer.inPositions());
        }
        (again ? inside : kept) += bytes;
        last = &layer;
    }
    return kept + std::max(largest, inside);
}

} // namespace

TrainingMemory trainingMemory(const ModelShape& shape, const config::TrainingConfig& training, std::int64_t microBatch)
{
    const auto bytes = 4 * parameterCount(shape), trained = 4 * trainedCount(shape);
    const std::int64_t moments =
        training.optimizer == config::OptimizerKind::Sgd ? (training.momentum > 0.0 ? 1 : 0) : (config::keepsMaximum(training) ? 3 : 2);
    const double kept = keptBytes(shape, training.precision != config::Precision::Fp32, training.recompute);
    return {bytes, trained, moments * trained, static_cast<std::int64_t>(training.ema.decays.size()) * bytes,
            static_cast<std::int64_t>(kept * static_cast<double>(microBatch))};
}

} // namespace espalier::shapes
