// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diffusion/samplers.h"

namespace espalier::diffusion {

/// Classifier-free guidance (Ho and Salimans 2022): any + scale (of - any) on the first `channels`, the others as in `of`. It is linear,
/// so it may act on whatever the network predicts.
at::Tensor guided(const at::Tensor& ofClass, const at::Tensor& anyClass, double scale, std::int64_t channels);

/// A model that draws these classes, as a sampler calls it: guided as the settings say, with both halves in one forward pass. Labels are
/// int64 [B], or undefined where the model knows no classes; the half without a class is told no stage either. The model must outlive the
/// network.
Network guidedNetwork(models::Model& model, at::Tensor labels, const config::SamplerConfig& sampler);

} // namespace espalier::diffusion
