// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/tiny_run.h"

#include "core/runs/follower.h"
#include "core/runs/retention.h"

#include <torch/torch.h>

#include <cmath>

namespace espalier::training {

class StageLoopRun : public TinyRun {
protected:
    static std::vector<runs::Event> eventsOf(const runs::RunFolder& folder) { return runs::RunFollower(folder.root()).poll().events; }
};

TEST_F(StageLoopRun, LearnsABatchByHeart)
{
    auto config = tinyConfig(60);
    config.data.gardenTrain = 6;
    config.data.flip = false;
    config.training.warmupSteps = 0;
    config.training.learningRate = 2e-3;
    config.training.reportEvery = 10;
    std::get<config::UNetConfig>(config.model).dropRate = 0.0;
    const auto folder = makeRun("heart", config);
    ASSERT_TRUE(train(folder, config));
    runs::RunFollower follower(folder.root());
    follower.poll();
    const auto loss = follower.curve(runs::tags::kLoss);
    ASSERT_NE(loss, nullptr);
    ASSERT_GE(loss->size(), 6u);
    EXPECT_NEAR(loss->point(0).value, 0.9, 0.3); // an untrained network has loss 1
    EXPECT_LT(loss->last().value, 0.6 * loss->point(0).value);
}

TEST_F(StageLoopRun, EndsAtTheFirstLimit)
{
    auto config = tinyConfig(100);
    config.training.epochs = 1; // 40 images in batches of 6: 6 steps, the rest is dropped
    const auto folder = makeRun("epoch", config);
    ASSERT_TRUE(train(folder, config));
    EXPECT_EQ(manifestOf(folder, 6).counters.images, 36);
    config.training.epochs = 0;
    config.training.seconds = 0.5;
    config.training.steps = 1'000'000;
    const auto timed = makeRun("timed", config);
    ASSERT_TRUE(train(timed, config));
    const auto stored = runs::storedCheckpoints(timed);
    ASSERT_EQ(stored.size(), 1u);
    EXPECT_GT(manifestOf(timed, stored[0].step).clock["training_seconds"].get<double>(), 0.49);
}

TEST_F(StageLoopRun, RefusesToGoOnWithNumbersThatAreNotFinite)
{
    auto config = tinyConfig(200);
    config.training.learningRate = 10.0;
    config.training.warmupSteps = 0;
    config.training.gradNorm = 0.0;
    config.training.optimizer = config::OptimizerKind::Sgd;
    config.training.badSteps = 3;
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 100;
    const auto folder = makeRun("nan", config);
    const auto ended = train(folder, config);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::NotFinite);
    EXPECT_NE(ended.error().message.find("training.bad_steps"), std::string::npos);
    EXPECT_NE(ended.error().message.find("The last good checkpoint is checkpoints/step-"), std::string::npos);
    EXPECT_NE(ended.error().detail.find("first bad step"), std::string::npos);
    for (const auto& event : eventsOf(folder))
        EXPECT_NE(event.kind, runs::Failed::kKind) << "the supervisor hears the reason and writes it, once";
    // No checkpoint holds a number that is not finite.
    const auto stored = runs::storedCheckpoints(folder);
    ASSERT_FALSE(stored.empty());
    const auto weights = tensors::readWeights(folder.checkpointFolder(stored.back().step), "raw");
    ASSERT_TRUE(weights);
    for (const auto& [name, value] : *weights)
        EXPECT_TRUE(at::isfinite(value).all().item<bool>()) << name;
}

TEST_F(StageLoopRun, KeepsWhatRetentionSays)
{
    auto config = tinyConfig(9);
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 2;
    config.checkpoints.keepEvery = 4;
    const auto folder = makeRun("retention", config);
    ASSERT_TRUE(train(folder, config));
    std::vector<std::int64_t> steps;
    for (const auto& checkpoint : runs::storedCheckpoints(folder))
        steps.push_back(checkpoint.step);
    EXPECT_EQ(steps, (std::vector<std::int64_t>{4, 8, 9}));
}

TEST_F(StageLoopRun, ASetSmallerThanABatchIsRefusedByName)
{
    auto config = tinyConfig(2);
    config.data.gardenTrain = 5;
    const auto folder = makeRun("small", config);
    const auto ended = train(folder, config);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::Usage);
    EXPECT_NE(ended.error().message.find("training.batch_size"), std::string::npos);
}

} // namespace espalier::training
