// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/parameters.h"

#include "core/shapes/layers.h"

#include <cmath>
#include <functional>
#include <numeric>

namespace espalier::shapes {

namespace {

constexpr double kEmbeddingDeviation = 1.0; // as the U-Net of Dhariwal and Nichol starts its table of classes

} // namespace

std::int64_t Parameter::elements() const
{
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<Parameter> parameterTable(const ModelShape& shape)
{
    std::vector<Parameter> table;
    for (const auto& layer : layersOf(shape)) {
        const auto add = [&](const char* suffix, std::vector<std::int64_t> sizes, Init init, double bound) {
            table.push_back({layer.name + suffix, std::move(sizes), init, bound, layer.part, layer.block});
        };
        const auto area = layer.kernel * layer.kernel;
        const auto bound = std::sqrt(6.0 * layer.initScale / static_cast<double>(area * (layer.in + layer.out)));
        switch (layer.kind) {
        case Layer::Kind::Norm:
            add(".weight", {layer.in}, Init::Ones, 0.0);
            add(".bias", {layer.in}, Init::Zeros, 0.0);
            break;
        case Layer::Kind::Conv:
            add(".weight", {layer.out, layer.in, layer.kernel, layer.kernel}, Init::Xavier, bound);
            add(".bias", {layer.out}, Init::Zeros, 0.0);
            break;
        case Layer::Kind::Linear:
            add(".weight", {layer.out, layer.in}, Init::Xavier, bound);
            add(".bias", {layer.out}, Init::Zeros, 0.0);
            break;
        case Layer::Kind::Embedding:
            add(".weight", {layer.in, layer.out}, Init::Normal, kEmbeddingDeviation);
            break;
        case Layer::Kind::Attention:
        case Layer::Kind::Silu:
        case Layer::Kind::Dropout:
            break;
        }
    }
    return table;
}

std::int64_t parameterCount(const ModelShape& shape)
{
    std::int64_t count = 0;
    for (const auto& parameter : parameterTable(shape))
        count += parameter.elements();
    return count;
}

} // namespace espalier::shapes
