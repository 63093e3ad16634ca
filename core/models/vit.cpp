// SPDX-License-Identifier: Apache-2.0
#include "core/models/vit.h"

#include "core/models/recompute.h"
#include "core/models/transformer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace espalier::models {
namespace {

// Published as truncated at 2, which is 100 deviations away.
constexpr Initial kNormal{Initial::Normal, 0.02};

Initial normal(std::int64_t, std::int64_t)
{
    return kNormal;
}

/// x + branch, or where a mask [B] is given, x + mask branch.
at::Tensor joined(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& mask)
{
    return mask.defined() ? at::addcmul(x, branch, mask.to(x.scalar_type()).view({-1, 1, 1})) : x + branch;
}

class VitBlock : public torch::nn::Module {
public:
    VitBlock(const config::VitConfig& c, const Place& place)
    {
        m_norm1 = register_module("norm1", std::make_shared<LayerNorm>(c.hiddenSize, c.normEpsilon, place));
        m_attention = register_module("attn", std::make_shared<SelfAttention>(c.hiddenSize, c.numHeads, c.qkvBias, place, normal));
        m_norm2 = register_module("norm2", std::make_shared<LayerNorm>(c.hiddenSize, c.normEpsilon, place));
        m_mlp = register_module("mlp", std::make_shared<Mlp>(c.hiddenSize, config::mlpWidth(c), "none", place, normal));
    }

    at::Tensor forward(const at::Tensor& x, const at::Tensor& maskOfAttention, const at::Tensor& maskOfMlp) const
    {
        const at::Tensor seen = joined(x, m_attention->forward(m_norm1->forward(x)), maskOfAttention);
        return joined(seen, m_mlp->forward(m_norm2->forward(seen)), maskOfMlp);
    }

private:
    std::shared_ptr<LayerNorm> m_norm1, m_norm2;
    std::shared_ptr<SelfAttention> m_attention;
    std::shared_ptr<Mlp> m_mlp;
};

} // namespace

struct Vit::Net {
    std::shared_ptr<PatchEmbedding> patches;
    std::vector<std::shared_ptr<VitBlock>> blocks;
    std::shared_ptr<LayerNorm> norm;
    std::shared_ptr<Linear> head;
};

std::vector<double> dropPathRates(double last, std::int64_t depth)
{
    std::vector<double> rates(static_cast<std::size_t>(depth), 0.0);
    for (std::int64_t i = 1; i < depth; ++i)
        rates[static_cast<std::size_t>(i)] = last * static_cast<double>(i) / static_cast<double>(depth - 1);
    return rates;
}

Vit::Vit(const config::VitConfig& config, const ImageShape& image, const Place& place)
    : m_config(config), m_image(image), m_rates(dropPathRates(config.dropPath, config.depth)), m_net(std::make_unique<Net>())
{
    const std::int64_t width = config.hiddenSize, patch = config.patchSize;
    m_grid = config.grid > 0 ? config.grid : image.height / patch;
    const auto options = at::TensorOptions().dtype(place.dtype).device(place.device);
    m_class = register_parameter("cls_token", at::empty({1, 1, width}, options));
    m_positions = register_parameter("pos_embed", at::empty({1, m_grid * m_grid + 1, width}, options));
    // PyTorch's own start of a convolution: the published code leaves it there.
    const Initial asConvolution{Initial::Uniform, 1.0 / std::sqrt(static_cast<double>(image.channels * patch * patch))};
    m_net->patches = register_module("patch_embed", std::make_shared<Container>())
                         ->add("proj", std::make_shared<PatchEmbedding>(image.channels, width, patch, place, asConvolution, asConvolution));
    const auto blocks = register_module("blocks", std::make_shared<Container>());
    for (std::int64_t i = 0; i < config.depth; ++i)
        m_net->blocks.push_back(blocks->add(std::to_string(i), std::make_shared<VitBlock>(config, place)));
    m_net->norm = register_module(config.pooling == config::Pooling::Mean ? "fc_norm" : "norm",
                                  std::make_shared<LayerNorm>(width, config.normEpsilon, place));
    m_net->head = register_module("head", std::make_shared<Linear>(width, config.numClasses, place, kNormal));
}

Vit::~Vit() = default;

std::vector<FirstValue> Vit::firstValues() const
{
    return {{"cls_token", m_class, kNormal}, {"pos_embed", m_positions, kNormal}};
}

at::Tensor Vit::mask(std::int64_t branch, double rate, const tensors::Draws& draws) const
{
    if (!is_training() || rate <= 0.0)
        return {};
    return masks ? masks(branch) : draws.keep(Stream::DropPath, rate, {}, static_cast<std::uint32_t>(branch));
}

/// Of the class token and the patches of images of that side.
at::Tensor Vit::positions(std::int64_t side) const
{
    const auto grid = side / m_config.patchSize;
    if (grid == m_grid)
        return m_positions;
    return at::cat({m_positions.narrow(1, 0, 1), positionsFor(m_positions.narrow(1, 1, m_grid * m_grid), m_grid, grid)}, 1);
}

at::Tensor Vit::tokens(const at::Tensor& images) const
{
    const at::Tensor patches = m_net->patches->forward(images);
    return at::cat({m_class.expand({images.size(0), 1, -1}).to(patches.scalar_type()), patches}, 1) + positions(images.size(3));
}

at::Tensor Vit::forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws)
{
    const auto seen = [this](const std::string& name, const at::Tensor& output) {
        if (watch)
            watch(name, output);
    };
    at::Tensor x = path.from < 0 ? tokens(batch.x) : batch.x;
    if (path.from < 0)
        seen("tokens", x);
    const auto depth = m_net->blocks.size(), end = path.until < 0 ? depth : static_cast<std::size_t>(path.until);
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(path.from, 0)); i < end; ++i) {
        if (!runs(path, i))
            continue;
        const auto& block = *m_net->blocks[i];
        const auto branch = static_cast<std::int64_t>(2 * i);
        const at::Tensor first = mask(branch, m_rates[i], draws), second = mask(branch + 1, m_rates[i], draws);
        x = recompute
                ? recomputed({x}, block.parameters(),
                             [&block, first, second](const std::vector<at::Tensor>& in) { return block.forward(in[0], first, second); })
                : block.forward(x, first, second);
        seen("blocks." + std::to_string(i), x);
    }
    if (end < depth)
        return x;
    // Of the norm over all tokens only the class token is used.
    const bool isPooled = path.from == m_config.depth;
    const at::Tensor pooled = isPooled ? x : m_config.pooling == config::Pooling::Mean ? x.slice(1, 1).mean(1) : x.select(1, 0);
    return path.until >= 0 ? pooled : m_net->head->forward(m_net->norm->forward(pooled));
}

} // namespace espalier::models
