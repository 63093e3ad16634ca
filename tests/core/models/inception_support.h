// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/models/inception.h"
#include "tests/core/tensors/tensor_support.h"

#include <memory>
#include <utility>

namespace espalier::tests {

/// Weights of golden/metrics/inception_features.json: the fill, with running_var halved against dying out.
inline tensors::NamedTensors filledInceptionWeights(const models::Inception& network)
{
    tensors::NamedTensors weights;
    const auto put = [&](const std::string& name, const at::Tensor& like) {
        const auto filled = tensorOf(goldenParameter(name, like.sizes().vec()), like.sizes());
        weights.emplace_back(name, name.ends_with("running_var") ? filled * 0.5 : filled);
    };
    for (const auto& item : network.named_parameters())
        put(item.key(), item.value());
    for (const auto& item : network.named_buffers())
        put(item.key(), item.value());
    return weights;
}

/// The golden batch of two: noise of that name, and a ramp that wraps round. uint8 [2, h, w, 3].
inline at::Tensor inceptionImages(const std::string& name, std::int64_t height, std::int64_t width)
{
    const auto noise = goldenUniform(name, static_cast<std::size_t>(height * width * 3));
    const auto first = ((at::tensor(noise, at::kDouble) + 1) * 128).floor().to(at::kByte).view({height, width, 3});
    const auto ramp =
        5 * at::arange(width).view({1, width, 1}) + 3 * at::arange(height).view({height, 1, 1}) + 85 * at::arange(3).view({1, 1, 3});
    return at::stack({first, ramp.remainder(256).to(at::kByte)});
}

} // namespace espalier::tests
