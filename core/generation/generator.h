// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/run_config.h"
#include "core/diffusion/samplers.h"
#include "core/generation/latent_codec.h"
#include "core/models/model.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace espalier::generation {

/// Called between steps of the sampler with the share done, 0 … 1.
using Progress = std::function<void(double)>;

/// Turns weights into images. Image number i depends on weights, sampler (with its class), seed and i alone: its noise is the same bit for
/// bit whatever the batch size and the number of ranks (its pixels agree to rounding).
class Generator {
public:
    /// `model` is used in evaluation mode and never trained. A model that draws latents needs the `codec` that shows them.
    Generator(std::shared_ptr<models::Model> model, const config::DiffusionConfig& diffusion, const config::SamplerConfig& sampler,
              std::uint64_t seed, std::shared_ptr<const LatentCodec> codec = nullptr);

    /// Images `first` … first + count - 1 as uint8 [count, h, w, 3] on the CPU, drawn in batches. Cancelled when `stop` is requested.
    Result<at::Tensor> draw(std::int64_t first, std::int64_t count, std::int64_t batch, const Progress& progress, std::stop_token stop);

    /// What comes out, in pixels.
    models::ImageShape image() const;
    /// Whether the images go through the classes in turn: image i is of class i mod this. 0: they do not.
    std::int64_t classesInTurn() const { return m_config.label < 0 ? m_model->classes() : 0; }
    at::Device device() const { return m_model->parameters().front().device(); }
    /// What is needed to draw the same images again, for text chunks and events: sampler, eta, seed.
    Json recipe() const;
    /// "DDIM-50", "DDPM-1000", "DDIM-50, CFG 2, class 3, stage 2".
    std::string samplerName() const;

private:
    at::Tensor labelsOf(const at::Tensor& slots) const;
    /// Of three channels all are guided, whatever the setting says.
    bool guidesFirstThree() const;
    std::shared_ptr<models::Model> m_model;
    std::shared_ptr<const LatentCodec> m_codec; // null: the model draws pixels
    config::SamplerConfig m_config;
    std::uint64_t m_seed;
    std::unique_ptr<diffusion::Sampler> m_sampler;
};

/// How many images one forward pass takes.
std::int64_t drawingBatch(at::Device device);

/// round(127.5 x + 127.5), ties to even, clamped to 0..255; [n, 3, h, w] in [-1, 1] to uint8 [n, h, w, 3] (ddpm-torch, generate.py).
at::Tensor quantised(const at::Tensor& images);

} // namespace espalier::generation
