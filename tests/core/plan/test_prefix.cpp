// SPDX-License-Identifier: Apache-2.0
#include "core/plan/forecast.h"
#include "core/plan/prefix.h"
#include "core/plan/stage_config.h"
#include "core/plan/strategy.h"
#include "core/shapes/cost.h"

#include <gtest/gtest.h>

namespace espalier::plan {
namespace {

constexpr std::int64_t kImages = 1000;

/// A ViT without anything that draws, of which `trainable` trains in the first of two stages.
config::RunConfig vit(const std::string& trainable)
{
    config::RunConfig config;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 192, .depth = 12, .numHeads = 3, .numClasses = 10};
    config.data.side = 32;
    config.data.flip = false;
    config.training.steps = 100;
    config.training.batchSize = 100; // 5000 images in each stage
    config.schedule = config::StagesSchedule{.stages = 2, .trainable = trainable + ";all"};
    return config;
}

Stage firstStage(const config::RunConfig& config)
{
    const auto plan = makeStrategy(config, {kImages})->begin();
    EXPECT_TRUE(plan) << plan.error().message;
    return plan->stages.front();
}

Prefix prefixOf(const config::RunConfig& config)
{
    const auto stage = firstStage(config);
    return prefixOf(configOf(config, stage), stage, kImages);
}

std::string whyNot(const config::RunConfig& config)
{
    const auto prefix = prefixOf(config);
    EXPECT_FALSE(prefix.kept());
    EXPECT_GT(prefix.frozen, 0);
    return prefix.whyNot;
}

} // namespace

TEST(Prefix, EndsBeforeTheFirstPartThatTrains)
{
    const auto frozen = [](const std::string& trainable) {
        const auto stage = firstStage(vit(trainable));
        return frozenBlocks(stage.shape, stage.trainable);
    };
    EXPECT_EQ(frozen("all"), 0);
    EXPECT_EQ(frozen("head"), 12);
    EXPECT_EQ(frozen("blocks:7-9+head"), 7);
    EXPECT_EQ(frozen("blocks:7-9+blocks:3-4"), 3);
    EXPECT_EQ(frozen("blocks:7-9+embed"), 0);
    EXPECT_EQ(frozen("blocks"), 0);
}

TEST(Prefix, IsKeptAsTokensOrPooledForTheHead)
{
    auto config = vit("blocks:6-11+head");
    auto prefix = prefixOf(config);
    EXPECT_EQ(prefix.blocks, 6);
    EXPECT_EQ(prefix.values, (std::vector<std::int64_t>{65, 192}));
    EXPECT_EQ(prefix.versions, 1);
    EXPECT_EQ(prefix.bytes, kImages * 65 * 192 * 4u);
    config.data.flip = true;
    EXPECT_EQ(prefixOf(config).bytes, 2 * prefix.bytes) << "the mirror images too";
    std::get<config::StagesSchedule>(config.schedule).side = {16, 32};
    EXPECT_EQ(prefixOf(config).values.front(), 17) << "at the side of the stage";
    config = vit("head");
    prefix = prefixOf(config);
    EXPECT_EQ(prefix.blocks, 12);
    EXPECT_EQ(prefix.values, std::vector<std::int64_t>{192});
    EXPECT_TRUE(prefix.whyNot.empty());
    EXPECT_EQ(prefixOf(vit("all")).frozen, 0);
    EXPECT_TRUE(prefixOf(vit("all")).whyNot.empty()) << "nothing to say where nothing is frozen";
}

TEST(Prefix, IsNotKeptWhereItChangesFromEpochToEpoch)
{
    auto config = vit("head");
    config.data.augment.crop = config::RandomCrop::Padded;
    EXPECT_EQ(whyNot(config), "data.augment.crop cuts images anew in every epoch.");
    config = vit("head");
    config.data.augment.operations = 2;
    EXPECT_EQ(whyNot(config), "data.augment.operations changes images anew in every epoch.");
    config = vit("head");
    config.data.augment.erase = 0.1;
    EXPECT_EQ(whyNot(config), "data.augment.erase erases parts of images anew in every epoch.");
    config = vit("head");
    config.data.augment.mixup = 0.8;
    EXPECT_EQ(whyNot(config), "data.augment.mixup mixes images anew in every epoch.");
    config = vit("head");
    config.data.augment.cutmix = 0.8;
    EXPECT_EQ(whyNot(config), "data.augment.cutmix mixes images anew in every epoch.");
    config = vit("head");
    std::get<config::VitConfig>(config.model).dropPath = 0.1;
    EXPECT_EQ(whyNot(config), "model.drop_path drops branches of the frozen blocks anew in every epoch.");
    std::get<config::StagesSchedule>(config.schedule).drop = {0.0, 0.1};
    EXPECT_TRUE(prefixOf(config).kept()) << "the stage drops nothing";
    config = vit("blocks:1-11");
    std::get<config::VitConfig>(config.model).dropPath = 0.1;
    EXPECT_TRUE(prefixOf(config).kept()) << "the first block never drops";
    config = vit("head");
    config.model = config::DitConfig{.patchSize = 4, .hiddenSize = 192, .depth = 12, .numHeads = 3};
    EXPECT_EQ(whyNot(config), "A diffusion model sees other noise in every step.");
    // What changes the list or the labels changes no image.
    config = vit("head");
    config.data.augment.repeats = 3;
    config.data.augment.labelSmoothing = 0.1;
    EXPECT_TRUE(prefixOf(config).kept());
}

TEST(Prefix, StaysWithinItsMemory)
{
    auto config = vit("blocks:6-11+head"); // 49.92 MB
    config.training.prefixCache = 48;      // 50.3 MB
    EXPECT_TRUE(prefixOf(config).kept());
    config.training.prefixCache = 47; // 49.3 MB
    EXPECT_EQ(whyNot(config), "What they give takes 49.9 MB, more than the 49.3 MB of training.prefix_cache.");
    config.training.prefixCache = 0;
    EXPECT_EQ(whyNot(config), "training.prefix_cache is 0.");
}

TEST(Prefix, IsNotKeptWhereThatIsMoreWork)
{
    auto config = vit("head");
    config.data.flip = true;
    config.training.steps = 40; // 2000 images in each stage, as many as there are with their mirror images
    EXPECT_EQ(whyNot(config), "The stage sees no more images than would have to be computed.");
    config.training.steps = 42;
    EXPECT_TRUE(prefixOf(config).kept());
    config.training.steps = 40;
    config.data.flip = false;
    EXPECT_TRUE(prefixOf(config).kept());
    config.training.steps = 0;
    config.training.seconds = 1.0;
    EXPECT_TRUE(prefixOf(config).kept()) << "nobody knows how many images that will be";
}

TEST(Prefix, FrozenBlocksCostNoBackwardAndKeptOnesNothing)
{
    const auto whole = firstStage(vit("all")), head = firstStage(vit("head"));
    const double forward = shapes::forwardFlops(head.shape), below = shapes::prefixFlops(head.shape, 12);
    EXPECT_GT(below, 0.999 * forward);
    const auto all = forecast(whole).flopsPerImage, frozen = forecast(head).flopsPerImage;
    EXPECT_DOUBLE_EQ(all, 3.0 * forward);
    EXPECT_NEAR(frozen, forward + 2.0 * (forward - below), 1e-6 * forward) << "no backward below the head";
    const auto prefix = prefixOf(vit("head"));
    const auto kept = forecast(head, 0.0, prefix);
    EXPECT_NEAR(kept.flopsPerImage, 3.0 * (forward - below), 1e-6 * forward);
    EXPECT_LT(kept.flopsPerImage * 1000.0, frozen);
    EXPECT_DOUBLE_EQ(prefix.fillFlops, kImages * below);
    EXPECT_DOUBLE_EQ(*kept.flops, static_cast<double>(*kept.images) * kept.flopsPerImage + prefix.fillFlops) << "it is computed once";
    EXPECT_EQ(forecast(head, 0.0, prefixOf(vit("head"), head, 0)).flops, std::nullopt) << "of a set whose size is not known";
    auto mirrored = vit("head");
    mirrored.data.flip = true;
    EXPECT_DOUBLE_EQ(prefixOf(mirrored).fillFlops, 2.0 * prefix.fillFlops);
    // Half of the blocks: gradients flow through the other half alone.
    const auto half = firstStage(vit("blocks:6-11+head"));
    const double above = forward - shapes::prefixFlops(half.shape, 6);
    EXPECT_NEAR(forecast(half).flopsPerImage, forward + 2.0 * above, 1e-6 * forward);
}

} // namespace espalier::plan
