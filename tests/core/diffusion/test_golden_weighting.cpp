// SPDX-License-Identifier: Apache-2.0
// Left out of the golden file: weights that are no setting here (SNR, Max-SNR, EDM, the bound) or for a target that is none (v).
#include "core/diffusion/weighting.h"
#include "tests/core/tensors/tensor_support.h"

#include <cstdio>
#include <numeric>

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;

/// What a row such as "min-snr-5 (x0)" or "p2 k=1 gamma=0.5 (eps)" asks for; false: it is left out.
bool configOf(const std::string& row, config::DiffusionConfig& config)
{
    char target[8] = {};
    if (std::sscanf(row.c_str(), "min-snr-%lf (%7[^)])", &config.minSnrGamma, target) == 2)
        config.lossWeighting = config::LossWeighting::MinSnr;
    else if (std::sscanf(row.c_str(), "p2 k=%lf gamma=%lf (%7[^)])", &config.p2K, &config.p2Gamma, target) == 3)
        config.lossWeighting = config::LossWeighting::P2;
    config.meanType = std::string(target) == "x0" ? config::MeanType::X0 : config::MeanType::Eps;
    return std::string(target) == "x0" || std::string(target) == "eps";
}

Table betasOf(const std::string& table, std::size_t levels)
{
    using enum config::BetaSchedule;
    if (table == "cosine1000")
        return betaSchedule(Cosine, 0, 0, 1000);
    const double scale = table == "short" ? 1000.0 / static_cast<double>(levels) : 1.0; // rescaled, so that the ends are as noisy
    return betaSchedule(Linear, scale * 1e-4, scale * 0.02, table == "short" ? static_cast<std::int64_t>(levels) : 1000);
}

TEST(GoldenWeighting, EveryPublishedFactor)
{
    const auto file = goldenFolder() / "acceleration" / "weights.json";
    ESPALIER_NEED_GOLDEN(file);
    int rows = 0;
    const Json document = readJson(file);
    for (const auto& [name, table] : document.at("tables").items()) {
        const auto index = table.at("index").get<std::vector<std::size_t>>();
        const auto process = processTables(betasOf(name, index.size()));
        for (const auto& [row, wanted] : table.at("values").items()) {
            config::DiffusionConfig config;
            if (!configOf(row, config))
                continue;
            const auto weights = lossWeights(process, config);
            for (std::size_t k = 0; k < index.size(); ++k)
                EXPECT_NEAR(weights.at(index[k]), numberOf(wanted[k]), 1e-10 * numberOf(wanted[k]))
                    << name << " " << row << " " << index[k];
            const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
            EXPECT_NEAR(mean, numberOf(table.at("mean_over_t").at(row)), 1e-10 * mean) << name << " " << row;
            const auto scaled = withMeanOne(weights);
            EXPECT_NEAR(std::accumulate(scaled.begin(), scaled.end(), 0.0), static_cast<double>(scaled.size()), 1e-9);
            ++rows;
        }
    }
    EXPECT_GT(rows, 0) << "the file names no weights of ours";
}

} // namespace
} // namespace espalier::diffusion
