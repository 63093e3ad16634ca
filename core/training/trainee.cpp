// SPDX-License-Identifier: Apache-2.0
#include "core/training/trainee.h"

#include "core/diffusion/objective.h"
#include "core/models/initialise.h"
#include "core/models/registry.h"
#include "core/training/classification_objective.h"
#include "core/training/optimizer.h"

#include <ATen/ATen.h>

namespace espalier::training {
namespace {

std::unique_ptr<models::Objective> makeObjective(const config::RunConfig& config)
{
    if (config::drawsImages(config.model))
        return std::make_unique<diffusion::DiffusionObjective>(config.diffusion, config.recipe.strict);
    return std::make_unique<ClassificationObjective>();
}

} // namespace

Result<Trainee> makeTrainee(const config::RunConfig& config, at::Device device)
{
    auto model = models::make(config.model, models::imageShape(config), device, config.training.channelsLast);
    if (!model)
        return model.error();
    Trainee trainee{*model, makeObjective(config), {}};
    trainee.model->train();
    trainee.model->recompute = config.training.recompute;
    models::initialise(*trainee.model, static_cast<std::uint64_t>(config.seed));
    trainee.state.emaDecays = config.training.ema.decays;
    for (const auto& parameter : trainee.model->named_parameters())
        trainee.state.slots.push_back(makeSlot(parameter.key(), parameter.value(), config.training));
    tensors::assertPaired(trainee.state);
    return trainee;
}

} // namespace espalier::training
