// SPDX-License-Identifier: Apache-2.0
#include "core/training/trainee.h"

#include "core/diffusion/objective.h"
#include "core/models/initialise.h"
#include "core/models/registry.h"
#include "core/training/classification_objective.h"

#include <ATen/ATen.h>

namespace espalier::training {
namespace {

std::unique_ptr<models::Objective> makeObjective(const config::RunConfig& config)
{
    if (config::drawsImages(config.model))
        return std::make_unique<diffusion::DiffusionObjective>(config.diffusion, config.recipe.strict);
    return std::make_unique<ClassificationObjective>();
}

tensors::Slot makeSlot(std::string name, const at::Tensor& parameter, const config::TrainingConfig& training)
{
    tensors::Slot slot{.name = std::move(name), .value = parameter};
    const auto value = parameter.detach();
    for (std::size_t i = 0; i < training.ema.decays.size(); ++i)
        slot.ema.push_back(value.clone());
    if (!parameter.requires_grad())
        return slot; // a fixed table
    slot.m = at::zeros_like(value);
    if (training.optimizer != config::OptimizerKind::Sgd)
        slot.v = at::zeros_like(value);
    slot.step = at::zeros({}, value.options());
    return slot;
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
