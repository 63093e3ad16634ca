// SPDX-License-Identifier: Apache-2.0
#include "core/plan/stage_config.h"

#include "core/base/overloaded.h"
#include "core/config/data_side.h"

#include <algorithm>
#include <cmath>

namespace espalier::plan {

std::int64_t pixelsPerPosition(const config::RunConfig& config)
{
    return config.latents.enabled ? config::LatentsConfig::kFactor : 1;
}

std::int64_t shareOf(std::int64_t images, double share)
{
    constexpr double kRounding = 1e-9; // 0.1 of 30 are 3
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(static_cast<double>(images) * share + kRounding)),
                                    std::min<std::int64_t>(images, 1), images);
}

std::int64_t imagesOf(const Stage& stage, std::int64_t all)
{
    return stage.recipe ? shareOf(all, stage.recipe->dataShare) : all;
}

std::int64_t sideOf(const Stage& stage, const Candidate& candidate)
{
    return candidate.side > 0 ? candidate.side : stage.shape.side;
}

namespace {

void takeOwn(const OwnRecipe& own, config::RunConfig& config)
{
    const auto take = [](auto value, auto& setting) {
        if (value >= 0)
            setting = value;
    };
    take(own.warmupSteps, config.training.warmupSteps);
    take(own.warmupEpochs, config.training.warmupEpochs);
    take(own.microBatch, config.training.microBatch);
    take(own.mixGroup, config.data.augment.mixGroup);
    take(own.gradNorm, config.training.gradNorm);
    if (own.decayTables && config.training.weightDecayOn == config::DecayOn::Matrices)
        config.training.weightDecayOn = config::DecayOn::Tables;
}

} // namespace

config::RunConfig configOf(const config::RunConfig& run, const Stage& stage)
{
    auto config = run;
    config.model = stage.shape.model;
    config.training.batchSize = stage.globalBatch;
    config.training.learningRate *= stage.learningRate;
    config.data = config::atSide(run.data, sideOf(stage) * pixelsPerPosition(run));
    if (stage.side > 0 && stage.side < stage.shape.side)
        std::visit(Overloaded{[](config::UNetConfig&) {},
                              [&](auto& transformer) {
                                  if (transformer.grid == 0)
                                      transformer.grid = stage.shape.side / transformer.patchSize;
                              }},
                   config.model);
    if (stage.strengths.randAugment >= 0)
        config.data.augment.magnitude = static_cast<double>(stage.strengths.randAugment);
    if (stage.strengths.eraseProb >= 0.0)
        config.data.augment.erase = stage.strengths.eraseProb;
    if (stage.recipe)
        takeOwn(*stage.recipe, config);
    if (!stage.division.empty()) { // it is a training by itself: the schedule speaks of another network
        config.schedule = config::PlainSchedule{};
        config.training.epochs = 0;
        config.training.steps = stage.length.steps.value_or(0);
        config.training.images = stage.length.images.value_or(0);
        config.training.seconds = stage.length.seconds.value_or(0.0);
    }
    return config;
}

} // namespace espalier::plan
