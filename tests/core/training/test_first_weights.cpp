// SPDX-License-Identifier: Apache-2.0
#include "core/training/first_weights.h"
#include "core/models/dit.h"
#include "core/models/initialise.h"
#include "core/models/registry.h"
#include "core/plan/plan.h"
#include "core/runs/follower.h"
#include "core/training/optimizer.h"
#include "tests/core/tensors/tensor_support.h"
#include "tests/core/training/tiny_run.h"
#include "tests/support/ranks.h"

namespace espalier::training {
namespace {

namespace fs = std::filesystem;

config::RunConfig ditConfig(std::int64_t classes, std::int64_t side = 16, double classDropout = 0.1)
{
    auto config = tinyConfig(2);
    config.data.side = side;
    config.model = config::DitConfig{
        .patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = classes, .classDropoutProb = classDropout};
    config.training.ema.decays = {0.5};
    return config;
}

config::RunConfig vitConfig(std::int64_t classes, std::int64_t side = 16)
{
    auto config = tinyConfig(2);
    config.data.side = side;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = classes};
    return config;
}

void chooseLabels(config::RunConfig& config, config::Labels labels)
{
    std::visit([&](auto& model) { model.labels = labels; }, config.model);
}

/// A network with its first values, and its state.
struct Network {
    std::shared_ptr<models::Model> model;
    tensors::TrainState state;

    explicit Network(const config::RunConfig& config, std::uint64_t seed = 1)
    {
        auto made = models::make(config.model, {3, config.data.side, config.data.side}, at::kCPU, false);
        EXPECT_TRUE(made) << made.error().message;
        model = *made;
        models::initialise(*model, seed);
        for (const auto& parameter : model->named_parameters())
            state.slots.push_back(makeSlot(parameter.key(), parameter.value(), config.training));
    }
    at::Tensor value(const std::string& name) const
    {
        for (const auto& slot : state.slots)
            if (slot.name == name)
                return slot.value.detach();
        ADD_FAILURE() << name;
        return {};
    }
    tensors::NamedTensors named() const
    {
        tensors::NamedTensors all;
        for (const auto& slot : state.slots)
            all.emplace_back(slot.name, slot.value);
        return all;
    }
    tensors::TensorMap copies() const
    {
        tensors::TensorMap all;
        for (const auto& slot : state.slots)
            all[slot.name] = slot.value.detach().clone();
        return all;
    }
};

} // namespace

class FirstWeights : public TinyRun {
protected:
    /// Weights of another seed in a lone file, as anyone's.
    Network write(const config::RunConfig& config, const std::string& name, const tensors::NamedTensors& more = {})
    {
        Network source(config, 99);
        auto tensors = source.named();
        tensors.insert(tensors.end(), more.begin(), more.end());
        EXPECT_TRUE(tensors::writeTensors(m_root / name, tensors));
        return source;
    }
    Result<Origin> load(config::RunConfig config, Network& network, const std::string& name)
    {
        config.init.from = (m_root / name).string();
        return loadFirstWeights(config, network.state, config);
    }
    void expectRefused(const config::RunConfig& config, const std::string& name, const std::vector<std::string>& words)
    {
        Network network(config);
        const auto before = network.copies();
        const auto loaded = load(config, network, name);
        ASSERT_FALSE(loaded);
        EXPECT_EQ(loaded.error().code, ErrorCode::Usage) << loaded.error().message;
        EXPECT_TRUE(loaded.error().message.starts_with("init.from: ")) << loaded.error().message;
        for (const auto& word : words)
            EXPECT_NE(loaded.error().message.find(word), std::string::npos) << word << " in: " << loaded.error().message;
        for (const auto& [name, value] : before)
            EXPECT_TRUE(at::equal(network.value(name), value)) << name << " was touched";
    }
};

TEST_F(FirstWeights, OfTheSameShapeAreTakenOverWhole)
{
    const auto source = write(ditConfig(10), "dit.safetensors", {});
    Network network(ditConfig(10));
    const auto loaded = load(ditConfig(10), network, "dit.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (const auto& slot : network.state.slots)
        EXPECT_TRUE(at::equal(slot.value.detach(), source.value(slot.name))) << slot.name;
    EXPECT_TRUE(loaded->changes.empty());
    EXPECT_EQ(loaded->sha256.size(), 64u);
    EXPECT_EQ(loaded->step, -1);
    EXPECT_NE(loaded->model.find("DiT"), std::string::npos);
}

TEST_F(FirstWeights, AreReadFromDataParallelAndHalfPrecisionFiles)
{
    const Network source(ditConfig(10), 99);
    tensors::NamedTensors tensors;
    for (const auto& slot : source.state.slots)
        tensors.emplace_back("module." + slot.name, slot.value.detach().to(at::kBFloat16));
    ASSERT_TRUE(tensors::writeTensors(m_root / "half.safetensors", tensors));
    Network network(ditConfig(10));
    const auto loaded = load(ditConfig(10), network, "half.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::allclose(network.value("x_embedder.proj.weight"), source.value("x_embedder.proj.weight"), 0.01));
}

TEST_F(FirstWeights, ReuseKeepsTheFirstRowsOfClassesAndThatOfAny)
{
    const std::string table = "y_embedder.embedding_table.weight";
    const auto source = write(ditConfig(10), "ten.safetensors");
    Network network(ditConfig(4));
    const auto loaded = load(ditConfig(4), network, "ten.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::equal(network.value(table).narrow(0, 0, 4), source.value(table).narrow(0, 0, 4)));
    EXPECT_TRUE(at::equal(network.value(table)[4], source.value(table)[10]));
    ASSERT_EQ(loaded->changes.size(), 1u);
    EXPECT_NE(loaded->changes[0].find("4 of 10 classes"), std::string::npos);
    // Without classes every image reads the row of any class.
    Network none(ditConfig(0));
    ASSERT_TRUE(load(ditConfig(0), none, "ten.safetensors"));
    EXPECT_TRUE(at::equal(none.value(table)[0], source.value(table)[10]));
    expectRefused(ditConfig(12), "ten.safetensors", {"knows 10 classes, and 12 are wanted", "Set model.labels to fresh"});
}

TEST_F(FirstWeights, AFreshTableOfClassesBeginsAnew)
{
    const std::string table = "y_embedder.embedding_table.weight";
    const auto source = write(ditConfig(10), "ten.safetensors");
    for (const std::int64_t classes : {10, 12}) {
        auto config = ditConfig(classes);
        chooseLabels(config, config::Labels::Fresh);
        Network network(config);
        const auto before = network.value(table).clone();
        const auto loaded = load(config, network, "ten.safetensors");
        ASSERT_TRUE(loaded) << loaded.error().message;
        EXPECT_TRUE(at::equal(network.value(table), before));
        EXPECT_TRUE(at::equal(network.value("blocks.1.mlp.fc1.weight"), source.value("blocks.1.mlp.fc1.weight")));
        ASSERT_EQ(loaded->changes.size(), 1u);
        EXPECT_NE(loaded->changes[0].find("model.labels is fresh"), std::string::npos);
    }
}

TEST_F(FirstWeights, ATableOfStagesIsTakenOverOrBeginsAnew)
{
    const std::string table = "s_embedder.embedding_table.weight";
    const auto staged = [](std::int64_t stages) {
        auto config = ditConfig(10);
        std::get<config::DitConfig>(config.model).numStages = stages;
        return config;
    };
    const auto plain = write(staged(0), "plain.safetensors");
    Network network(staged(4));
    const auto before = network.value(table).clone();
    const auto loaded = load(staged(4), network, "plain.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::equal(network.value(table), before));
    EXPECT_TRUE(at::equal(network.value("blocks.1.mlp.fc1.weight"), plain.value("blocks.1.mlp.fc1.weight")));
    EXPECT_EQ(loaded->changes, std::vector<std::string>{table + " begins anew, because there is none"});

    const auto told = write(staged(4), "told.safetensors");
    const auto taken = load(staged(4), network, "told.safetensors");
    ASSERT_TRUE(taken) << taken.error().message;
    EXPECT_TRUE(at::equal(network.value(table), told.value(table)));
    EXPECT_TRUE(taken->changes.empty());
    expectRefused(staged(3), "told.safetensors", {table + " has shape [5, 32], but [4, 32] is needed"});
    expectRefused(staged(0), "told.safetensors", {table + " belongs to no part of this model"});
}

TEST_F(FirstWeights, AClassifierGetsAnotherHeadWhenAsked)
{
    const auto source = write(vitConfig(7), "seven.safetensors");
    expectRefused(vitConfig(10), "seven.safetensors", {"head.weight has shape [7, 32], but [10, 32] is needed", "model.labels to fresh"});
    auto config = vitConfig(10);
    chooseLabels(config, config::Labels::Fresh);
    Network network(config);
    const auto before = network.value("head.weight").clone();
    const auto loaded = load(config, network, "seven.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::equal(network.value("head.weight"), before));
    EXPECT_TRUE(at::equal(network.value("norm.weight"), source.value("norm.weight")));
    EXPECT_EQ(loaded->changes.size(), 2u);
}

TEST_F(FirstWeights, AnotherResolutionFitsTheTablesOfPositions)
{
    const auto source = write(vitConfig(10), "vit.safetensors");
    Network network(vitConfig(10, 24));
    const auto loaded = load(vitConfig(10, 24), network, "vit.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::equal(network.value("pos_embed"), resizedPositions(source.value("pos_embed"), 6)));
    EXPECT_TRUE(at::equal(network.value("pos_embed").select(1, 0), source.value("pos_embed").select(1, 0)));
    EXPECT_EQ(loaded->changes, std::vector<std::string>{"pos_embed was interpolated from 4x4 to 6x6 tokens"});

    const auto dit = write(ditConfig(10), "dit.safetensors");
    Network larger(ditConfig(10, 24));
    const auto computed = load(ditConfig(10, 24), larger, "dit.safetensors");
    ASSERT_TRUE(computed) << computed.error().message;
    EXPECT_TRUE(at::equal(larger.value("pos_embed"), models::positionTable(32, 6)));
    EXPECT_TRUE(at::equal(larger.value("final_layer.linear.weight"), dit.value("final_layer.linear.weight")));
}

TEST(FirstWeightsGolden, PositionsAreResizedAsPublished)
{
    const auto folder = tests::goldenFolder() / "vit";
    ESPALIER_NEED_GOLDEN(folder / "model.json");
    const auto golden = tests::readGoldenTensors(folder / "model.safetensors");
    int compared = 0;
    const auto document = tests::readJson(folder / "model.json");
    for (const auto& [name, wanted] : document.at("position_embedding").at("cases").items()) { // "pos_embed.4_to_6"
        const auto shape = wanted.at("shape").get<std::vector<std::int64_t>>();
        const auto table = tests::tensorOf(tests::goldenParameter(wanted.at("parameter").get<std::string>(), shape), shape);
        tests::expectClose(resizedPositions(table, std::stoll(name.substr(name.rfind('_') + 1))), golden.at(name), 2e-6, 1e-5, name);
        ++compared;
    }
    EXPECT_GE(compared, 2);
}

TEST_F(FirstWeights, WhatDoesNotFitIsNamedOrSkipped)
{
    const auto source = write(ditConfig(10), "dit.safetensors", {{"extra.weight", at::zeros({2})}});
    auto deeper = ditConfig(10);
    std::get<config::DitConfig>(deeper.model).depth = 3;
    std::get<config::DitConfig>(deeper.model).learnSigma = true;
    expectRefused(deeper, "dit.safetensors", {"blocks.2.attn.qkv.weight is missing", "and 8 more", "init.misfits", "DiT 32·3/4 at 16²"});
    deeper.init.misfits = config::Misfits::Skip;
    Network network(deeper);
    const auto before = network.copies();
    const auto loaded = load(deeper, network, "dit.safetensors");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(at::equal(network.value("blocks.1.attn.qkv.weight"), source.value("blocks.1.attn.qkv.weight")));
    EXPECT_TRUE(at::equal(network.value("blocks.2.attn.qkv.weight"), before.at("blocks.2.attn.qkv.weight")));
    EXPECT_NE(std::find(loaded->changes.begin(), loaded->changes.end(), "skipped: extra.weight belongs to no part of this model"),
              loaded->changes.end());
}

TEST_F(FirstWeights, AnotherModelIsToldByItsName)
{
    write(vitConfig(10), "vit.safetensors");
    expectRefused(tinyConfig(2), "vit.safetensors", {"ViT 32·2/4 at 16²", "holds no weights for the U-Net 32·1,2 at 16²"});
    auto skipping = tinyConfig(2);
    skipping.init.misfits = config::Misfits::Skip;
    expectRefused(skipping, "vit.safetensors", {"holds no weights"});
    expectRefused(tinyConfig(2), "nothing.safetensors", {"there is no run, checkpoint or file"});
}

TEST_F(FirstWeights, BeginARunAndAreNotReadAgain)
{
    auto config = ditConfig(10);
    const auto parent = makeRun("parent", config);
    ASSERT_TRUE(train(parent, config));
    const auto average = *tensors::readWeights(parent.checkpointFolder(2), "ema:0.5");

    auto child = config;
    child.init.from = parent.root().string();
    child.training.steps = 4;
    auto first = child;
    first.training.learningRate = child.training.learningRate = 0.0; // so that a step changes no weight
    first.training.steps = 1;
    const auto folder = makeRun("child", child);
    const auto begun = train(folder, first);
    ASSERT_TRUE(begun) << begun.error().message;
    const auto raw = *tensors::readWeights(folder.checkpointFolder(1), "raw"),
               ema = *tensors::readWeights(folder.checkpointFolder(1), "ema");
    for (const auto& [name, value] : average) {
        EXPECT_TRUE(at::equal(raw.at(name), value)) << name;
        EXPECT_TRUE(at::equal(ema.at(name), value)) << name << ", averaged";
    }
    // Whatever becomes of the parent: the run has weights of its own.
    const auto path = parent.checkpointFolder(2).string();
    fs::remove_all(parent.root());
    const auto ended = train(folder, child);
    ASSERT_TRUE(ended) << ended.error().message;

    int told = 0;
    for (const auto& event : runs::RunFollower(folder.root()).poll().events)
        if (const auto origin = runs::eventAs<runs::Initialised>(event)) {
            ++told;
            EXPECT_EQ(origin->path, path);
            EXPECT_EQ(origin->step, 2);
            EXPECT_EQ(origin->weights, "ema");
            EXPECT_EQ(origin->sha256.size(), 64u);
        }
    EXPECT_EQ(told, 1);
    const auto manifest = manifestOf(folder, 4);
    EXPECT_EQ(manifest.about["origin"]["path"], path);
    EXPECT_EQ(manifest.about["classes"], (Json{{"count", 10}, {"null_row", 10}}));
    const auto plan = plan::planFromText(*readFile(folder.planFile()));
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->stages[0].weights.size(), 1u);
    EXPECT_EQ(plan->stages[0].weights[0].which, child.init.from);
    EXPECT_EQ(plan->stages[0].weights[0].weights, "ema");
}

TEST_F(FirstWeights, AllRanksBeginAlike)
{
    auto config = ditConfig(10);
    write(config, "dit.safetensors");
    config.init.from = (m_root / "dit.safetensors").string();
    const auto one = makeRun("one", config), two = makeRun("two", config);
    ASSERT_TRUE(train(one, config));
    tests::onRanks(2, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
        at::set_num_threads(1);
        const auto ended = train(two, config, group);
        return ended ? "" : ended.error().message + " " + ended.error().detail;
    });
    const auto a = *tensors::readWeights(one.checkpointFolder(2), "raw"), b = *tensors::readWeights(two.checkpointFolder(2), "raw");
    for (const auto& [name, value] : a)
        EXPECT_TRUE(at::allclose(value, b.at(name), 1e-4, 1e-3)) << name; // Adam turns rounding into small steps
}

} // namespace espalier::training
