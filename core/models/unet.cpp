// SPDX-License-Identifier: Apache-2.0
#include "core/models/unet.h"

#include "core/models/norm_silu.h"
#include "core/models/recompute.h"
#include "core/models/unet_blocks.h"

#include <ATen/ATen.h>

namespace espalier::models {
namespace {

/// Rows of the class table start as in the U-Net that first was told classes (Dhariwal and Nichol 2021): as strong as the embedding of
/// the noise level that they are added to. At DiT's 0.02 short trainings hardly hear them.
constexpr double kLabelDeviation = 1.0;

/// A residual block, with attention behind it where the level has some. The names differ: "j.norm1…" alone, "j.0.…" and "j.1.…" together.
struct Step {
    std::shared_ptr<ResidualBlock> residual;
    std::shared_ptr<AttentionBlock> attention;

    at::Tensor forward(const at::Tensor& x, const at::Tensor& active, const tensors::Draws& draws, bool recompute) const
    {
        const auto body = [step = *this, draws](const std::vector<at::Tensor>& in) {
            const at::Tensor h = step.residual->forward(in[0], in[1], draws);
            return step.attention ? step.attention->forward(h) : h;
        };
        if (!recompute)
            return body({x, active});
        auto parameters = residual->parameters();
        if (attention)
            for (auto& parameter : attention->parameters())
                parameters.push_back(std::move(parameter));
        return recomputed({x, active}, parameters, body);
    }
};

struct Level {
    std::vector<Step> steps;
    std::shared_ptr<Downsample> down;
    std::shared_ptr<Upsample> up;
};

std::string levelName(const char* path, std::size_t level)
{
    return std::string(path) + ".level_" + std::to_string(level);
}

} // namespace

struct UNet::Net : Container {
    std::shared_ptr<Linear> embed0, embed2;
    std::shared_ptr<LabelEmbedding> labels;
    std::shared_ptr<Conv2d> inConv, outConv;
    std::shared_ptr<GroupNorm> outNorm;
    std::vector<Level> down, up; // both from the finest level
    Step middleFirst, middleLast;
    std::uint32_t sites = 0;

    Net(const UNetOptions& o, const Place& place)
    {
        const std::int64_t embedding = o.timeEmbeddingDim ? o.timeEmbeddingDim : 4 * o.hidChannels;
        const std::size_t levels = o.chMultipliers.size();
        const auto blocks = [&](std::size_t level) { return o.levelBlocks.empty() ? o.numResBlocks : o.levelBlocks[level]; };
        const auto width = [&](std::size_t level) { return o.hidChannels * o.chMultipliers[level]; };
        const auto step = [&](Container& level, const std::string& name, std::int64_t in, std::int64_t out, bool attention) {
            Step s{std::make_shared<ResidualBlock>(in, out, embedding, o.dropRate, sites++, place), nullptr};
            if (!attention) {
                level.add(name, s.residual);
                return s;
            }
            const auto both = level.add(name, std::make_shared<Container>());
            both->add("0", s.residual);
            s.attention = both->add("1", std::make_shared<AttentionBlock>(out, place));
            return s;
        };

        const auto embed = add("embed", std::make_shared<Container>());
        embed0 = embed->add("0", std::make_shared<Linear>(o.hidChannels, embedding, place));
        embed2 = embed->add("2", std::make_shared<Linear>(embedding, embedding, place));
        if (o.classes > 0)
            labels = add("label_embed", std::make_shared<LabelEmbedding>(o.classes, embedding, o.classDropout, kLabelDeviation, place));
        inConv = add("in_conv", std::make_shared<Conv2d>(o.inChannels, o.hidChannels, 3, place, 1, 1));

        std::vector<std::int64_t> skips{o.hidChannels}; // channels of what the way down leaves for the way up
        const auto downsamples = add("downsamples", std::make_shared<Container>());
        for (std::size_t i = 0; i < levels; ++i) {
            const auto names = downsamples->add("level_" + std::to_string(i), std::make_shared<Container>());
            Level level;
            for (std::int64_t j = 0; j < blocks(i); ++j) {
                level.steps.push_back(step(*names, std::to_string(j), skips.back(), width(i), o.applyAttn[i]));
                skips.push_back(width(i));
            }
            if (i + 1 < levels) {
                level.down = names->add(std::to_string(blocks(i)), std::make_shared<Downsample>(width(i), o.resampleWithConv, place));
                skips.push_back(width(i));
            }
            down.push_back(std::move(level));
        }

        const std::int64_t bottom = width(levels - 1);
        const auto middle = add("middle", std::make_shared<Container>());
        middleFirst.residual = middle->add("0", std::make_shared<ResidualBlock>(bottom, bottom, embedding, o.dropRate, sites++, place));
        middleFirst.attention = middle->add("1", std::make_shared<AttentionBlock>(bottom, place));
        middleLast.residual = middle->add("2", std::make_shared<ResidualBlock>(bottom, bottom, embedding, o.dropRate, sites++, place));

        // Registered from the finest level, as published, though they run from the coarsest.
        std::vector<std::vector<std::int64_t>> incoming(levels);
        std::int64_t channels = bottom;
        for (std::size_t i = levels; i-- > 0;)
            for (std::int64_t j = 0; j <= blocks(i); ++j) {
                incoming[i].push_back(channels + skips.back());
                skips.pop_back();
                channels = width(i);
            }
        const auto upsamples = add("upsamples", std::make_shared<Container>());
        for (std::size_t i = 0; i < levels; ++i) {
            const auto names = upsamples->add("level_" + std::to_string(i), std::make_shared<Container>());
            Level level;
            for (std::size_t j = 0; j < incoming[i].size(); ++j)
                level.steps.push_back(step(*names, std::to_string(j), incoming[i][j], width(i), o.applyAttn[i]));
            if (i > 0)
                level.up = names->add(std::to_string(blocks(i) + 1), std::make_shared<Upsample>(width(i), o.resampleWithConv, place));
            up.push_back(std::move(level));
        }

        const auto out = add("out_conv", std::make_shared<Container>());
        outNorm = out->add("0", std::make_shared<GroupNorm>(o.hidChannels, place));
        outConv = out->add("2", std::make_shared<Conv2d>(o.hidChannels, o.outChannels, 3, place, 1, 1, kZeroScale));
    }
};

UNet::UNet(const UNetOptions& options, const ImageShape& image, const Place& place) : m_options(options), m_image(image)
{
    m_net = std::make_shared<Net>(options, place);
    if (options.blockSize > 1) {
        register_module("_model", m_net);
        return;
    }
    for (const auto& child : m_net->named_children())
        register_module(child.key(), child.value());
}

UNet::~UNet() = default;

at::Tensor UNet::forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws& draws)
{
    const Net& net = *m_net;
    const auto seen = [this](const std::string& name, const at::Tensor& output) {
        if (watch)
            watch(name, output);
        return output;
    };
    const at::Tensor input = m_options.blockSize > 1 ? at::pixel_unshuffle(batch.x, m_options.blockSize) : batch.x;

    const at::Tensor time = timestepEmbedding(batch.t, m_options.hidChannels).to(net.embed0->weight.scalar_type());
    at::Tensor embedded = seen("embed", net.embed2->forward(at::silu(net.embed0->forward(time))));
    if (net.labels)
        embedded = embedded + seen("label_embed", net.labels->forward(batch.labels, batch.x.size(0), draws));
    const at::Tensor active = at::silu(embedded); // every residual block asks for this

    std::vector<at::Tensor> skips{seen("in_conv", net.inConv->forward(input))};
    for (std::size_t i = 0; i < net.down.size(); ++i) {
        const Level& level = net.down[i];
        const std::string name = levelName("downsamples", i);
        for (std::size_t j = 0; j < level.steps.size(); ++j)
            skips.push_back(seen(name + "." + std::to_string(j), level.steps[j].forward(skips.back(), active, draws, recompute)));
        if (level.down)
            skips.push_back(seen(name + "." + std::to_string(level.steps.size()), level.down->forward(skips.back())));
    }

    at::Tensor h = seen("middle.0", net.middleFirst.residual->forward(skips.back(), active, draws)); // stays on the stack of skips
    h = seen("middle.1", net.middleFirst.attention->forward(h));
    h = seen("middle.2", net.middleLast.residual->forward(h, active, draws));

    for (std::size_t i = net.up.size(); i-- > 0;) {
        const Level& level = net.up[i];
        const std::string name = levelName("upsamples", i);
        for (std::size_t j = 0; j < level.steps.size(); ++j) {
            h = seen(name + "." + std::to_string(j), level.steps[j].forward(at::cat({h, skips.back()}, 1), active, draws, recompute));
            skips.pop_back();
        }
        if (level.up)
            h = seen(name + "." + std::to_string(level.steps.size()), level.up->forward(h));
    }
    h = seen("out_conv", net.outConv->forward(normSilu(*net.outNorm, h)));
    return m_options.blockSize > 1 ? at::pixel_shuffle(h, m_options.blockSize) : h;
}

} // namespace espalier::models
