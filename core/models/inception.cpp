// SPDX-License-Identifier: Apache-2.0
#include "core/models/inception.h"

#include "core/tensors/checkpoint.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::models {
namespace {

constexpr std::int64_t kSide = 299;
constexpr std::int64_t kSpatialChannels = 7;

/// Which two lines of an image a line of the resized one lies between, and how far from the first.
struct Between {
    at::Tensor low, high, share;

    Between(std::int64_t size, const at::TensorOptions& options)
    {
        // In float32, as TensorFlow 1 does: no offset of half a pixel, and the last line repeated.
        const at::Tensor position = at::arange(kSide, options.dtype(at::kFloat)) * (static_cast<float>(size) / static_cast<float>(kSide));
        low = position.floor().to(at::kLong);
        high = (low + 1).clamp_max(size - 1);
        share = position - low;
    }
};

at::Tensor resizeTf1(const at::Tensor& images) // [n, 3, h, w]
{
    const Between x(images.size(3), images.options()), y(images.size(2), images.options());
    const auto across = at::lerp(images.index_select(3, x.low), images.index_select(3, x.high), x.share.to(images.scalar_type()));
    return at::lerp(across.index_select(2, y.low), across.index_select(2, y.high), y.share.to(images.scalar_type()).unsqueeze(1));
}

} // namespace

at::Tensor inceptionInput(const at::Tensor& images, InceptionResize resize, at::ScalarType dtype)
{
    const auto planes = images.permute({0, 3, 1, 2}).to(dtype); // [n, 3, h, w]
    const auto resized = resize == InceptionResize::Tf1
                             ? (resizeTf1(planes) - 128.0) / 128.0
                             : 2.0 * at::upsample_bilinear2d(planes / 255.0, {kSide, kSide}, /*align_corners=*/false) - 1.0;
    return resized.contiguous(at::MemoryFormat::ChannelsLast);
}

template <class Layer>
void Inception::add(const std::string& name, std::shared_ptr<Layer> layer)
{
    register_module(name, layer);
    m_steps.push_back({name, [layer](const at::Tensor& x) { return layer->forward(x); }});
}

Inception::Inception(const Place& place)
{
    const auto convolution = [&](const char* name, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                 std::int64_t padding) {
        add(name, std::make_shared<ConvNorm>(in, out, ConvNorm::Pair{kernel, kernel}, place, stride, ConvNorm::Pair{padding, padding}));
    };
    const auto pool = [&] { m_steps.push_back({"", [](const at::Tensor& x) { return at::max_pool2d(x, 3, 2); }}); };
    convolution("Conv2d_1a_3x3", 3, 32, 3, 2, 0);
    convolution("Conv2d_2a_3x3", 32, 32, 3, 1, 0);
    convolution("Conv2d_2b_3x3", 32, 64, 3, 1, 1);
    pool();
    convolution("Conv2d_3b_1x1", 64, 80, 1, 1, 0);
    convolution("Conv2d_4a_3x3", 80, 192, 3, 1, 0);
    pool();
    add("Mixed_5b", InceptionBlock::a(192, 32, place));
    add("Mixed_5c", InceptionBlock::a(256, 64, place));
    add("Mixed_5d", InceptionBlock::a(288, 64, place));
    add("Mixed_6a", InceptionBlock::b(288, place));
    add("Mixed_6b", InceptionBlock::c(768, 128, place));
    add("Mixed_6c", InceptionBlock::c(768, 160, place));
    m_spatialBlock = InceptionBlock::c(768, 160, place);
    add("Mixed_6d", m_spatialBlock);
    add("Mixed_6e", InceptionBlock::c(768, 192, place));
    add("Mixed_7a", InceptionBlock::d(768, place));
    add("Mixed_7b", InceptionBlock::e(1280, false, place));
    add("Mixed_7c", InceptionBlock::e(2048, true, place));
    m_classifier = register_module("fc", std::make_shared<Linear>(kPool, kClasses, place));
}

void Inception::fold()
{
    for (const auto& module : modules(false))
        if (auto* layer = dynamic_cast<ConvNorm*>(module.get()))
            layer->fold();
}

InceptionFeatures Inception::forward(const at::Tensor& input, bool spatial) const
{
    InceptionFeatures features;
    at::Tensor h = input;
    for (const Step& step : m_steps) {
        if (spatial && step.name == "Mixed_6d") {
            const at::Tensor branch = m_spatialBlock->forwardBranch1x1(h); // [n, 192, 17, 17]
            if (watch)
                watch("Mixed_6d.branch1x1", branch);
            features.spatial = branch.narrow(1, 0, kSpatialChannels).permute({0, 2, 3, 1}).flatten(1);
        }
        h = step.run(h);
        if (watch && !step.name.empty())
            watch(step.name, h);
    }
    features.pool = h.mean({2, 3});
    return features;
}

at::Tensor Inception::logitsWithoutBias(const at::Tensor& pool) const
{
    return pool.matmul(m_classifier->weight.t());
}

Result<Done> loadWeights(Inception& network, tensors::TensorMap weights, const std::string& file)
{
    std::erase_if(weights, [](const auto& item) { return item.first.ends_with(".num_batches_tracked"); });
    tensors::NamedTensors wanted;
    for (const auto& parameter : network.named_parameters())
        wanted.emplace_back(parameter.key(), parameter.value());
    for (const auto& buffer : network.named_buffers())
        wanted.emplace_back(buffer.key(), buffer.value());
    if (auto copied = tensors::copyWeights(weights, std::move(wanted), file); !copied)
        return copied.error();
    network.fold();
    return Done{};
}

Result<std::shared_ptr<const Inception>> readInception(const std::filesystem::path& file, c10::Device device)
{
    auto weights = tensors::readTensors(file);
    if (!weights)
        return weights.error();
    auto network = std::make_shared<Inception>(Place{device, at::kFloat, true});
    if (auto loaded = loadWeights(*network, *std::move(weights), file.string()); !loaded)
        return loaded.error();
    network->eval();
    return std::shared_ptr<const Inception>(std::move(network));
}

} // namespace espalier::models
