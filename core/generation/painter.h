// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/generation/generator.h"
#include "core/generation/weights.h"

#include <memory>
#include <string>

namespace espalier::generation {

/// Draws with the weights of a training; every rank has one, so that they draw together.
class Painter {
public:
    /// `codec`: shows latents, where the network draws them.
    Painter(const config::RunConfig& config, at::Device device, std::shared_ptr<const LatentCodec> codec = nullptr)
        : m_config(config), m_model(config, device), m_codec(std::move(codec))
    {
    }

    /// With which weights, sampler and seed, in words for all ranks.
    Json ask(const std::string& weights, const config::SamplerConfig& sampler, std::int64_t seed) const;
    /// Draws so; valid until the next call of this object.
    Result<Generator> generator(const tensors::TrainState& state, const Json& ask);

private:
    const config::RunConfig m_config;
    DrawingModel m_model;
    const std::shared_ptr<const LatentCodec> m_codec;
};

} // namespace espalier::generation
