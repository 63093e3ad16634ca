// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/tiny_run.h"
#include "tests/support/ranks.h"

#include "core/runs/follower.h"
#include "core/runs/scalars.h"

#include <torch/torch.h>

namespace espalier::training {
namespace fs = std::filesystem;

class ExactResume : public TinyRun {};

TEST_F(ExactResume, ASaveInTheMiddleChangesNoBit)
{
    const auto straight = makeRun("straight", tinyConfig(10));
    ASSERT_TRUE(train(straight, tinyConfig(10)));
    const auto broken = makeRun("broken", tinyConfig(10));
    ASSERT_TRUE(train(broken, tinyConfig(4))); // ends inside an epoch and inside a report
    ASSERT_TRUE(train(broken, tinyConfig(7))); // and in another one
    ASSERT_TRUE(train(broken, tinyConfig(10)));
    expectEqualShards(straight, broken, 10);
}

TEST_F(ExactResume, AccumulationGoesOnExactlyToo)
{
    auto config = tinyConfig(6);
    config.training.microBatch = 2;
    const auto straight = makeRun("straight", config);
    ASSERT_TRUE(train(straight, config));
    const auto broken = makeRun("broken", config);
    auto first = config;
    first.training.steps = 3;
    ASSERT_TRUE(train(broken, first));
    ASSERT_TRUE(train(broken, config));
    expectEqualShards(straight, broken, 6);
}

TEST_F(ExactResume, ABrokenCheckpointIsPassedOverForAnEarlierOne)
{
    auto config = tinyConfig(6);
    config.checkpoints.every = 2;
    const auto straight = makeRun("straight", config);
    ASSERT_TRUE(train(straight, config));
    const auto broken = makeRun("broken", config);
    auto first = config;
    first.training.steps = 4;
    ASSERT_TRUE(train(broken, first));
    // Flip one byte of the newest shard.
    const auto shard = broken.checkpointFolder(4) / manifestOf(broken, 4).files.front().name;
    std::FILE* file = std::fopen(shard.c_str(), "r+b");
    ASSERT_NE(file, nullptr);
    std::fseek(file, -5, SEEK_END);
    const int byte = std::fgetc(file);
    std::fseek(file, -5, SEEK_END);
    std::fputc(byte ^ 1, file);
    std::fclose(file);
    ASSERT_TRUE(train(broken, config));
    expectEqualShards(straight, broken, 6);
}

TEST_F(ExactResume, DrawingAndEvaluatingChangeNoBit)
{
    const auto plain = makeRun("plain", tinyConfig(6));
    ASSERT_TRUE(train(plain, tinyConfig(6)));
    auto config = tinyConfig(6);
    config.samples.every = 2;
    config.samples.count = 4;
    config.evaluation.every = 3;
    const auto watched = makeRun("watched", config);
    const auto ended = train(watched, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    expectEqualShards(plain, watched, 6);
    EXPECT_TRUE(fs::exists(watched.samplesFolder(0, 4) / "ema.png"));
    EXPECT_TRUE(fs::exists(watched.samplesFolder(0, 4) / "raw.png"));
    runs::RunFollower follower(watched.root());
    const auto changes = follower.poll();
    int evaluations = 0;
    for (const auto& event : changes.events)
        if (const auto evaluated = runs::Evaluated::from(event)) {
            ++evaluations;
            EXPECT_GT(*evaluated->ceiling, *evaluated->floor);
            EXPECT_GT(evaluated->value, *evaluated->floor);
        }
    EXPECT_EQ(evaluations, 2);
}

TEST_F(ExactResume, ThreeRanksGoOnExactly)
{
    const auto config = tinyConfig(5);
    auto first = config;
    first.training.steps = 2;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    const auto trainOn = [&](const runs::RunFolder& folder, const config::RunConfig& how) {
        tests::onRanks(3, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
            at::set_num_threads(1);
            const auto ended = train(folder, how, group);
            return ended ? "" : ended.error().message + " " + ended.error().detail;
        });
    };
    trainOn(straight, config);
    trainOn(broken, first);
    trainOn(broken, config);
    expectEqualShards(straight, broken, 5);
}

class Ranks : public TinyRun {};

// Adam turns gradients that are zero in theory into noise, so plain gradient descent is compared. Dropout stays on: draws are the same.
TEST_F(Ranks, TwoAndThreeTrainLikeOne)
{
    auto config = tinyConfig(3);
    config.training.optimizer = config::OptimizerKind::Sgd;
    config.training.learningRate = 0.05;
    config.training.momentum = 0.0;
    config.training.gradNorm = 0.0;
    const auto one = makeRun("one", config);
    ASSERT_TRUE(train(one, config));
    const auto reference = *tensors::readWeights(one.checkpointFolder(3), "raw");
    for (const int world : {2, 3}) {
        const auto folder = makeRun("ranks" + std::to_string(world), config);
        tests::onRanks(world, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
            at::set_num_threads(1);
            const auto ended = train(folder, config, group);
            return ended ? "" : ended.error().message + " " + ended.error().detail;
        });
        const auto weights = tensors::readWeights(folder.checkpointFolder(3), "raw");
        ASSERT_TRUE(weights) << weights.error().message;
        for (const auto& [name, value] : reference) // float sums in another order
            EXPECT_TRUE(at::allclose(value, weights->at(name), 1e-4, 1e-6)) << name << " on " << world << " ranks";
    }
}

} // namespace espalier::training
