// SPDX-License-Identifier: Apache-2.0
#include "tests/core/growth/growth_support.h"

namespace espalier::growth {
namespace {

using namespace espalier::tests;
using From = plan::PartSource::From;

/// Gives moments and averages values of their own.
void train(Net& net, const std::string& prefix)
{
    const at::NoGradGuard guard;
    float steps = 3;
    for (auto& slot : net.state.slots) {
        if (!slot.value.requires_grad())
            continue;
        slot.m.copy_(filledAs(prefix + "m:" + slot.name, slot.value));
        slot.v.copy_(filledAs(prefix + "v:" + slot.name, slot.value).square());
        slot.step.fill_(steps++);
        for (std::size_t i = 0; i < slot.ema.size(); ++i)
            slot.ema[i].copy_(filledAs(prefix + std::to_string(i) + ":" + slot.name, slot.value));
    }
}

TEST(Grow, CopiesOfABlockTakeItsMomentsAndSteps)
{
    auto before = makeNet(vitShape(2), "old:", {0.9});
    train(before, "old:");
    auto after = makeNet(vitShape(4), "new:", {0.9});
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, sourcesOf({0, 0, 1, 1}, "stage-00")), parents, after.state));
    tensors::assertPaired(after.state);
    for (const auto& [to, from] : {std::pair{0, 0}, {1, 0}, {2, 1}, {3, 1}}) {
        auto& copy = after.slot("blocks." + std::to_string(to) + ".attn.qkv.weight");
        auto& source = before.slot("blocks." + std::to_string(from) + ".attn.qkv.weight");
        EXPECT_TRUE(at::equal(copy.value, source.value));
        EXPECT_TRUE(at::equal(copy.m, source.m));
        EXPECT_TRUE(at::equal(copy.v, source.v));
        EXPECT_TRUE(at::equal(copy.step, source.step));
        EXPECT_FALSE(copy.value.is_alias_of(source.value));
    }
    EXPECT_TRUE(at::equal(after.slot("pos_embed").m, before.slot("pos_embed").m));
}

TEST(Grow, ResetLeavesTheOptimizerWithoutState)
{
    auto before = makeNet(vitShape(2), "old:");
    train(before, "old:");
    auto after = makeNet(vitShape(3), "new:");
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, sourcesOf({0, 1, 1}, "stage-00"), config::Carry::Reset), parents, after.state));
    for (const auto& slot : after.state.slots) {
        EXPECT_EQ(slot.m.abs().sum().item<float>(), 0.0f) << slot.name;
        EXPECT_EQ(slot.v.abs().sum().item<float>(), 0.0f) << slot.name;
        EXPECT_EQ(slot.step.item<float>(), 0.0f) << slot.name;
    }
}

TEST(Grow, EachAverageGrowsFromItsOwn)
{
    auto before = makeNet(vitShape(2), "old:", {0.9, 0.99});
    train(before, "old:");
    auto after = makeNet(vitShape(3), "new:", {0.99, 0.5, 0.9}); // in another order, and one that is new
    after.slot("blocks.2.mlp.fc1.weight").ema[1].zero_();        // first weights may have come after the averages
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, sourcesOf({0, 1, -1}, "stage-00", "ema:0.99")), parents, after.state));
    auto& source = before.slot("blocks.1.mlp.fc1.weight");
    auto& grown = after.slot("blocks.1.mlp.fc1.weight");
    EXPECT_TRUE(at::equal(grown.value, source.ema[1]));
    EXPECT_TRUE(at::equal(grown.ema[0], source.ema[1]));
    EXPECT_TRUE(at::equal(grown.ema[1], source.ema[1])); // the new value
    EXPECT_TRUE(at::equal(grown.ema[2], source.ema[0]));
    auto& fresh = after.slot("blocks.2.mlp.fc1.weight");
    EXPECT_TRUE(at::equal(fresh.value, filledAs("new:blocks.2.mlp.fc1.weight", fresh.value)));
    for (const auto& average : fresh.ema)
        EXPECT_TRUE(at::equal(average, fresh.value));
    EXPECT_EQ(fresh.step.item<float>(), 0.0f);
}

TEST(Grow, AnAverageIsNamedOrTheFirst)
{
    auto before = makeNet(vitShape(1), "old:", {0.9, 0.99});
    train(before, "old:");
    auto without = makeNet(vitShape(1), "old:");
    auto after = makeNet(vitShape(1), "new:");
    auto& grown = after.slot("head.weight").value;
    const Parent parents[] = {before.as("stage-00"), without.as("other")};
    const auto growAs = [&](const char* which, const char* weights) {
        return grow(stageOf(after, {{{}, From::Stage, which, {}, weights}}), parents, after.state);
    };
    expectGrown(growAs("stage-00", "ema"));
    EXPECT_TRUE(at::equal(grown, before.slot("head.weight").ema[0]));
    expectGrown(growAs("stage-00", "raw"));
    EXPECT_TRUE(at::equal(grown, before.slot("head.weight").value));
    expectGrown(growAs("stage-00", "ema:0.99"));
    EXPECT_TRUE(at::equal(grown, before.slot("head.weight").ema[1]));
    expectGrown(growAs("other", "ema")); // as checkpoints have it
    EXPECT_TRUE(at::equal(grown, without.slot("head.weight").value));
    const auto refused = growAs("stage-00", "ema:0.5");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "Stage stage-01: the whole model cannot come from stage-00: it has no weights ema:0.5; there are "
                                       "raw, ema:0.9, ema:0.99.");
}

TEST(Grow, OneBlockCanFillMany)
{
    auto before = makeNet(vitShape(3), "old:");
    auto after = makeNet(vitShape(4), "new:");
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, {{{"blocks", 1, -1}, From::Stage, "stage-00", {"blocks", 2, 3}, ""}}), parents, after.state));
    for (int i = 0; i < 4; ++i) {
        const auto name = "blocks." + std::to_string(i) + ".norm1.bias";
        auto& value = after.slot(name).value;
        EXPECT_TRUE(at::equal(value, i == 0 ? filledAs("new:" + name, value) : before.slot("blocks.2.norm1.bias").value)) << i;
    }
}

TEST(Grow, NamesDoNotMixUpBlocksOneAndTen)
{
    auto before = makeNet(vitShape(11, 12, 1), "old:");
    auto after = makeNet(vitShape(12, 12, 1), "new:");
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, {{{"blocks", 0, 11}, From::Stage, "stage-00", {"blocks"}, ""}}), parents, after.state));
    for (const auto& slot : after.state.slots)
        EXPECT_EQ(slot.name.starts_with("blocks.") && !slot.name.starts_with("blocks.11."),
                  !at::equal(slot.value, filledAs("new:" + slot.name, slot.value)))
            << slot.name;
    EXPECT_TRUE(at::equal(after.slot("blocks.10.norm1.bias").value, before.slot("blocks.10.norm1.bias").value));
}

TEST(Grow, MomentsOfWhatOneSideDoesNotTrainStayBehind)
{
    auto before = makeNet(ditShape(2), "old:");
    train(before, "old:");
    setTrainable(before.state, before.shape, rangesOf({0}), tests::giveMoments);
    auto after = makeNet(ditShape(2), "new:");
    const Parent parents[] = {before.as("stage-00")};
    setTrainable(after.state, after.shape, rangesOf({1}), tests::giveMoments);
    expectGrown(grow(stageOf(after, {{{}, From::Stage, "stage-00", {}, ""}}), parents, after.state));
    EXPECT_FALSE(after.slot("blocks.0.attn.qkv.weight").m.defined());
    EXPECT_EQ(after.slot("blocks.1.attn.qkv.weight").step.item<float>(), 0.0f);
    EXPECT_GT(after.slot("x_embedder.proj.weight").step.item<float>(), 0.0f);
    EXPECT_TRUE(at::equal(after.slot("blocks.0.attn.qkv.weight").value, before.slot("blocks.0.attn.qkv.weight").value));
    tensors::assertPaired(after.state);
}

TEST(Grow, AComputedTableOfAnotherSizeStaysAsComputed)
{
    auto before = makeNet(ditShape(1, 8), "old:", {0.9});
    {
        const at::NoGradGuard guard;
        before.slot("pos_embed").value.mul_(2); // as if it came with somebody's weights
    }
    auto same = makeNet(ditShape(1, 8), "new:", {0.9}), larger = makeNet(ditShape(1, 12), "new:", {0.9});
    const Parent parents[] = {before.as("stage-00")};
    for (auto* after : {&same, &larger})
        expectGrown(grow(stageOf(*after, {{{}, From::Stage, "stage-00", {}, ""}}), parents, after->state));
    EXPECT_TRUE(at::equal(same.slot("pos_embed").value, before.slot("pos_embed").value));
    EXPECT_TRUE(at::equal(larger.slot("pos_embed").value, models::positionTable(16, 6)));
    EXPECT_TRUE(at::equal(larger.slot("pos_embed").ema[0], models::positionTable(16, 6)));
    EXPECT_FALSE(larger.slot("pos_embed").value.requires_grad());
    EXPECT_TRUE(at::equal(larger.slot("final_layer.linear.weight").value, before.slot("final_layer.linear.weight").value));
}

TEST(Grow, ALevelOfAUNetKeepsWhatDoesNotMatchAsItBegan)
{
    const auto shape = [](std::vector<std::int64_t> multipliers, std::vector<bool> attention) {
        return shapes::ModelShape{
            .side = 16,
            .model = config::UNetConfig{
                .hidChannels = 32, .chMultipliers = std::move(multipliers), .numResBlocks = 1, .applyAttn = std::move(attention)}};
    };
    auto before = makeNet(shape({1, 1}, {false, true}), "old:", {0.9}),
         after = makeNet(shape({1, 1, 2}, {false, true, true}), "new:", {0.9});
    const Parent parents[] = {before.as("stage-00")};
    expectGrown(grow(stageOf(after, {{{"downsamples", 0, 2}, From::Stage, "stage-00", {"downsamples"}, ""},
                                     {{"downsamples", 2, 3}, From::Stage, "stage-00", {"downsamples", 1, 2}, ""}}),
                     parents, after.state));
    const auto cameFrom = [&](const std::string& name, const std::string& source) {
        return at::equal(after.slot(name).value, before.slot(source).value);
    };
    EXPECT_TRUE(cameFrom("downsamples.level_0.0.conv1.weight", "downsamples.level_0.0.conv1.weight"));
    EXPECT_TRUE(cameFrom("downsamples.level_1.0.1.project_in.weight", "downsamples.level_1.0.1.project_in.weight"));
    EXPECT_TRUE(cameFrom("downsamples.level_2.0.0.norm1.weight", "downsamples.level_1.0.0.norm1.weight"));
    // Level 2 is wider, and level 1 of the old network was its last, without a way down.
    for (const std::string name : {"downsamples.level_2.0.0.conv1.weight", "downsamples.level_1.1.1.weight", "middle.0.conv1.weight"}) {
        auto& slot = after.slot(name);
        EXPECT_TRUE(at::equal(slot.value, filledAs("new:" + name, slot.value))) << name;
        EXPECT_TRUE(at::equal(slot.ema[0], slot.value)) << name;
    }
}

TEST(Grow, ALevelThatIsAModuleIsWhatItWasOrNone)
{
    const auto shape = [](std::vector<std::int64_t> blocks) {
        return shapes::ModelShape{
            .side = 16,
            .model = config::withLevelBlocks({.hidChannels = 32, .chMultipliers = {1, 1}, .numResBlocks = 1, .applyAttn = {false, false}},
                                             std::move(blocks))};
    };
    auto meta = makeNet(shape({1, 1}), "old:"), hybrid = makeNet(shape({1, 2}), "new:");
    const Parent parents[] = {meta.as("meta")};
    auto stage = stageOf(hybrid, {{{"downsamples", 0, 1}, From::Stage, "meta", {"downsamples", 0, 1}, ""}});
    stage.division = {1, 2};
    expectGrown(grow(stage, parents, hybrid.state));
    EXPECT_TRUE(at::equal(hybrid.slot("downsamples.level_0.1.1.weight").value, meta.slot("downsamples.level_0.1.1.weight").value));
    stage.weights = {{{"downsamples", 1, 2}, From::Stage, "meta", {"downsamples", 1, 2}, ""}};
    const auto refused = grow(stage, parents, hybrid.state);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("downsamples.level_1.1.norm1.weight has nothing to come from"), std::string::npos)
        << refused.error().message;
}

TEST(Grow, NothingChangesUnlessAllFits)
{
    auto narrow = makeNet(vitShape(2, 24), "old:", {0.9}), good = makeNet(vitShape(2), "old:", {0.9}), other = makeNet(ditShape(2), "old:");
    auto biasless = vitShape(2);
    std::get<config::VitConfig>(biasless.model).qkvBias = false;
    auto without = makeNet(biasless, "old:");
    auto after = makeNet(vitShape(3), "new:", {0.9});
    const Parent parents[] = {narrow.as("narrow"), good.as("good"), other.as("dit"), without.as("without")};
    const auto untouched = everythingIn(after.state);
    const auto refusal = [&](std::vector<plan::PartSource> sources) {
        const auto grown = grow(stageOf(after, std::move(sources)), parents, after.state);
        EXPECT_FALSE(grown);
        EXPECT_TRUE(allEqual(everythingIn(after.state), untouched));
        return grown ? std::string() : grown.error().message;
    };
    const plan::PartSource embed{{"embed"}, From::Stage, "good", {"embed"}, ""};
    EXPECT_EQ(refusal({embed, {{"head"}, From::Stage, "gone", {"head"}, ""}}),
              "Stage stage-01: part head cannot come from gone: that stage is not there.");
    EXPECT_EQ(refusal({embed, {{"head"}, From::Stage, "narrow", {"head"}, ""}}),
              "Stage stage-01: part head cannot come from narrow: norm.weight has shape [24], but [48] is needed.");
    EXPECT_EQ(refusal({embed, {{"blocks", 1, 3}, From::Stage, "good", {"embed"}, ""}}),
              "Stage stage-01: blocks 1 to 2 of blocks cannot come from good: that is part embed.");
    EXPECT_EQ(refusal({embed, {{"blocks"}, From::Stage, "good", {"blocks"}, ""}}),
              "Stage stage-01: part blocks cannot come from good: part blocks has another number of blocks.");
    EXPECT_EQ(refusal({embed, {{"blocks", 2, 3}, From::Stage, "good", {"blocks", 2, 3}, ""}}),
              "Stage stage-01: block 2 of blocks cannot come from good: Part blocks has blocks 0 to 1; 2 to 2 is no range of them.");
    EXPECT_EQ(refusal({embed, {{"blocks", 0, 1}, From::Stage, "without", {"blocks", 0, 1}, ""}}),
              "Stage stage-01: block 0 of blocks cannot come from without: blocks.0.attn.qkv.bias has nothing to come from.");
    EXPECT_EQ(refusal({embed, {{}, From::Stage, "dit", {}, ""}}),
              "Stage stage-01: the whole model cannot come from dit: that is DiT 16·2/2 at 8².");
    EXPECT_EQ(refusal({embed, embed}), "Stage stage-01: part embed cannot come from good: cls_token comes from elsewhere already.");
    EXPECT_NE(refusal({embed, {{"head"}, From::File, "/nowhere/at/all.safetensors", {"head"}, ""}})
                  .find("Stage stage-01: part head cannot come from /nowhere/at/all.safetensors. "),
              std::string::npos);
    // The other way round there is a bias too many.
    auto bare = makeNet(biasless, "new:");
    const auto grown = grow(stageOf(bare, {{{}, From::Stage, "good", {}, ""}}), parents, bare.state);
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().message, "Stage stage-01: the whole model cannot come from good: blocks.0.attn.qkv.bias would be left out.");
}

TEST(Grow, APartCanComeFromAFile)
{
    auto before = makeNet(vitShape(2), "old:", {0.9});
    tensors::NamedTensors named;
    for (const auto& slot : before.state.slots)
        named.emplace_back(slot.name, slot.value.detach());
    const auto file = std::filesystem::temp_directory_path() / ("espalier-growth-" + std::to_string(::getpid()) + ".safetensors");
    ASSERT_TRUE(tensors::writeTensors(file, named, {}, Sync::No));
    auto after = makeNet(vitShape(2), "new:", {0.9});
    expectGrown(grow(stageOf(after, {{{"blocks"}, From::File, file.string(), {"blocks", 1, 2}, "raw"}}), {}, after.state));
    std::filesystem::remove(file);
    auto& slot = after.slot("blocks.0.attn.proj.weight");
    EXPECT_TRUE(at::equal(slot.value, before.slot("blocks.1.attn.proj.weight").value));
    EXPECT_TRUE(at::equal(slot.ema[0], slot.value));
    EXPECT_EQ(slot.step.item<float>(), 0.0f);
    EXPECT_TRUE(at::equal(after.slot("head.bias").value, filledAs("new:head.bias", after.slot("head.bias").value)));
}

} // namespace
} // namespace espalier::growth
