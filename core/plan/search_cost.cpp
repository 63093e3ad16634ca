// SPDX-License-Identifier: Apache-2.0
#include "core/plan/search_cost.h"

#include "core/base/overloaded.h"
#include "core/plan/forecast.h"
#include "core/shapes/parameters.h"

#include <algorithm>

namespace espalier::plan {
namespace {

/// Elements of the weights that a tangent kernel is made of.
std::vector<std::int64_t> kernelSizes(const Stage& stage, const Candidate& candidate)
{
    std::vector<std::int64_t> sizes;
    for (const auto& parameter : shapes::parameterTable(stage.shape)) {
        const bool trains = candidate.trainable.empty() || std::ranges::any_of(candidate.trainable, [&](const shapes::PartRange& range) {
                                return shapes::contains(range, parameter.part, parameter.block);
                            });
        if (parameter.trained && trains && parameter.name.find("weight") != std::string::npos)
            sizes.push_back(parameter.elements());
    }
    return sizes;
}

} // namespace

std::vector<std::size_t> kernelPasses(std::span<const std::int64_t> sizes, std::int64_t samples, std::int64_t most)
{
    std::vector<std::size_t> passes;
    std::int64_t held = 0;
    for (const auto size : sizes) {
        if (passes.empty() || held + samples * size > most) {
            passes.push_back(0);
            held = 0;
        }
        held += samples * size;
        ++passes.back();
    }
    return passes;
}

double forwardCostOf(const Stage& stage, const Candidate& candidate)
{
    auto whole = candidate;
    whole.trainable.clear();
    return costOf(stage, whole) / 3.0;
}

double kernelCostOf(const Stage& stage, const Candidate& candidate, std::int64_t samples)
{
    const auto passes = static_cast<double>(kernelPasses(kernelSizes(stage, candidate), samples).size());
    return costOf(stage, candidate) + std::max(passes - 1.0, 0.0) * 2.0 * forwardCostOf(stage, candidate);
}

std::int64_t searchBatch(const Stage& stage, const config::SearchConfig& search, std::int64_t images)
{
    const auto usual = stage.role == Stage::Role::Supernet ? stage.globalBatch : kZeroShotBatch;
    return std::min(search.batch > 0 ? search.batch : usual, images);
}

std::int64_t timedPasses(const config::SearchConfig& search)
{
    if (search.cost == config::SearchCost::Analytic)
        return 0;
    return search.batches > 1 ? search.batches - 1 : 2; // the first batch, or pass, warms up
}

double searchFlops(const Request& request, const Stage& stage, const config::SearchConfig& search, std::int64_t images)
{
    const auto batch = searchBatch(stage, search, images);
    const auto sum = [&](const auto& ofCandidate) {
        double flops = 0.0;
        for (const auto& candidate : stage.window)
            flops += static_cast<double>(batch) * ofCandidate(candidate);
        return flops;
    };
    return std::visit(Overloaded{[](const TrainStage&) { return 0.0; },
                                 [&](const ProbeLoss& probe) {
                                     const auto batches = static_cast<double>(search.batches),
                                                timed = static_cast<double>(probe.timed ? timedPasses(search) : 0);
                                     return sum([&](const Candidate& each) {
                                         return batches * forwardCostOf(stage, each) + timed * costOf(stage, each);
                                     });
                                 },
                                 [&](const ZeroShot&) {
                                     const bool measured = search.cost == config::SearchCost::Measured;
                                     const auto passes = static_cast<double>(kZicoBatches + (measured ? 1 + kTimings : 0)); // one warms up
                                     return sum([&](const Candidate& each) {
                                         return static_cast<double>(kKernelBatches) * kernelCostOf(stage, each, batch) +
                                                passes * costOf(stage, each);
                                     });
                                 }},
                      request);
}

} // namespace espalier::plan
