// SPDX-License-Identifier: Apache-2.0
#include "core/diffusion/objective.h"
#include "tests/core/growth/growth_support.h"

namespace espalier::growth {
namespace {

using namespace espalier::tests;

constexpr double kRate = 1e-3;

/// A step of AdamW as training takes it: over what has a gradient. Without weight decay.
void step(tensors::TrainState& state)
{
    const at::NoGradGuard guard;
    std::vector<at::Tensor> values, gradients, first, second, steps;
    for (auto& slot : state.slots) {
        if (!slot.value.grad().defined())
            continue;
        values.push_back(slot.value.detach());
        gradients.push_back(slot.value.grad());
        first.push_back(slot.m);
        second.push_back(slot.v);
        steps.push_back(slot.step);
    }
    at::_foreach_add_(steps, 1.0);
    at::_fused_adamw_(values, gradients, first, second, {}, steps, kRate, 0.9, 0.999, 0.0, 1e-8, false, false);
    for (auto& slot : state.slots)
        slot.value.mutable_grad() = at::Tensor();
}

void backward(Net& net, std::uint64_t number)
{
    diffusion::DiffusionObjective objective(config::DiffusionConfig{});
    const auto draws = tensors::Draws::at(number, 0, 0, 4);
    const auto side = net.model->image().height;
    objective(*net.model, {draws.normal(Stream::Noise, {4, side, side}, 9), {}, at::tensor({0, 1, 2, 0}, at::kLong)}, {}, draws)
        .loss.backward();
}

TEST(Freeze, OnlyWhatIsNamedTrainsAndHasMoments)
{
    auto net = makeNet(ditShape(4), "x:");
    backward(net, 1);
    setTrainable(net.state, net.shape, rangesOf({0, 2}), tests::giveMoments);
    tensors::assertPaired(net.state);
    for (const auto& slot : net.state.slots) {
        const bool trains = !slot.name.starts_with("blocks.1.") && !slot.name.starts_with("blocks.3.") && slot.name != "pos_embed";
        EXPECT_EQ(slot.value.requires_grad(), trains) << slot.name;
        EXPECT_EQ(slot.value.grad().defined(), trains) << slot.name;
        for (const auto* moment : {&slot.m, &slot.v, &slot.step})
            EXPECT_EQ(moment->defined(), trains) << slot.name;
    }
}

TEST(Freeze, NothingNamedIsEverythingButComputedTables)
{
    auto net = makeNet(ditShape(2), "x:");
    setTrainable(net.state, net.shape, rangesOf({0}), tests::giveMoments);
    setTrainable(net.state, net.shape, {}, tests::giveMoments);
    for (const auto& slot : net.state.slots) {
        EXPECT_EQ(slot.value.requires_grad(), slot.name != "pos_embed") << slot.name;
        EXPECT_EQ(slot.m.defined(), slot.name != "pos_embed") << slot.name;
    }
}

TEST(Freeze, MomentsOfWhatGoesOnTrainingAreKept)
{
    auto net = makeNet(ditShape(2), "x:");
    backward(net, 1);
    step(net.state);
    const auto moment = net.slot("blocks.0.mlp.fc2.weight").m.clone();
    EXPECT_GT(moment.abs().max().item<float>(), 0.0f);
    setTrainable(net.state, net.shape, rangesOf({0}), tests::giveMoments);
    EXPECT_TRUE(at::equal(net.slot("blocks.0.mlp.fc2.weight").m, moment));
    EXPECT_EQ(net.slot("blocks.0.mlp.fc2.weight").step.item<float>(), 1.0f);
}

TEST(Freeze, FlagsAloneCanBeSetAndPutBack)
{
    auto net = makeNet(ditShape(3), "x:");
    backward(net, 1);
    step(net.state);
    const auto before = everythingIn(net.state);
    setGradients(net.state, net.shape, rangesOf({1}));
    EXPECT_FALSE(net.slot("blocks.0.attn.proj.bias").value.requires_grad());
    EXPECT_TRUE(net.slot("blocks.1.attn.proj.bias").value.requires_grad());
    EXPECT_TRUE(allEqual(everythingIn(net.state), before));
    setGradients(net.state, net.shape, {});
    EXPECT_TRUE(net.slot("blocks.0.attn.proj.bias").value.requires_grad());
}

TEST(Freeze, FrozenBlocksAreBitIdenticalAfterTraining)
{
    at::set_num_threads(1);
    auto net = makeNet(ditShape(4), "x:");
    setTrainable(net.state, net.shape, rangesOf({0, 2}), tests::giveMoments);
    const auto before = everythingIn(net.state);
    for (std::uint64_t i = 0; i < 4; ++i) {
        backward(net, i);
        step(net.state);
    }
    const auto after = everythingIn(net.state);
    for (std::size_t i = 0; i < net.state.slots.size(); ++i) {
        const auto& slot = net.state.slots[i];
        EXPECT_EQ(at::equal(before[4 * i], after[4 * i]), !slot.value.requires_grad()) << slot.name;
        EXPECT_EQ(slot.m.defined(), slot.value.requires_grad()) << slot.name;
        EXPECT_FALSE(slot.value.grad().defined()) << slot.name;
    }
    // What is unfrozen late takes the first step of AdamW: rate times the sign of the gradient.
    setTrainable(net.state, net.shape, {}, tests::giveMoments);
    auto& late = net.slot("blocks.1.mlp.fc1.weight");
    const auto was = late.value.detach().clone();
    backward(net, 9);
    const auto gradient = late.value.grad().clone();
    step(net.state);
    const auto large = gradient.abs() > 1e-3; // a thousandfold of epsilon times 1e4
    EXPECT_GT(large.sum().item<std::int64_t>(), 0);
    expectClose((was - late.value.detach()).masked_select(large), (kRate * gradient.sign()).masked_select(large), 1e-7, 1e-4,
                "first update"); // the difference of two floats near 1 is known to 1e-7
    EXPECT_EQ(late.step.item<float>(), 1.0f);
    EXPECT_EQ(net.slot("blocks.0.mlp.fc1.weight").step.item<float>(), 5.0f);
}

/// How often AdamW updated each block in whole runs of the published code.
TEST(GoldenFreeze, BlocksAreUpdatedAsOftenAsInPublishedRuns)
{
    const auto file = goldenFolder() / "progressive" / "zero_runs.json";
    ESPALIER_NEED_GOLDEN(file);
    at::set_num_threads(1);
    const Json document = readJson(file);
    ASSERT_GT(document.at("runs").size(), 1u);
    for (const auto& [name, run] : document.at("runs").items()) {
        SCOPED_TRACE(name);
        auto shape = ditShape(run.at("depth"));
        std::get<config::DitConfig>(shape.model).numStages = run.at("stages");
        auto net = makeNet(shape, "x:");
        std::int64_t left = run.at("max_steps");
        for (const auto& event : run.at("events")) {
            if (!event.contains("trained_blocks"))
                continue;
            setTrainable(net.state, net.shape, rangesOf(event.at("trained_blocks")), tests::giveMoments);
            for (std::int64_t i = 0; i < run.at("steps_per_epoch") && left > 0; ++i, --left) {
                backward(net, static_cast<std::uint64_t>(left));
                step(net.state);
            }
        }
        EXPECT_EQ(left, 0);
        for (std::size_t i = 0; i < run.at("adamw_step_of_each_block").size(); ++i)
            EXPECT_EQ(net.slot("blocks." + std::to_string(i) + ".attn.qkv.weight").step.item<float>(),
                      run.at("adamw_step_of_each_block")[i].get<float>())
                << "block " << i;
        for (const auto& [parameter, steps] : run.at("adamw_step_elsewhere").items())
            EXPECT_EQ(net.slot(parameter).step.item<float>(), steps.get<float>()) << parameter;
    }
}

TEST(GoldenFreeze, LevelsTrainThePublishedParameters)
{
    const auto file = goldenFolder() / "progressive" / "zero.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const std::map<std::string, std::array<std::int64_t, 3>> sizes{
        {"DiT-XL", {28, 1152, 16}}, {"DiT-L", {24, 1024, 16}}, {"DiT-B", {12, 768, 12}}, {"DiT-S", {12, 384, 6}}};
    for (const auto& wanted : document.at("trainable")) {
        const auto name = wanted.at("model").get<std::string>(); // "DiT-XL/2"
        const auto [depth, width, heads] = sizes.at(name.substr(0, name.find('/')));
        const shapes::ModelShape shape{.inChannels = 4,
                                       .outChannels = 8,
                                       .side = 32,
                                       .model = config::DitConfig{.patchSize = std::stoll(name.substr(name.find('/') + 1)),
                                                                  .hiddenSize = width,
                                                                  .depth = depth,
                                                                  .numHeads = heads,
                                                                  .learnSigma = true,
                                                                  .numClasses = 1000,
                                                                  .numStages = 4}};
        auto net = makeNet(shape, "", {}, at::kMeta);
        setTrainable(net.state, shape, rangesOf(wanted.at("blocks")), tests::giveMoments);
        std::int64_t trained = 0, total = 0;
        for (const auto& slot : net.state.slots) {
            trained += slot.value.requires_grad() ? slot.value.numel() : 0;
            total += slot.name == "pos_embed" ? 0 : slot.value.numel(); // no parameter there
        }
        EXPECT_EQ(trained, wanted.at("parameters").get<std::int64_t>()) << name << " level " << wanted.at("level");
        EXPECT_EQ(total, wanted.at("total").get<std::int64_t>()) << name;
    }
    const Json& s = document.at("settings");
    shapes::ModelShape shape{.inChannels = s.at("in_channels"), .side = s.at("input_size"), .model = config::DitConfig{}};
    shape.outChannels = 2 * shape.inChannels;
    std::get<config::DitConfig>(shape.model) = {.patchSize = s.at("patch_size"),
                                                .hiddenSize = s.at("hidden_size"),
                                                .depth = s.at("depth"),
                                                .numHeads = s.at("num_heads"),
                                                .learnSigma = true,
                                                .numClasses = s.at("num_classes"),
                                                .numStages = s.at("num_stages")};
    auto net = makeNet(shape, "");
    std::vector<std::int64_t> blocks;
    for (std::int64_t i = 0; i < s.at("depth"); ++i)
        if (i % 4 < 2)
            blocks.push_back(i);
    setTrainable(net.state, shape, rangesOf(blocks), tests::giveMoments);
    std::vector<std::string> names;
    for (const auto& slot : net.state.slots)
        if (slot.value.requires_grad())
            names.push_back(slot.name);
    EXPECT_EQ(names, document.at("trainable_names_level_2").get<std::vector<std::string>>());
}

} // namespace
} // namespace espalier::growth
