// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/losses.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace espalier::diffusion {

at::Tensor normalKl(const at::Tensor& mean1, const at::Tensor& logVar1, const at::Tensor& mean2, const at::Tensor& logVar2)
{
    return 0.5 * (-1.0 + logVar2 - logVar1 + at::exp(logVar1 - logVar2) + at::square(mean1 - mean2) * at::exp(-logVar2));
}

at::Tensor approximateNormalCdf(const at::Tensor& x)
{
    return 0.5 * (1.0 + at::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * at::pow(x, 3))));
}

at::Tensor discretisedLogLikelihood(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& logScale)
{
    const at::Tensor centred = x - mean, inverse = at::exp(-logScale);
    const at::Tensor upper = approximateNormalCdf(inverse * (centred + 1.0 / 255)),
                     lower = approximateNormalCdf(inverse * (centred - 1.0 / 255));
    const auto logOf = [](const at::Tensor& p) { return p.clamp_min(1e-12).log(); };
    return at::where(x < -0.999, logOf(upper), at::where(x > 0.999, logOf(1.0 - lower), logOf(upper - lower)));
}

at::Tensor continuousLogLikelihood(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& logVar)
{
    return -0.5 * (std::log(2 * std::numbers::pi) + logVar + at::square(x - mean) * at::exp(-logVar));
}

at::Tensor boundPerSample(const Process& process, const at::Tensor& output, const at::Tensor& x0, const at::Tensor& xt, const at::Tensor& t,
                          bool clip)
{
    const auto [predicted, mean, logVar] = process.reverse(output, xt, t, clip);
    const at::Tensor kl = normalKl(process.posteriorMean(x0, xt, t), process.posteriorLogVarAt(t, xt), mean, logVar);
    const at::Tensor firstLevel = -discretisedLogLikelihood(x0, mean, 0.5 * logVar);
    // The level that noise was added to last is coded as pixels, all others as normal distributions.
    return at::where(t == 0, firstLevel.flatten(1).mean(1), kl.flatten(1).mean(1)) / std::numbers::ln2;
}

at::Tensor SampleLosses::sum() const
{
    return !vb.defined() ? mse : !mse.defined() ? vb : mse + vb;
}

SampleLosses lossPerSample(const Process& process, config::LossType type, const at::Tensor& output, const at::Tensor& x0,
                           const at::Tensor& xt, const at::Tensor& t, const at::Tensor& noise)
{
    const auto levels = static_cast<double>(process.levels());
    if (type == config::LossType::Kl)
        return {{}, boundPerSample(process, output, x0, xt, t)};
    if (type == config::LossType::RescaledKl)
        return {{}, boundPerSample(process, output, x0, xt, t) * levels};
    const auto [prediction, variance] = process.halves(output);
    SampleLosses losses{at::square(process.target(x0, xt, t, noise) - prediction).flatten(1).mean(1), {}};
    if (variance.defined()) {
        // The bound trains the variance alone: it must not pull at the mean (Nichol and Dhariwal 2021, section 3.1).
        losses.vb = boundPerSample(process, at::cat({prediction.detach(), variance}, 1), x0, xt, t);
        if (type == config::LossType::RescaledMse)
            losses.vb = losses.vb * (levels / 1000.0);
    }
    return losses;
}

} // namespace espalier::diffusion
