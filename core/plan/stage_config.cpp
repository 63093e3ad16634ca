// SPDX-License-Identifier: Apache-2.0
#include "core/plan/stage_config.h"

#include "core/base/overloaded.h"
#include "core/config/data_side.h"

namespace espalier::plan {

std::int64_t pixelsPerPosition(const config::RunConfig& config)
{
    return config.latents.enabled ? config::LatentsConfig::kFactor : 1;
}

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
    return config;
}

} // namespace espalier::plan
