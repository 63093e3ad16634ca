// SPDX-License-Identifier: Apache-2.0
// What AutoProg and AutoProg-Zero ask of a transformer: other sides, sub-nets, and a table of stages.
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/models/registry.h"
#include "core/models/transformer.h"
#include "core/models/vit.h"
#include "core/plan/stage_config.h"
#include "core/plan/strategy.h"
#include "core/shapes/parameters.h"
#include "tests/core/models/golden_dit.h"

#include <torch/torch.h>

namespace espalier::models {
namespace {

using namespace espalier::tests;

class GrowingNetworks : public testing::Test {
protected:
    void SetUp() override
    {
        const auto folder = goldenFolder() / "progressive";
        ESPALIER_NEED_GOLDEN(folder / "zero.json");
        at::set_num_threads(1);
        zero = readJson(folder / "zero.json");
        zeroTensors = readGoldenTensors(folder / "zero.safetensors");
        growth = readJson(folder / "growth.json");
        growthTensors = readGoldenTensors(folder / "growth.safetensors");
        const auto inputs = zero.at("inputs").at("latents").get<std::string>();
        tag = inputs.substr(0, inputs.find("input:"));
    }

    config::DitConfig ditConfig() const
    {
        const Json& s = zero.at("settings");
        return {.patchSize = s.at("patch_size"),
                .hiddenSize = s.at("hidden_size"),
                .depth = s.at("depth"),
                .numHeads = s.at("num_heads"),
                .learnSigma = true,
                .numClasses = s.at("num_classes"),
                .numStages = s.at("num_stages")};
    }
    std::shared_ptr<Dit> dit(const config::DitConfig& c, std::int64_t side) const
    {
        auto model = std::make_shared<Dit>(c, ImageShape{zero.at("settings").at("in_channels"), side, side}, Place{});
        const at::NoGradGuard guard;
        for (auto& item : model->named_parameters())
            if (item.value().requires_grad())
                item.value().copy_(tensorOf(goldenParameter(tag + item.key(), item.value().sizes().vec()), item.value().sizes()));
        model->eval();
        return model;
    }
    tensors::Batch batch(std::int64_t side) const
    {
        const auto labels = wholeNumbers(zero.at("inputs").at("labels"));
        return {inputTensor(tag + "input:latent0." + std::to_string(side),
                            {labels.size(0), zero.at("settings").at("in_channels").get<std::int64_t>(), side, side}),
                wholeNumbers(zero.at("inputs").at("t")[0]),
                labels,
                {}};
    }
    std::int64_t side() const { return zero.at("settings").at("input_size"); }

    Json zero, growth;
    std::string tag;
    std::map<std::string, at::Tensor> zeroTensors, growthTensors;
};

TEST_F(GrowingNetworks, PositionsAreResizedAsPublished)
{
    for (const auto& one : zero.at("position_table").at("cases")) {
        const std::int64_t native = one.at("native"), grid = one.at("grid");
        const auto table = positionTable(one.at("dim"), native);
        expectClose(positionsFor(table, native, grid), zeroTensors.at(one.at("tensor")), 2e-6, 1e-5, one.dump());
        EXPECT_TRUE(positionsFor(table, native, native).is_same(table)) << "of its own size it is the very table";
    }
    for (const auto& one : growth.at("position_table").at("cases")) {
        const std::int64_t from = one.at("stored")[0], width = one.at("stored")[2], to = one.at("grid_h_w")[0];
        if (to != one.at("grid_h_w")[1].get<std::int64_t>())
            continue;
        const auto table =
            tensorOf(goldenParameter(one.at("parameter").get<std::string>(), {1, from, from, width}), {1, from * from, width});
        expectClose(positionsFor(table, from, to), growthTensors.at(one.at("tensor")).view({1, to * to, width}), 2e-6, 1e-5, one.dump());
    }
}

TEST_F(GrowingNetworks, TheStageIsToldAsPublished)
{
    const at::NoGradGuard guard;
    const auto model = dit(ditConfig(), side());
    const double share = ditTolerance(1e-5);
    for (const auto& [name, wanted] : zeroTensors) {
        if (name.starts_with("forward.stage_")) {
            const auto row = std::stoll(name.substr(std::string("forward.stage_").size()));
            auto seen = batch(side());
            const auto rows = ditConfig().numStages;
            if (row == rows)
                continue; // no path tells the row of none; the half of guidance without a class does
            expectGolden(model->forward(seen, {{}, row}, {}), wanted, share, name);
        } else if (name.starts_with("forward.side_")) {
            const auto small = std::stoll(name.substr(std::string("forward.side_").size()));
            expectGolden(model->forward(batch(small), {{}, 2}, {}), wanted, share, name);
        }
    }
    for (const auto& [stage, sums] : zero.at("stage_embedding").at("forward").items())
        if (std::stoll(stage) < ditConfig().numStages) {
            const auto out = model->forward(batch(side()), {{}, std::stoll(stage)}, {});
            EXPECT_NEAR(out.to(at::kDouble).norm().item<double>(), sums.at("l2").get<double>(), 5e-3) << stage;
        }
    EXPECT_TRUE(at::equal(model->forward(batch(side()), {}, {}), model->forward(batch(side()), {{}, 3}, {}))) << "by default the last";
}

TEST_F(GrowingNetworks, ClassAndStageAreHiddenAsPublished)
{
    const Json& golden = zero.at("stage_embedding").at("dropped");
    const auto labelDropped = golden.at("label_dropped").get<std::vector<bool>>(),
               stageDropped = golden.at("stage_dropped").get<std::vector<bool>>();
    const std::int64_t stage = golden.at("stage");
    // Samples for which our draws hide what the script of the golden file hides.
    constexpr std::int64_t kMany = 20000;
    const auto all = tensors::Draws::at(1, 0, 0, kMany);
    const auto ofLabel = all.uniform(Stream::LabelDrop, {}), ofStage = all.uniform(Stream::LabelDrop, {}, 1);
    std::vector<std::int64_t> slots;
    for (std::int64_t slot = 0; slot < kMany && slots.size() < labelDropped.size(); ++slot)
        if ((ofLabel[slot].item<double>() < 0.1) == labelDropped[slots.size()] &&
            (ofStage[slot].item<double>() < 0.1) == stageDropped[slots.size()])
            slots.push_back(slot);
    auto draws = all;
    draws.slot = at::tensor(slots);
    ASSERT_EQ(draws.slot.size(0), batch(side()).x.size(0));
    const auto model = dit(ditConfig(), side());
    model->train();
    const auto out = model->forward(batch(side()), {{}, stage}, draws);
    expectGolden(out, zeroTensors.at("dropped.output"), ditTolerance(1e-5), "dropped.output");
    out.square().mean().backward();
    expectGolden(model->named_parameters()["s_embedder.embedding_table.weight"].grad(), zeroTensors.at("dropped.stage_table_gradient"),
                 ditTolerance(1e-4), "dropped.stage_table_gradient");

    // With one draw for both, a stage is hidden from the images whose class is, and from no others.
    auto shared = ditConfig();
    shared.sharedDropout = true;
    const auto one = dit(shared, side());
    one->train();
    const at::NoGradGuard guard;
    auto told = batch(side());
    told.labels = told.labels.clone();
    for (std::size_t i = 0; i < labelDropped.size(); ++i)
        if (labelDropped[i])
            told.labels[static_cast<std::int64_t>(i)] = ditConfig().numClasses; // drawn without a class, and so without a stage
    expectGolden(one->forward(batch(side()), {{}, stage}, draws), dit(shared, side())->forward(told, {{}, stage}, {}), 1e-6, "shared");
    EXPECT_FALSE(at::allclose(one->forward(batch(side()), {{}, stage}, draws), out)) << "which is not what two draws hide";
}

TEST_F(GrowingNetworks, TheHalfWithoutAClassIsToldNoStage)
{
    const at::NoGradGuard guard;
    const auto config = ditConfig();
    const auto model = dit(config, side());
    const auto all = batch(side());
    const auto half = all.x.size(0) / 2;
    const at::Tensor x = all.x.narrow(0, 0, half), t = all.t.narrow(0, 0, half), labels = all.labels.narrow(0, 0, half);
    const tensors::Batch both{at::cat({x, x}), at::cat({t, t}), at::cat({labels, at::full_like(labels, config.numClasses)}), {}};
    at::Tensor withoutClass;
    for (const std::int64_t stage : {0, 3}) {
        const auto name = "guided.stage_" + std::to_string(stage);
        const double scale = zero.at("stage_embedding").at("guided").at(std::to_string(stage)).at("scale");
        const auto halves = model->forward(both, {{}, stage}, {}).chunk(2);
        if (withoutClass.defined()) {
            EXPECT_TRUE(at::equal(halves[1], withoutClass)) << "a stage changes the half of the class only";
        }
        withoutClass = halves[1];
        // As published: three channels are guided.
        const at::Tensor guided = at::lerp(halves[1].narrow(1, 0, 3), halves[0].narrow(1, 0, 3), scale);
        const auto rest = [](const at::Tensor& output) { return output.narrow(1, 3, output.size(1) - 3); };
        expectGolden(at::cat({at::cat({guided, rest(halves[0])}, 1), at::cat({guided, rest(halves[1])}, 1)}), zeroTensors.at(name),
                     ditTolerance(1e-5), name);
    }
}

TEST_F(GrowingNetworks, SkippedBlocksOfADitAreAsIfTheyWereNotThere)
{
    const at::NoGradGuard guard;
    auto fewer = ditConfig();
    const std::vector<std::size_t> kept{0, 2, 5};
    fewer.depth = static_cast<std::int64_t>(kept.size());
    const auto whole = dit(ditConfig(), side()), part = dit(fewer, side());
    const auto values = whole->named_parameters();
    for (std::size_t i = 0; i < kept.size(); ++i) {
        const auto prefix = "blocks." + std::to_string(i) + ".";
        for (auto& item : part->named_parameters())
            if (item.key().starts_with(prefix))
                item.value().copy_(values["blocks." + std::to_string(kept[i]) + "." + item.key().substr(prefix.size())]);
    }
    std::vector<bool> keep(static_cast<std::size_t>(ditConfig().depth), false);
    for (const auto block : kept)
        keep[block] = true;
    const auto every = whole->forward(batch(side()), {}, {}), some = whole->forward(batch(side()), {keep, -1}, {});
    EXPECT_TRUE(at::equal(some, part->forward(batch(side()), {}, {})));
    EXPECT_FALSE(at::equal(some, every));
    EXPECT_TRUE(at::equal(whole->forward(batch(side()), {std::vector<bool>(keep.size(), true), -1}, {}), every));
}

TEST_F(GrowingNetworks, SubNetsAreComputedAgainWithTheSameGradients)
{
    const config::VitConfig c{.patchSize = 4, .hiddenSize = 32, .depth = 3, .numHeads = 2, .numClasses = 5, .dropPath = 0.4};
    const std::pair<std::shared_ptr<Model>, tensors::Batch> networks[] = {
        {dit(ditConfig(), side()), batch(side())},
        {std::make_shared<Vit>(c, ImageShape{3, 16, 16}, Place{}), {inputTensor("input:vit", {4, 3, 8, 8})}}};
    for (const auto& [model, images] : networks) {
        SCOPED_TRACE(model->kind());
        if (model->kind() == "vit") {
            const at::NoGradGuard guard;
            for (auto& item : model->named_parameters())
                item.value().copy_(tensorOf(goldenParameter(item.key(), item.value().sizes().vec()), item.value().sizes()));
        }
        model->train();
        std::vector<bool> keep(model->kind() == "vit" ? 3 : static_cast<std::size_t>(ditConfig().depth), true);
        keep[1] = false;
        std::map<std::string, at::Tensor> first;
        for (const bool recompute : {false, true}) {
            model->recompute = recompute;
            for (auto& parameter : model->parameters())
                parameter.mutable_grad() = at::Tensor();
            const at::Tensor y = model->forward(images, {keep, -1}, tensors::Draws::at(1, 2, 0, 4));
            y.square().mean().backward();
            for (const auto& item : model->named_parameters()) {
                const auto& gradient = item.value().grad();
                EXPECT_EQ(gradient.defined(), item.value().requires_grad() && !item.key().starts_with("blocks.1.")) << item.key();
                if (gradient.defined() && recompute) {
                    EXPECT_TRUE(at::equal(gradient, first.at(item.key()))) << item.key();
                } else if (gradient.defined()) {
                    first[item.key()] = gradient.clone();
                }
            }
        }
    }
}

TEST_F(GrowingNetworks, AUNetTakesImagesOfOtherSides)
{
    const at::NoGradGuard guard;
    const config::UNetConfig c{.hidChannels = 32, .chMultipliers = {1, 2}, .numResBlocks = 1, .applyAttn = {false, true}, .dropRate = 0.0};
    const auto built = [&](std::int64_t size) {
        const auto model = *make(c, {3, size, size}, at::kCPU, false);
        for (auto& item : model->named_parameters())
            item.value().copy_(tensorOf(goldenParameter(item.key(), item.value().sizes().vec()), item.value().sizes()));
        model->eval();
        return model;
    };
    const auto native = built(16);
    for (const std::int64_t size : {8, 24}) {
        const tensors::Batch images{inputTensor("input:unet", {2, 3, size, size}), at::tensor({3, 500})};
        EXPECT_TRUE(at::equal(native->forward(images, {}, {}), built(size)->forward(images, {}, {}))) << size;
    }
}

TEST_F(GrowingNetworks, ATableOfZerosIsAPlainDit)
{
    const at::NoGradGuard guard;
    auto plain = ditConfig();
    plain.numStages = 0;
    const auto with = dit(ditConfig(), side()), without = dit(plain, side());
    EXPECT_FALSE(at::equal(with->forward(batch(side()), {{}, 0}, {}), without->forward(batch(side()), {}, {})));
    with->named_parameters()["s_embedder.embedding_table.weight"].zero_();
    EXPECT_TRUE(at::equal(with->forward(batch(side()), {{}, 0}, {}), without->forward(batch(side()), {}, {})));
    auto zeroed = ditConfig();
    zeroed.stageZeroInit = true;
    const Dit fresh(zeroed, {4, side(), side()}, Place{});
    EXPECT_EQ(fresh.named_parameters()["s_embedder.embedding_table.weight"].size(0), 5);
}

TEST_F(GrowingNetworks, GradientsReachTheRowOfTheStageAndThatOfNone)
{
    auto config = ditConfig();
    for (const double drop : {0.0, 0.5}) {
        config.stageDropoutProb = drop;
        const auto model = dit(config, side());
        model->train();
        auto many = batch(side());
        const auto draws = tensors::Draws::at(3, 5, 0, many.x.size(0));
        model->forward(many, {{}, 1}, draws).square().mean().backward();
        const auto gradient = model->named_parameters()["s_embedder.embedding_table.weight"].grad().abs().sum(1);
        EXPECT_GT(gradient[1].item<float>(), 0.0f);
        EXPECT_EQ(gradient[0].item<float>(), 0.0f);
        EXPECT_EQ(gradient[2].item<float>(), 0.0f);
        EXPECT_EQ(gradient[3].item<float>(), 0.0f);
        EXPECT_EQ(gradient[4].item<float>() > 0.0f, drop > 0.0) << "none is learned where some are hidden";
    }
}

TEST_F(GrowingNetworks, HiddenStagesAreAsManyAsAskedAndIndependentOfClasses)
{
    const LabelEmbedding labels(10, 4, 0.1, 0.02, Place{}), stages(4, 4, 0.1, 0.02, Place{});
    const std::int64_t count = 100'000;
    const auto draws = tensors::Draws::at(1, 2, 0, count);
    const auto noClass = labels.seen(at::zeros({count}, at::kLong), draws.uniform(Stream::LabelDrop, {})) == 10;
    const auto noStage = stages.seen(at::zeros({count}, at::kLong), draws.uniform(Stream::LabelDrop, {}, 1)) == 4;
    const auto share = [&](const at::Tensor& flags) { return flags.to(at::kDouble).mean().item<double>(); };
    EXPECT_NEAR(share(noClass), 0.1, 0.005);
    EXPECT_NEAR(share(noStage), 0.1, 0.005);
    EXPECT_NEAR(share(noClass.logical_and(noStage)), 0.01, 0.002);
}

TEST_F(GrowingNetworks, SubNetsOfAVitAreThePublishedOnes)
{
    const at::NoGradGuard guard;
    const auto input = growth.at("input").get<std::string>();
    const auto prefix = input.substr(0, input.find("input:"));
    const Json& s = growth.at("settings");
    const std::int64_t size = s.at("img_size");
    const auto x = inputTensor(input.substr(0, input.find(' ')), {2, 3, size, size});
    for (const auto& one : growth.at("elastic_vit").at("cases")) {
        const std::int64_t depth = one.at("maximum");
        const config::VitConfig c{.patchSize = s.at("patch_size"),
                                  .hiddenSize = s.at("embed_dim"),
                                  .depth = depth,
                                  .numHeads = s.at("num_heads"),
                                  .numClasses = s.at("num_classes")};
        Vit model(c, {3, size, size}, Place{});
        for (auto& item : model.named_parameters())
            item.value().copy_(tensorOf(goldenParameter(prefix + "super:" + item.key(), item.value().sizes().vec()), item.value().sizes()));
        model.eval();
        std::vector<bool> keep(static_cast<std::size_t>(depth), false);
        for (const auto& block : one.at("keep"))
            keep[block.get<std::size_t>()] = true;
        expectGolden(model.forward({x}, {keep, -1}, {}), growthTensors.at(one.at("logits")), 1e-4, one.dump());
        EXPECT_TRUE(at::equal(model.forward({x}, {std::vector<bool>(keep.size(), true), -1}, {}), model.forward({x}, {}, {})));
    }
}

// What a plan says before it is trained is what would be built, for every preset and each of its stages.
TEST(Presets, EveryStageHasExactlyTheParametersThatThePlanSays)
{
    for (const auto& preset : config::presets()) {
        SCOPED_TRACE(preset.id);
        auto overlay = preset.overlay;
        if (overlay["data"]["source"] == "folder")
            overlay["data"]["path"] = "/images";
        if (overlay.contains("latents"))
            overlay["latents"]["vae"] = "/vae";
        const auto run = config::read(overlay);
        ASSERT_TRUE(run) << run.error().message;
        const auto plan = plan::makeStrategy(*run, {100'000})->begin();
        ASSERT_TRUE(plan) << plan.error().message;
        for (const auto& stage : plan->stages) {
            SCOPED_TRACE(stage.id);
            const auto config = plan::configOf(*run, stage);
            const auto model = make(config.model, imageShape(config), at::kMeta, false);
            ASSERT_TRUE(model) << model.error().message;
            const auto table = shapes::parameterTable(stage.shape);
            const auto built = (*model)->named_parameters();
            ASSERT_EQ(table.size(), built.size());
            for (std::size_t i = 0; i < table.size(); ++i) {
                EXPECT_EQ(table[i].name, built[i].key());
                EXPECT_EQ(table[i].shape, built[i].value().sizes().vec()) << table[i].name;
            }
        }
    }
}

TEST_F(GrowingNetworks, TakeImagesOfOtherSides)
{
    config::VitConfig c{.patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = 5};
    Vit native(c, {3, 16, 16}, Place{});
    const at::NoGradGuard guard;
    for (auto& item : native.named_parameters())
        item.value().copy_(tensorOf(goldenParameter(item.key(), item.value().sizes().vec()), item.value().sizes()));
    native.eval();
    c.grid = 4; // the table of 16 pixels in a network for 8
    Vit small(c, {3, 8, 8}, Place{});
    for (auto& item : small.named_parameters())
        item.value().copy_(native.named_parameters()[item.key()]);
    small.eval();
    const auto x = inputTensor("input:small", {2, 3, 8, 8});
    EXPECT_TRUE(at::equal(native.forward({x}, {}, {}), small.forward({x}, {}, {}))) << "the side of the images decides, nothing else";
    EXPECT_EQ(small.image().height, 8);
    const auto shape = shapes::ModelShape{3, 0, 8, c};
    EXPECT_EQ(shapes::parameterCount(shape),
              shapes::parameterCount(
                  {3, 0, 16,
                   config::ModelConfig(config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = 5})}));
}

} // namespace
} // namespace espalier::models
