// SPDX-License-Identifier: Apache-2.0
// Modules inside their meta model, and all of them together, against Deep-Incubation's own code.
#include "tests/core/models/golden_sums.h"
#include "tests/core/training/given_images.h"

#include "core/growth/freeze.h"
#include "core/growth/grow.h"
#include "core/models/vit.h"
#include "core/plan/assembled.h"
#include "core/training/optimizer.h"

#include <torch/torch.h>

#include <map>
#include <set>

namespace espalier::training {
namespace {

using namespace espalier::tests;
using plan::Division;

struct Net {
    shapes::ModelShape shape;
    std::shared_ptr<models::Vit> model;
    tensors::TrainState state;

    growth::Parent as(const std::string& id) const { return {id, shape, &state}; }
    at::Tensor logits(const at::Tensor& x) { return model->forward({x, {}, {}}, {}, {}); }
};

class GoldenAssembling : public testing::Test {
protected:
    void SetUp() override
    {
        const auto folder = goldenFolder() / "assembling";
        ESPALIER_NEED_GOLDEN(folder / "training.json");
        at::set_num_threads(1);
        m_document = readJson(folder / "training.json");
        m_tensors = readGoldenTensors(folder / "training.safetensors");
        m_target.emplace(m_document.at("inputs").get<std::string>());
    }

    const Json& settings() const { return m_document.at("settings"); }
    std::size_t modules() const { return settings().at("modules"); }
    std::int64_t side() const { return settings().at("img_size"); }
    double rtol() const { return m_document.at("tolerance").at("rtol"); }
    at::Tensor input(std::int64_t step) const
    {
        return inputTensor(m_target->prefix + "input:x.step" + std::to_string(step), {std::ssize(m_target->labels), 3, side(), side()});
    }
    at::Tensor lossOf(const at::Tensor& logits) const
    {
        return (-m_target->rows(settings().at("num_classes")) * at::log_softmax(logits, -1)).sum(-1).mean();
    }
    void expectLoss(const at::Tensor& loss, const Json& wanted, const std::string& what) const
    {
        EXPECT_NEAR(loss.item<double>(), wanted.get<double>(), rtol() * (0.01 + wanted.get<double>())) << what;
    }
    void expectLogits(const at::Tensor& logits, const std::string& name) const
    {
        ASSERT_TRUE(m_tensors.contains(name)) << name;
        expectClose(logits, m_tensors.at(name), m_document.at("tolerance").at("atol"), rtol(), name);
    }

    Net make(std::int64_t depth, double drop = 0.0) const
    {
        const auto& s = settings();
        const config::VitConfig config{.patchSize = s.at("patch_size"),
                                       .hiddenSize = s.at("embed_dim"),
                                       .depth = depth,
                                       .numHeads = s.at("num_heads"),
                                       .numClasses = s.at("num_classes"),
                                       .dropPath = drop,
                                       .qkvBias = s.at("qkv_bias"),
                                       .normEpsilon = s.at("norm_eps")};
        Net net{{3, 0, side(), config}, std::make_shared<models::Vit>(config, models::ImageShape{3, side(), side()}, models::Place{}), {}};
        for (auto& item : net.model->named_parameters())
            net.state.slots.push_back(makeSlot(item.key(), item.value(), training(false)));
        return net;
    }
    Net filled(std::int64_t depth, const std::string& tag) const
    {
        auto net = make(depth);
        const at::NoGradGuard guard;
        for (auto& slot : net.state.slots)
            slot.value.copy_(tensorOf(goldenParameter(tag + slot.name, slot.value.sizes().vec()), slot.value.sizes()));
        return net;
    }
    Net meta() const { return filled(static_cast<std::int64_t>(modules()), m_document.at("weights").at("meta")); }
    Net whole(std::int64_t each) const
    {
        return filled(each * static_cast<std::int64_t>(modules()), m_document.at("weights").at("target"));
    }

    /// Module k of the whole model inside the meta model: only it trains.
    Net inside(const Net& meta, const Net& whole, std::size_t k, double drop = 0.0) const
    {
        const Division metaDivision(modules(), 1), wholeDivision(modules(), each(whole));
        const auto division = plan::inside(metaDivision, wholeDivision, k);
        auto net = make(plan::blocksOf(division), drop);
        const plan::ModuleOrigin fromMeta{plan::PartSource::From::Stage, "meta", metaDivision, "raw"};
        std::vector<plan::ModuleOrigin> origins(modules(), fromMeta);
        origins[k] = {plan::PartSource::From::Stage, "whole", wholeDivision, "raw"};
        plan::Stage stage;
        stage.id = plan::moduleStage(k);
        stage.shape = net.shape;
        stage.weights = plan::joined(net.shape.model, division, origins, fromMeta);
        stage.optimizer = config::Carry::Reset;
        const growth::Parent parents[] = {meta.as("meta"), whole.as("whole")};
        const auto grown = growth::grow(stage, parents, net.state);
        EXPECT_TRUE(grown) << grown.error().message;
        growth::setTrainable(net.state, net.shape, plan::partsOfModule(net.shape.model, division, k),
                             [&](tensors::Slot& slot) { giveMoments(slot, training(false)); });
        return net;
    }
    std::int64_t each(const Net& whole) const
    {
        return std::get<config::VitConfig>(whole.shape.model).depth / static_cast<std::int64_t>(modules());
    }
    /// The name inside its own module, as the published optimizer sees it; empty for other modules.
    std::string localName(const tensors::Slot& slot, std::size_t k, std::int64_t blocks) const
    {
        const auto first = static_cast<std::int64_t>(k);
        if (!slot.name.starts_with("blocks.")) {
            const bool head = slot.name.starts_with("head.") || slot.name.starts_with("norm.");
            return (head ? k + 1 == modules() : k == 0) ? slot.name : "";
        }
        const auto number = std::stoll(slot.name.substr(7));
        const auto rest = slot.name.substr(slot.name.find('.', 7));
        return number >= first && number < first + blocks ? "blocks." + std::to_string(number - first) + rest : "";
    }
    config::TrainingConfig training(bool tables) const
    {
        config::TrainingConfig training;
        training.optimizer = config::OptimizerKind::AdamW;
        training.weightDecay = m_document.at("steps").at("weight_decay");
        training.weightDecayOn = tables ? config::DecayOn::Tables : config::DecayOn::Matrices;
        training.gradNorm = 0.0;
        training.batchSize = std::ssize(m_target->labels);
        training.ema.decays.clear();
        return training;
    }

    Json m_document;
    tensors::TensorMap m_tensors;
    std::optional<Target> m_target;
};

} // namespace

TEST_F(GoldenAssembling, AModuleLearnsInsideItsMetaModelAsPublished)
{
    auto meta = this->meta();
    meta.model->eval();
    expectLogits(meta.logits(input(0)), "meta.logits");
    int cases = 0;
    for (const auto& [key, wanted] : m_document.at("module_training").items()) { // "depth_8.module_1"
        SCOPED_TRACE(key);
        const auto k = static_cast<std::size_t>(std::stoul(key.substr(key.rfind('_') + 1)));
        const auto blocks = wanted.at("divided_depths")[k].get<std::int64_t>();
        const auto whole = this->whole(blocks);
        for (const auto* mode : {"eval", "train"}) {
            const auto& expected = wanted.at(mode);
            const auto rates = expected.at("drop_path_rates").get<std::vector<double>>();
            auto net = inside(meta, whole, k, rates.back());
            net.model->train(std::string(mode) == "train");
            const auto ours = models::dropPathRates(rates.back(), std::ssize(rates));
            net.model->masks = [&](std::int64_t branch) {
                const auto block = static_cast<std::size_t>(branch / 2);
                const auto name = m_target->prefix + "uniform:block" + std::to_string(block) + (branch % 2 == 0 ? ".attn" : ".mlp");
                std::vector<float> uniform;
                for (const double u : goldenUniform(name, m_target->labels.size()))
                    uniform.push_back(static_cast<float>((u + 1) / 2));
                const double keep = 1 - ours[block];
                return at::floor(at::tensor(uniform) + keep) / keep;
            };
            at::Tensor last;
            net.model->watch = [&](const std::string& name, const at::Tensor& output) {
                if (name == "blocks." + std::to_string(static_cast<std::int64_t>(k) + blocks - 1)) {
                    last = output;
                    last.retain_grad();
                }
            };
            const auto logits = net.logits(input(0));
            expectLogits(logits, key + "." + mode + ".logits");
            const auto loss = lossOf(logits);
            expectLoss(loss, expected.at("loss"), mode);
            loss.backward();
            expectSums(last.grad(), expected.at("gradient_of_module_output"), "gradient that flows through the frozen modules");
            std::set<std::string> with;
            for (const auto& slot : net.state.slots) {
                const auto name = localName(slot, k, blocks);
                EXPECT_EQ(slot.value.grad().defined(), !name.empty()) << slot.name;
                if (name.empty() || !slot.value.grad().defined())
                    continue;
                with.insert(name);
                ASSERT_TRUE(expected.at("gradients").contains(name)) << name;
                expectSums(slot.value.grad(), expected.at("gradients").at(name), name);
            }
            EXPECT_EQ(with.size(), expected.at("gradients").size());
            ++cases;
        }
    }
    EXPECT_GT(cases, 0);
}

TEST_F(GoldenAssembling, StepsChangeTheModuleAsPublishedAndNothingElse)
{
    const auto& steps = m_document.at("steps");
    for (const auto& [key, wanted] : m_document.at("module_training").items()) {
        SCOPED_TRACE(key);
        const auto k = static_cast<std::size_t>(std::stoul(key.substr(key.rfind('_') + 1)));
        const auto blocks = wanted.at("divided_depths")[k].get<std::int64_t>();
        auto net = inside(meta(), whole(blocks), k);
        net.model->train();
        std::map<std::string, at::Tensor> before;
        for (const auto& slot : net.state.slots)
            before[slot.name] = slot.value.detach().clone();
        config::RunConfig config;
        config.training = training(k == 0); // the bare module names no exceptions, so that its tables decay
        GivenImages objective;
        objective.target = m_target->rows(settings().at("num_classes"));
        const auto batch = std::ssize(m_target->labels);
        TrainStep step({*net.model, objective, net.state, parallel::ProcessGroup::alone(), {batch, batch, 1, 0, 1}, at::kCPU}, config);
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(batch * side() * side() * 3));
        std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
        const data::HostBatch blank{.images = bytes, .labels = labels, .erased = {}, .mixes = {}};
        for (std::int64_t i = 0; i < steps.at("count").get<std::int64_t>(); ++i) {
            objective.image = input(i);
            step.begin(steps.at("lr"));
            step.accumulate(blank);
            step.finish();
            const double loss = wanted.at("after_steps").at("losses")[static_cast<std::size_t>(i)];
            EXPECT_NEAR(step.report().take().loss, loss, rtol() * (0.01 + loss)) << "step " << i;
        }
        for (const auto& slot : net.state.slots) {
            const auto name = localName(slot, k, blocks);
            EXPECT_EQ(at::equal(slot.value, before[slot.name]), name.empty()) << slot.name;
            if (!name.empty())
                expectThese(compared(name, slot.value), wanted.at("after_steps").at("parameters").at(name), rtol(), name,
                            1e-2 * steps.at("lr").get<double>());
        }
    }
}

TEST_F(GoldenAssembling, ModulesOfSeveralNetworksAreOneNetwork)
{
    for (const auto& [key, wanted] : m_document.at("assembled").items()) {
        SCOPED_TRACE(key);
        const bool swapped = key == "wrong_order";
        const auto blocks = swapped ? 1 : std::stoll(key.substr(key.rfind('_') + 1)) / static_cast<std::int64_t>(modules());
        const auto meta = this->meta();
        const auto whole = this->whole(blocks);
        const Division wholeDivision(modules(), blocks), metaDivision(modules(), 1);
        std::vector<Net> hybrids;
        std::vector<growth::Parent> parents;
        std::vector<plan::ModuleOrigin> origins;
        for (std::size_t k = 0; k < modules(); ++k) {
            const auto of = swapped ? wanted.at("order")[k].get<std::size_t>() : k;
            hybrids.push_back(inside(meta, whole, of));
            origins.push_back({plan::PartSource::From::Stage, plan::moduleStage(k), plan::inside(metaDivision, wholeDivision, of), "raw"});
        }
        for (std::size_t k = 0; k < modules(); ++k)
            parents.push_back(hybrids[k].as(plan::moduleStage(k)));
        auto net = make(plan::blocksOf(wholeDivision));
        plan::Stage stage;
        stage.id = plan::kAssembledStage;
        stage.shape = net.shape;
        stage.weights = plan::joined(net.shape.model, wholeDivision, origins, origins.front());
        const auto grown = growth::grow(stage, parents, net.state);
        ASSERT_TRUE(grown) << grown.error().message;
        net.model->eval();
        const auto logits = net.logits(input(0));
        expectLogits(logits, "assembled." + key + ".logits");
        if (swapped)
            continue; // what the published code does not notice; files know their module, so that it is refused before
        expectLoss(lossOf(logits), wanted.at("loss"), key);
        std::set<std::string> names;
        for (std::size_t i = 0; i < net.state.slots.size(); ++i) {
            names.insert(net.state.slots[i].name);
            EXPECT_TRUE(at::equal(net.state.slots[i].value, whole.state.slots[i].value)) << net.state.slots[i].name;
        }
        std::set<std::string> published;
        for (const auto& name : wanted.at("names"))
            published.insert(name.get<std::string>());
        EXPECT_EQ(names, published);
    }
}

} // namespace espalier::training
