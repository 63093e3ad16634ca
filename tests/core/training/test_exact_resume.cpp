// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/ranks_run.h"
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
        if (const auto evaluated = runs::eventAs<runs::Evaluated>(event)) {
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

/// A DiT on pixels that knows classes, hides some of them and computes its blocks twice.
config::RunConfig tinyDit(std::int64_t steps)
{
    auto config = tinyConfig(steps);
    config.model =
        config::DitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = 10, .classDropoutProb = 0.3};
    config.training.recompute = true;
    return config;
}

TEST_F(ExactResume, ADitGoesOnExactlyAndIsDrawnFrom)
{
    auto config = tinyDit(6), first = config;
    first.training.steps = 3;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    ASSERT_TRUE(train(straight, config));
    ASSERT_TRUE(train(broken, first));
    config.samples.every = 3;
    config.samples.count = 4;
    config.evaluation.every = 3;
    const auto ended = train(broken, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    expectEqualShards(straight, broken, 6);
    EXPECT_TRUE(fs::exists(broken.samplesFolder(0, 6) / "ema.png"));
    // The table of positions is saved with the weights, as published, but never trained.
    const auto start = *tensors::readWeights(broken.checkpointFolder(3), "raw"),
               end = *tensors::readWeights(broken.checkpointFolder(6), "raw"),
               average = *tensors::readWeights(broken.checkpointFolder(6), "ema");
    EXPECT_TRUE(at::equal(start.at("pos_embed"), end.at("pos_embed")));
    EXPECT_TRUE(at::equal(average.at("pos_embed"), end.at("pos_embed")));
    EXPECT_FALSE(at::equal(start.at("final_layer.linear.weight"), end.at("final_layer.linear.weight")));
}

TEST_F(ExactResume, EveryOptimizerGoesOnExactly)
{
    auto lamb = tinyDit(4), amsgrad = tinyDit(4), dampened = tinyDit(4);
    lamb.training.optimizer = config::OptimizerKind::Lamb;
    lamb.training.weightDecayOn = config::DecayOn::Matrices;
    amsgrad.training.amsgrad = true;
    dampened.training.optimizer = config::OptimizerKind::Sgd;
    dampened.training.dampening = 0.5;
    int index = 0;
    for (auto& config : {lamb, amsgrad, dampened}) {
        SCOPED_TRACE(++index);
        auto whole = config, first = config;
        whole.training.weightDecay = first.training.weightDecay = 0.05;
        first.training.steps = 2;
        const auto straight = makeRun("straight" + std::to_string(index), whole), broken = makeRun("broken" + std::to_string(index), whole);
        const auto ended = train(straight, whole);
        ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
        ASSERT_TRUE(train(broken, first));
        ASSERT_TRUE(train(broken, whole));
        expectEqualShards(straight, broken, 4);
    }
}

TEST_F(ExactResume, AScaledLossGoesOnExactly)
{
    auto config = tinyDit(6), first = config;
    config.training.precision = first.training.precision = config::Precision::Fp16;
    first.training.steps = 3;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    const auto ended = train(straight, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    ASSERT_TRUE(train(broken, first));
    ASSERT_TRUE(train(broken, config));
    expectEqualShards(straight, broken, 6);
    const auto manifest = manifestOf(straight, 6);
    EXPECT_TRUE(manifest.parts.contains("loss_scale"));
    EXPECT_EQ(manifest.counters.badSteps, 0);
}

class Ranks : public RanksRun {};

TEST_F(Ranks, TwoAndThreeTrainLikeOne)
{
    expectTheSame(tinyConfig(3));
}

TEST_F(Ranks, TwoAndThreeTrainADitLikeOne)
{
    expectTheSame(tinyDit(3));
}

} // namespace espalier::training
