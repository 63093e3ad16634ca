// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/models/objective.h"
#include "core/tensors/state.h"

#include <memory>

namespace espalier::training {

/// What is trained: a network with its first values, what it is to learn, and all that training keeps beside each parameter.
struct Trainee {
    std::shared_ptr<models::Model> model;
    std::unique_ptr<models::Objective> objective;
    tensors::TrainState state;
};

/// Errors name the setting.
Result<Trainee> makeTrainee(const config::RunConfig& config, at::Device device);

} // namespace espalier::training
