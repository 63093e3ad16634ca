// SPDX-License-Identifier: Apache-2.0
// interop_forward WEIGHTS INPUTS OUT: what a network makes of given inputs. Writes one tensor "out" for a DiT (inputs x, t, y) or a ViT
// (x), and "mean" and "decoded" for an autoencoder (x). All files but WEIGHTS are safetensors.
#include "core/formats/weights_file.h"
#include "core/models/autoencoder_kl.h"
#include "core/models/registry.h"
#include "core/shapes/identify.h"
#include "core/shapes/layouts.h"
#include "core/tensors/checkpoint.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>

#include <cstdio>

using namespace espalier;

namespace {

int failed(const Error& error)
{
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 1;
}

Result<tensors::NamedTensors> ofNetwork(const shapes::ModelShape& shape, const tensors::TensorMap& weights, const tensors::TensorMap& in)
{
    auto model = models::make(shape.model, {shape.inChannels, shape.side, shape.side}, at::kCPU, false);
    if (!model)
        return model.error();
    tensors::NamedTensors parameters;
    for (const auto& parameter : (*model)->named_parameters())
        parameters.emplace_back(parameter.key(), parameter.value());
    if (auto copied = tensors::copyWeights(weights, std::move(parameters), "weights"); !copied)
        return copied.error();
    (*model)->eval();
    const auto given = [&](const char* name) { return in.contains(name) ? in.at(name) : at::Tensor(); };
    return tensors::NamedTensors{{"out", (*model)->forward({given("x"), given("t"), given("y")}, {}, {})}};
}

Result<tensors::NamedTensors> ofAutoencoder(const shapes::AutoencoderShape& shape, const tensors::TensorMap& weights,
                                            const tensors::TensorMap& in)
{
    models::AutoencoderKL network(
        {.imageChannels = shape.imageChannels, .latentChannels = shape.latentChannels, .channels = shape.channels, .blocks = shape.blocks},
        {at::kCPU, at::kFloat, false});
    if (auto loaded = models::loadWeights(network, weights, "weights"); !loaded)
        return loaded.error();
    const auto mean = network.encode(in.at("x")).mean;
    return tensors::NamedTensors{{"mean", mean}, {"decoded", network.decode(mean)}};
}

} // namespace

int main(int count, char** words)
{
    if (count != 4)
        return failed({ErrorCode::Usage, "usage: interop_forward WEIGHTS INPUTS OUT", {}});
    const at::NoGradGuard noGrad;
    const auto file = formats::WeightsFile::open(words[1]);
    if (!file)
        return failed(file.error());
    std::vector<shapes::NamedShape> named;
    for (const auto& entry : file->entries())
        named.push_back({entry.name, entry.shape});
    const auto identity = shapes::identify(named);
    if (!identity)
        return failed(identity.error());
    const auto weights = tensors::readWeights(words[1], "ema"), in = tensors::readTensors(words[2]);
    if (!weights || !in)
        return failed(!weights ? weights.error() : in.error());
    const auto* network = std::get_if<shapes::Recognised>(&identity->model);
    const auto* autoencoder = std::get_if<shapes::AutoencoderShape>(&identity->model);
    if (!network && !autoencoder)
        return failed({ErrorCode::Usage, "No network that runs here.", {}});
    const auto out = network ? ofNetwork(shapes::withDiffusersConfig(network->shape, file->folderConfig()), *weights, *in)
                             : ofAutoencoder(*autoencoder, *weights, *in);
    if (!out)
        return failed(out.error());
    const auto written = tensors::writeTensors(words[3], *out);
    return written ? 0 : failed(written.error());
}
