// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/diffusion_config.h"
#include "core/diffusion/process.h"

namespace espalier::diffusion {

/// KL(N(mean1, e^logVar1) || N(mean2, e^logVar2)) element by element, in nats.
at::Tensor normalKl(const at::Tensor& mean1, const at::Tensor& logVar1, const at::Tensor& mean2, const at::Tensor& logVar2);
/// ln P(x) of a normal distribution over the 256 values of a pixel: bins of half width 1/255, open beyond |x| > 0.999.
at::Tensor discretisedLogLikelihood(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& logScale);
at::Tensor continuousLogLikelihood(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& logVar);
/// The tanh approximation of the normal distribution function.
at::Tensor approximateNormalCdf(const at::Tensor& x);

/// Term of the variational bound at each sample's level, in bits per dimension: what is left to be said of the image there. [B]
at::Tensor boundPerSample(const Process& process, const at::Tensor& output, const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t,
                          bool clip = false);

/// What the loss of each sample is made of, [B] each; what a loss type does not have is undefined.
struct SampleLosses {
    at::Tensor mse; // mean square over the pixels
    at::Tensor vb;  // the bound, scaled as the loss type says
    at::Tensor sum() const;
};
SampleLosses lossPerSample(const Process& process, config::LossType type, const at::Tensor& output, const at::Tensor& x0,
                           const at::Tensor& xt, const at::Tensor& t, const at::Tensor& noise);

} // namespace espalier::diffusion
