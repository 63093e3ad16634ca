// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/bound.h"

#include "core/diffusion/losses.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace espalier::diffusion {
namespace {

at::Tensor meanSquare(const at::Tensor& difference)
{
    return difference.square().flatten(1).mean(1);
}

} // namespace

at::Tensor priorBound(const Process& process, const at::Tensor& x0)
{
    const double bar = process.tables().alphasBar.back();
    // Both numbers in the dtype of the image, as the published tables are looked up.
    const at::Tensor mean = at::full({}, std::sqrt(bar), x0.options()) * x0, logVar = at::full({}, std::log(1.0 - bar), x0.options()),
                     zero = at::zeros({}, x0.options());
    return normalKl(mean, logVar, zero, zero).flatten(1).mean(1) / std::numbers::ln2;
}

Bound bound(const Process& process, const Network& network, const at::Tensor& x0, const StepNoise& noise, bool clip,
            const std::function<bool()>& stop)
{
    std::vector<at::Tensor> vb, x0Error, epsError;
    for (std::int64_t step = 0; step < process.levels(); ++step) {
        if (stop && stop())
            return {};
        const auto level = process.levels() - 1 - step;
        const at::Tensor t = at::full({x0.size(0)}, level, x0.options().dtype(at::kLong));
        const at::Tensor eps = noise(step), xt = process.noised(x0, t, eps);
        const at::Tensor output = network(xt, at::full_like(t, process.networkLevel(level))).to(x0.scalar_type());
        vb.push_back(boundPerSample(process, output, x0, xt, t, clip));
        const at::Tensor predicted = process.reverse(output, xt, t, clip).x0;
        x0Error.push_back(meanSquare(predicted - x0));
        epsError.push_back(meanSquare(process.epsFromX0(xt, t, predicted) - eps));
    }
    Bound result{{}, priorBound(process, x0), at::stack(vb, 1), at::stack(x0Error, 1), at::stack(epsError, 1)};
    result.total = result.vb.sum(1) + result.prior;
    return result;
}

} // namespace espalier::diffusion
