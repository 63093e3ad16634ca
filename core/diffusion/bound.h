// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diffusion/samplers.h"

#include <functional>

namespace espalier::diffusion {

/// The variational bound of images term by term, in bits per dimension (Ho et al. 2020, section 4.3; ADM's calc_bpd_loop). Columns run from
/// the highest level of the process down to 0.
struct Bound {
    at::Tensor total, prior;          // [B]: prior and all terms; what is left of the image at the last level
    at::Tensor vb, x0Error, epsError; // [B, levels]: the term; mean squares of the error in the clean image and in the noise
};

/// Noise for a step, as x0; steps count from the highest level down, from 0.
using StepNoise = std::function<at::Tensor(std::int64_t step)>;

/// KL(q(x_T | x_0) || N(0, 1)) in bits per dimension, [B].
at::Tensor priorBound(const Process& process, const at::Tensor& x0);
/// One forward pass for each level. `stop` is asked between them; a bound without `total` was stopped.
Bound bound(const Process& process, const Network& network, const at::Tensor& x0, const StepNoise& noise, bool clip,
            const std::function<bool()>& stop = {});

} // namespace espalier::diffusion
