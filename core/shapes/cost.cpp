// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/cost.h"

#include "core/shapes/layers.h"
#include "core/shapes/parameters.h"

namespace espalier::shapes {

double forwardFlops(const ModelShape& shape)
{
    double flops = 0.0;
    for (const auto& layer : layersOf(shape)) {
        const auto positions = static_cast<double>(layer.outSide * layer.outSide);
        const auto in = static_cast<double>(layer.in), out = static_cast<double>(layer.out);
        if (layer.kind == Layer::Kind::Conv)
            flops += 2.0 * static_cast<double>(layer.kernel * layer.kernel) * in * out * positions;
        else if (layer.kind == Layer::Kind::Linear)
            flops += 2.0 * in * out;
        else if (layer.kind == Layer::Kind::Attention)
            flops += 4.0 * in * positions * positions;
    }
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
    const double positions = static_cast<double>(layer.inSide * layer.inSide);
    const double input = static_cast<double>(layer.in) * positions;
    const double multiplied = half ? 2.0 : 4.0; // bf16 autocast narrows what goes into multiplications only
    switch (layer.kind) {
    case Layer::Kind::Conv:
    case Layer::Kind::Linear:
        return input * multiplied;
    case Layer::Kind::Attention: // q, k, v and the weights
        return (3.0 * input + positions * positions) * multiplied;
    case Layer::Kind::Norm:
    case Layer::Kind::Silu:
        return input * 4.0;
    case Layer::Kind::Dropout: // the mask
        return dropRate > 0.0 ? input : 0.0;
    case Layer::Kind::Embedding:
        return 0.0;
    }
    return 0.0;
}

} // namespace

TrainingMemory trainingMemory(const ModelShape& shape, const config::TrainingConfig& training, std::int64_t microBatch)
{
    const auto bytes = 4 * parameterCount(shape);
    const std::int64_t moments = training.optimizer == config::OptimizerKind::Sgd ? (training.momentum > 0.0 ? 1 : 0) : 2;
    const double dropRate = std::visit([](const config::UNetConfig& unet) { return unet.dropRate; }, shape.model);
    double kept = 0.0;
    for (const auto& layer : layersOf(shape))
        kept += keptBytes(layer, training.precision == config::Precision::Bf16, dropRate);
    return {bytes, bytes, moments * bytes, static_cast<std::int64_t>(training.ema.decays.size()) * bytes,
            static_cast<std::int64_t>(kept * static_cast<double>(microBatch))};
}

} // namespace espalier::shapes
