// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/parameters.h"

#include "core/shapes/layers.h"

#include <cmath>
#include <functional>
#include <numeric>

namespace espalier::shapes {

namespace {

constexpr double kEmbeddingDeviation = 0.02; // as DiT starts its table of classes

} // namespace

std::int64_t Parameter::elements() const
{
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<Parameter> parameterTable(const ModelShape& shape)
{
    std::vector<Parameter> table;
    for (const auto& layer : layersOf(shape)) {
        const auto add = [&](const char* suffix, std::vector<std::int64_t> sizes, const Start& start) {
            table.push_back({layer.name + suffix, std::move(sizes), start.init, start.bound, layer.part, layer.block, layer.trained});
        };
        const auto both = [&](std::vector<std::int64_t> sizes, const Start& usual) {
            add(".weight", std::move(sizes), layer.weightStart.value_or(usual));
            if (layer.bias)
                add(".bias", {layer.out}, layer.biasStart.value_or(Start{}));
        };
        const auto area = layer.kernel * layer.kernel;
        const Start xavier{Init::Xavier, std::sqrt(6.0 * layer.initScale / static_cast<double>(area * (layer.in + layer.out)))};
        switch (layer.kind) {
        case Layer::Kind::Norm:
            if (!layer.name.empty())
                both({layer.in}, {Init::Ones});
            break;
        case Layer::Kind::Conv:
            both({layer.out, layer.in, layer.kernel, layer.kernel}, xavier);
            break;
        case Layer::Kind::Linear:
            both({layer.out, layer.in}, xavier);
            break;
        case Layer::Kind::Embedding:
            add(".weight", {layer.in, layer.out}, layer.weightStart.value_or(Start{Init::Normal, kEmbeddingDeviation}));
            break;
        case Layer::Kind::Table:
            add("", {1, layer.in, layer.out}, layer.weightStart.value_or(Start{Init::Fixed}));
            break;
        case Layer::Kind::Attention:
        case Layer::Kind::Activation:
        case Layer::Kind::Scale:
        case Layer::Kind::Dropout:
            break;
        }
    }
    return table;
}

namespace {

std::int64_t countOf(const ModelShape& shape, bool trainedOnly)
{
    std::int64_t count = 0;
    for (const auto& parameter : parameterTable(shape))
        count += parameter.trained || !trainedOnly ? parameter.elements() : 0;
    return count;
}

} // namespace

std::int64_t parameterCount(const ModelShape& shape)
{
    return countOf(shape, false);
}

std::int64_t trainedCount(const ModelShape& shape)
{
    return countOf(shape, true);
}

} // namespace espalier::shapes
