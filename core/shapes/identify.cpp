// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/identify.h"

#include <algorithm>
#include <utility>

namespace espalier::shapes {
namespace {

bool isInception(std::span<const NamedShape> tensors)
{
    constexpr std::ptrdiff_t kTensors = 472; // in the published file, which has no counters of batches
    const NamedShape telling[] = {{"Conv2d_1a_3x3.conv.weight", {32, 3, 3, 3}},
                                  {"Mixed_6d.branch1x1.conv.weight", {192, 768, 1, 1}},
                                  {"Mixed_7c.branch_pool.bn.running_var", {192}},
                                  {"fc.weight", {1008, 2048}}};
    const auto has = [&](const NamedShape& wanted) {
        return std::any_of(tensors.begin(), tensors.end(),
                           [&](const auto& tensor) { return tensor.name == wanted.name && tensor.shape == wanted.shape; });
    };
    return std::all_of(std::begin(telling), std::end(telling), has) &&
           std::count_if(tensors.begin(), tensors.end(),
                         [](const auto& tensor) { return !tensor.name.ends_with(".num_batches_tracked"); }) == kTensors;
}

} // namespace

Result<Identified> identify(std::span<const NamedShape> tensors)
{
    auto network = recognise(tensors);
    if (network) {
        auto name = describe(network->shape);
        return Identified{std::move(name), *std::move(network)};
    }
    if (auto autoencoder = autoencoderOf(tensors)) {
        auto name = describe(*autoencoder);
        return Identified{std::move(name), *std::move(autoencoder)};
    }
    if (isInception(tensors))
        return Identified{"Inception-v3 of FID", InceptionShape{}};
    return network.error();
}

std::string withArticle(const std::string& name)
{
    return (name.starts_with('A') || name.starts_with('I') ? "an " : "a ") + name;
}

} // namespace espalier::shapes
