// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/weighting.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::diffusion {
namespace {

double onX0(const config::DiffusionConfig& config, double snr)
{
    switch (config.lossWeighting) {
    case config::LossWeighting::MinSnr:
        return std::min(snr, config.minSnrGamma);
    case config::LossWeighting::P2:
        return snr * std::pow(config.p2K + snr, -config.p2Gamma);
    case config::LossWeighting::None:
        break;
    }
    TORCH_CHECK(false, "A bug: no weighting to take weights from.");
}

} // namespace

Table lossWeights(const ProcessTables& tables, const config::DiffusionConfig& config)
{
    Table weights(tables.alphasBar.size(), 1.0);
    if (config.lossWeighting == config::LossWeighting::None)
        return weights;
    for (std::size_t t = 0; t < weights.size(); ++t) {
        const double snr = tables.alphasBar[t] / (1.0 - tables.alphasBar[t]);
        if (snr > 0.0) // with no signal left the published code keeps 1
            weights[t] = onX0(config, snr) / (config.meanType == config::MeanType::Eps ? snr : 1.0);
    }
    return weights;
}

Table withMeanOne(Table weights)
{
    const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
    for (auto& weight : weights)
        weight /= mean;
    return weights;
}

} // namespace espalier::diffusion
