// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tiny DiT of the golden files of dit and diffusion.

#include "core/models/dit.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::tests {

inline config::DitConfig ditOf(const Json& constructor)
{
    config::DitConfig c;
    c.patchSize = constructor.at("patch_size");
    c.hiddenSize = constructor.at("hidden_size");
    c.depth = constructor.at("depth");
    c.numHeads = constructor.at("num_heads");
    c.numClasses = constructor.at("num_classes");
    c.learnSigma = constructor.value("learn_sigma", true);
    c.classDropoutProb = constructor.value("class_dropout_prob", 0.1);
    return c;
}

/// A network with the golden fill; the table of positions keeps its own values.
inline std::shared_ptr<models::Dit> filledDit(const Json& constructor, at::ScalarType dtype)
{
    const std::int64_t side = constructor.at("input_size");
    auto model = std::make_shared<models::Dit>(ditOf(constructor), models::ImageShape{constructor.at("in_channels"), side, side},
                                               models::Place{at::kCPU, dtype});
    const at::NoGradGuard guard;
    for (auto& item : model->named_parameters())
        if (item.key() != "pos_embed")
            item.value().copy_(tensorOf(goldenParameter(item.key(), item.value().sizes().vec()), item.value().sizes()));
    model->eval();
    return model;
}

inline at::Tensor wholeNumbers(const Json& list)
{
    return at::tensor(list.get<std::vector<std::int64_t>>());
}

/// How near to a golden number of a DiT ours has to be, relative to it or to the largest beside it. Vectorised exponentials differ by a
/// last bit between processors; then the features of large t differ by up to 6e-5 and every result by about 1e-4, as forward.json says.
inline double ditTolerance(double stated)
{
    static const bool sameBits = [] {
        const auto folder = goldenFolder() / "dit";
        const auto golden = readGoldenTensors(folder / "forward.safetensors").at("timestep_features");
        const auto times = readJson(folder / "forward.json").at("case").at("times").get<std::vector<float>>();
        const at::Tensor ours = models::timestepFeatures(at::tensor(times), golden.size(1));
        expectClose(ours, golden, 6e-5, 0, "timestep_features");
        return at::equal(ours, golden);
    }();
    return sameBits ? stated : std::max(stated, 1e-4);
}

/// Within the stated share of the largest element.
inline void expectGolden(const at::Tensor& tensor, const at::Tensor& wanted, double share, const std::string& what)
{
    expectClose(tensor, wanted, share * wanted.abs().max().item<double>(), 0, what);
}

} // namespace espalier::tests
