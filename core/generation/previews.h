// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/generation/generator.h"
#include "core/generation/weights.h"
#include "core/runs/run_writer.h"

#include <string>
#include <utility>
#include <vector>

namespace espalier::generation {

/// Sample grids of a training: the same seeds every time, averaged weights, raw ones, or both.
class Previews {
public:
    /// `codec`: shows latents, where the network draws them.
    Previews(const config::RunConfig& config, at::Device device, std::vector<std::string> classNames, runs::RunWriter& writer,
             std::shared_ptr<const LatentCodec> codec = nullptr)
        : m_config(config), m_classNames(std::move(classNames)), m_writer(writer), m_model(config, device), m_codec(std::move(codec))
    {
    }

    /// Draws the grids of the settings into samples/stage-NN/step-N/ and says so in the events.
    Result<Done> draw(const tensors::TrainState& state, int stage, const config::SamplesConfig& samples, const Progress& progress,
                      std::stop_token stop);

    /// Draws with weights of this training and any sampler; valid until the next call of this object.
    Result<Generator> generator(const tensors::TrainState& state, const std::string& weights, const config::SamplerConfig& sampler,
                                std::uint64_t seed);

private:
    const config::RunConfig m_config;
    const std::vector<std::string> m_classNames;
    runs::RunWriter& m_writer;
    DrawingModel m_model;
    const std::shared_ptr<const LatentCodec> m_codec;
};

/// How many images one forward pass of a sampler takes.
std::int64_t drawingBatch(at::Device device);

} // namespace espalier::generation
