// SPDX-License-Identifier: Apache-2.0
#include "core/models/dit.h"

#include "core/base/position_table.h"
#include "core/models/recompute.h"
#include "core/models/transformer.h"

#include <ATen/ATen.h>

#include <cmath>

namespace espalier::models {
namespace {

constexpr double kEpsilon = 1e-6;
constexpr std::int64_t kFrequencies = 256;
constexpr double kLabelDeviation = 0.02;
constexpr Initial kZero{Initial::Constant, 0.0}, kNormal{Initial::Normal, 0.02};

Initial xavier(std::int64_t out, std::int64_t in)
{
    return xavierUniform({out, in}, 1.0);
}

/// norm(x) (1 + scale) + shift; shift and scale are [B, width].
at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale)
{
    return at::addcmul(shift.unsqueeze(1), normalised(x, kEpsilon), (scale + 1).unsqueeze(1));
}

class DitBlock : public torch::nn::Module {
public:
    DitBlock(const config::DitConfig& c, const Place& place)
    {
        m_attention = register_module("attn", std::make_shared<SelfAttention>(c.hiddenSize, c.numHeads, true, place, xavier));
        m_mlp = register_module("mlp", std::make_shared<Mlp>(c.hiddenSize, config::mlpWidth(c), "tanh", place, xavier));
        // Child 0 of the published module is SiLU, which all blocks share here.
        m_modulation = register_module("adaLN_modulation", std::make_shared<Container>())
                           ->add("1", std::make_shared<Linear>(c.hiddenSize, 6 * c.hiddenSize, place, kZero));
    }

    /// `active` is SiLU of the condition, [B, width].
    at::Tensor forward(const at::Tensor& x, const at::Tensor& active) const
    {
        // In the arithmetic of the tokens, which autocast leaves wide: these numbers are small.
        const auto m = m_modulation->forward(active).to(x.scalar_type()).chunk(6, 1);
        const at::Tensor seen = at::addcmul(x, m[2].unsqueeze(1), m_attention->forward(modulated(x, m[0], m[1])));
        return at::addcmul(seen, m[5].unsqueeze(1), m_mlp->forward(modulated(seen, m[3], m[4])));
    }

private:
    std::shared_ptr<SelfAttention> m_attention;
    std::shared_ptr<Mlp> m_mlp;
    std::shared_ptr<Linear> m_modulation;
};

} // namespace

struct Dit::Net {
    std::shared_ptr<PatchEmbedding> patches;
    std::shared_ptr<Linear> time0, time2, modulation, out;
    std::shared_ptr<LabelEmbedding> labels, stages; // no `stages`: it is not told any
    std::vector<std::shared_ptr<DitBlock>> blocks;
};

Dit::Dit(const config::DitConfig& config, const ImageShape& image, const Place& place)
    : m_config(config), m_image(image), m_net(std::make_unique<Net>())
{
    const std::int64_t width = config.hiddenSize, patch = config.patchSize, channels = image.channels;
    m_grid = config.grid > 0 ? config.grid : image.height / patch;
    m_positions = register_parameter("pos_embed", positionTable(width, m_grid).to(place.device, place.dtype), false);
    const auto container = [this](const char* name) { return register_module(name, std::make_shared<Container>()); };

    const Initial asLinear{Initial::Uniform, std::sqrt(6.0 / static_cast<double>(channels * patch * patch + width))};
    m_net->patches = container("x_embedder")->add("proj", std::make_shared<PatchEmbedding>(channels, width, patch, place, asLinear, kZero));
    const auto time = container("t_embedder")->add("mlp", std::make_shared<Container>());
    m_net->time0 = time->add("0", std::make_shared<Linear>(kFrequencies, width, place, kNormal));
    m_net->time2 = time->add("2", std::make_shared<Linear>(width, width, place, kNormal));
    // Without classes: one row that every image reads, as the published code has it for one class that is never hidden.
    const bool anyClass = config.numClasses == 0 || config.classDropoutProb > 0.0;
    m_net->labels = container("y_embedder")
                        ->add("embedding_table", std::make_shared<LabelEmbedding>(config.numClasses, width, config.classDropoutProb,
                                                                                  kLabelDeviation, place, anyClass));
    if (config.numStages > 0)
        m_net->stages = container("s_embedder")
                            ->add("embedding_table", std::make_shared<LabelEmbedding>(config.numStages, width, config.stageDropoutProb,
                                                                                      config.stageZeroInit ? 0.0 : kLabelDeviation, place));
    const auto blocks = container("blocks");
    for (std::int64_t i = 0; i < config.depth; ++i)
        m_net->blocks.push_back(blocks->add(std::to_string(i), std::make_shared<DitBlock>(config, place)));
    const auto last = container("final_layer");
    const std::int64_t outChannels = channels * (config.learnSigma ? 2 : 1);
    m_net->out = last->add("linear", std::make_shared<Linear>(width, patch * patch * outChannels, place, kZero));
    m_net->modulation =
        last->add("adaLN_modulation", std::make_shared<Container>())->add("1", std::make_shared<Linear>(width, 2 * width, place, kZero));
}

Dit::~Dit() = default;

/// One row for the whole batch; hidden from the same images as their class, or from others. Who draws without a class draws without a
/// stage.
at::Tensor Dit::stage(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) const
{
    const auto rows = m_config.numStages, row = path.sid < 0 ? rows - 1 : path.sid;
    auto told = at::full({batch.x.size(0)}, row, at::TensorOptions(batch.x.device()).dtype(at::kLong));
    if (is_training()) {
        if (m_config.stageDropoutProb > 0.0)
            told = m_net->stages->seen(told, draws.uniform(Stream::LabelDrop, {}, m_config.sharedDropout ? 0 : 1));
    } else if (m_config.numClasses > 0 && batch.labels.defined()) {
        told = told.masked_fill(batch.labels == m_config.numClasses, rows);
    }
    return m_net->stages->rowsOf(told);
}

at::Tensor Dit::condition(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws) const
{
    const at::Tensor features = timestepFeatures(batch.t, kFrequencies).to(m_net->time0->weight.scalar_type());
    const at::Tensor time = m_net->time2->forward(at::silu(m_net->time0->forward(features)));
    const at::Tensor known = time + m_net->labels->forward(m_config.numClasses > 0 ? batch.labels : at::Tensor(), batch.x.size(0), draws);
    return m_net->stages ? known + stage(batch, path, draws) : known;
}

// A fixed table is made once for each size.
const at::Tensor& Dit::positions(std::int64_t side)
{
    const auto grid = side / m_config.patchSize;
    if (grid == m_grid)
        return m_positions;
    auto& resized = m_resized[grid];
    if (!resized.defined() || resized.device() != m_positions.device() || resized.scalar_type() != m_positions.scalar_type()) {
        const at::NoGradGuard noGrad;
        const c10::InferenceMode normal(false); // it may be made while somebody draws and used when training goes on
        resized = positionsFor(m_positions.detach(), m_grid, grid);
    }
    return resized;
}

at::Tensor Dit::forward(const tensors::Batch& batch, const tensors::Path& path, const tensors::Draws& draws)
{
    const auto seen = [this](const std::string& name, const at::Tensor& output) {
        if (watch)
            watch(name, output);
        return output;
    };
    at::Tensor x = seen("tokens", m_net->patches->forward(batch.x) + positions(batch.x.size(3))); // [B, tokens, width]
    const at::Tensor active = at::silu(seen("condition", condition(batch, path, draws)));
    for (std::size_t i = 0; i < m_net->blocks.size(); ++i) {
        if (!runs(path, i))
            continue;
        const auto& block = *m_net->blocks[i];
        x = recompute ? recomputed({x, active}, block.parameters(),
                                   [&block](const std::vector<at::Tensor>& in) { return block.forward(in[0], in[1]); })
                      : block.forward(x, active);
        seen("blocks." + std::to_string(i), x);
    }
    const auto m = m_net->modulation->forward(active).to(x.scalar_type()).chunk(2, 1);
    const at::Tensor tokens = seen("final_layer", m_net->out->forward(modulated(x, m[0], m[1]))); // [B, tokens, p · p · C]
    const std::int64_t patch = m_config.patchSize, rows = batch.x.size(2) / patch, columns = batch.x.size(3) / patch;
    return tokens.view({batch.x.size(0), rows, columns, patch, patch, -1})
        .permute({0, 5, 1, 3, 2, 4})
        .reshape({batch.x.size(0), -1, rows * patch, columns * patch});
}

at::Tensor positionTable(std::int64_t width, std::int64_t grid)
{
    const auto table = espalier::positionTable(width, grid);
    return at::tensor(table).view({1, grid * grid, width});
}

at::Tensor timestepFeatures(const at::Tensor& t, std::int64_t width)
{
    const std::int64_t half = width / 2;
    // In float32 and in this order, as published: other orders differ by up to 1e-4 at large t.
    const at::Tensor frequency =
        at::arange(half, t.options().dtype(at::kFloat)).mul_(-std::log(10000.0)).div_(static_cast<double>(half)).exp_();
    const at::Tensor angle = t.to(at::kFloat).unsqueeze(1) * frequency; // [B, half]
    return at::cat({angle.cos(), angle.sin()}, 1);
}

} // namespace espalier::models
