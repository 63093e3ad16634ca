// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/plan/forecast.h"
#include "core/plan/strategy.h"
#include "core/shapes/cost.h"

#include <gtest/gtest.h>

namespace espalier::plan {

namespace {

config::RunConfig preset(const char* id)
{
    return *config::read(config::findPreset(id)->overlay);
}

} // namespace

TEST(PlainStrategy, IsOneStageThatEndsOnce)
{
    const auto made = makeStrategy(preset("smoke"), DataFacts{256});
    const auto& strategy = *made;
    const auto plan = strategy.begin();
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->stages.size(), 1u);
    EXPECT_EQ(plan->stages[0].length, (Length{12, {}, {}}));
    EXPECT_EQ(plan->stages[0].shape, shapes::shapeOf(preset("smoke")));
    EXPECT_EQ(strategy.ready(*plan), std::vector<Request>{TrainStage{"stage-00"}});

    const auto ended = strategy.apply(*plan, stageFinished("stage-00", {12, 96, 1.5, 1e9}));
    EXPECT_TRUE(strategy.ready(ended).empty());
    EXPECT_EQ(strategy.apply(ended, stageFinished("stage-00", {13, 104, 1.6, 2e9})), ended) << "answered once";
    const auto reread = planFromText(toJson(ended).dump());
    ASSERT_TRUE(reread) << reread.error().message;
    EXPECT_TRUE(strategy.ready(*reread).empty()) << "nothing is remembered outside the plan";
}

TEST(PlainStrategy, BatchesLargerThanTheDataAreRefused)
{
    const auto plan = makeStrategy(preset("smoke"), DataFacts{5})->begin();
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().message, "training.batch_size 8 is more than the 5 training images; lower it to 5 or less.");
    EXPECT_FALSE(makeStrategy(preset("smoke"), DataFacts{0})->begin());
}

TEST(PlainStrategy, ForecastsThePublishedRun)
{
    const auto plan = makeStrategy(preset("ddpm-cifar10"), DataFacts{50000})->begin();
    ASSERT_TRUE(plan) << plan.error().message;
    const auto& stage = plan->stages[0];
    const auto cost = forecast(stage);
    EXPECT_EQ(cost.steps, 795600);
    EXPECT_EQ(cost.images, 795600 * 128);
    EXPECT_EQ(cost.parameters, 35746307);
    EXPECT_DOUBLE_EQ(*cost.flops, 795600.0 * 128 * shapes::trainingFlops(stage.shape));
    EXPECT_EQ(cost.seconds, std::nullopt);
    EXPECT_DOUBLE_EQ(*forecast(stage, 1000.0).seconds, 795600.0 * 128 / 1000);
}

TEST(PlainStrategy, ForecastsTimeLimitsByTheRate)
{
    Stage stage;
    stage.length = {{}, {}, 100.0};
    stage.globalBatch = 32;
    EXPECT_EQ(forecast(stage).steps, std::nullopt);
    EXPECT_EQ(forecast(stage).flops, std::nullopt);
    EXPECT_EQ(forecast(stage).seconds, 100.0);
    EXPECT_EQ(forecast(stage, 64.0).steps, 200);
    stage.length.steps = 50;
    EXPECT_EQ(forecast(stage, 64.0).steps, 50);
    EXPECT_EQ(forecast(stage, 64.0).seconds, 25.0);
}

} // namespace espalier::plan
