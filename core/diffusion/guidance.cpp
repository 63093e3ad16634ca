// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/guidance.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace espalier::diffusion {

at::Tensor guided(const at::Tensor& ofClass, const at::Tensor& anyClass, double scale, std::int64_t channels)
{
    if (channels >= ofClass.size(1))
        return at::lerp(anyClass, ofClass, scale);
    const auto share = [&](const at::Tensor& output) { return output.narrow(1, 0, channels); };
    return at::cat({at::lerp(share(anyClass), share(ofClass), scale), ofClass.narrow(1, channels, ofClass.size(1) - channels)}, 1);
}

Network guidedNetwork(models::Model& model, at::Tensor labels, const config::SamplerConfig& sampler)
{
    const tensors::Path path{{}, sampler.stage};
    if (!labels.defined() || sampler.guidance == 1.0)
        return [&model, labels, path](const at::Tensor& x, const at::Tensor& t) { return model.forward({x, t, labels}, path, {}); };
    // A learned variance is never guided: it is that of the class.
    const auto ofImage = model.image().channels;
    const auto channels = sampler.guidanceChannels == config::GuidanceChannels::FirstThree ? std::min<std::int64_t>(3, ofImage) : ofImage;
    const at::Tensor both = at::cat({labels, at::full_like(labels, model.classes())});
    return [&model, both, path, channels, scale = sampler.guidance](const at::Tensor& x, const at::Tensor& t) {
        const auto halves = model.forward({at::cat({x, x}), at::cat({t, t}), both}, path, {}).chunk(2);
        return guided(halves[0], halves[1], scale, channels);
    };
}

} // namespace espalier::diffusion
