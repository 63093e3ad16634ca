// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"
#include "core/training/learning_rate.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace espalier::training {

TEST(LearningRateGolden, WarmsUpAsPublished)
{
    const auto file = tests::goldenFolder() / "optim" / "schedules.json";
    ESPALIER_NEED_GOLDEN(file);
    const auto cases = Json::parse(std::ifstream(file));
    int compared = 0;
    for (const auto& [name, rates] : cases["warmup"].items()) {
        config::TrainingConfig training;
        ASSERT_EQ(std::sscanf(name.c_str(), "lr=%lf warmup=%ld", &training.learningRate, &training.warmupSteps), 2) << name;
        for (std::size_t step = 0; step < rates.size(); ++step, ++compared)
            EXPECT_NEAR(learningRateAt(training, static_cast<std::int64_t>(step), {}), rates[step].get<double>(),
                        1e-12 * training.learningRate)
                << name;
    }
    const auto& published = cases["warmup_5000"];
    config::TrainingConfig defaults; // 2e-4, 5000 steps
    for (std::size_t i = 0; i < published["step"].size(); ++i, ++compared)
        EXPECT_NEAR(learningRateAt(defaults, published["step"][i], {}), published["lr"][i].get<double>(), 1e-12 * 2e-4);
    EXPECT_GT(compared, 0);
}

// model-assembling.md 4.4: the schedule, and what Deep-Incubation makes of it by calling it one epoch late.
TEST(LearningRateGolden, FollowsTheCosineByEpochsAsPublished)
{
    const auto file = tests::goldenFolder() / "optim" / "schedules.json";
    ESPALIER_NEED_GOLDEN(file);
    const auto cases = Json::parse(std::ifstream(file));
    int compared = 0;
    for (const auto& [name, published] : cases["cosine_per_epoch"].items()) {
        SCOPED_TRACE(name);
        config::TrainingConfig training;
        training.learningRateSchedule = config::LearningRateSchedule::CosineEpochs;
        std::int64_t epochs = 0;
        ASSERT_EQ(std::sscanf(name.c_str(), "epochs=%ld warmup=%ld lr=%lf min=%lf warmup_lr=%lf", &epochs, &training.warmupEpochs,
                              &training.learningRate, &training.minLearningRate, &training.warmupLearningRate),
                  5);
        // The batch scales the peak alone.
        training.batchSize = 128;
        training.learningRateBatch = 512;
        training.learningRate *= 4.0;
        const std::int64_t perEpoch = 7;
        const Horizon horizon{epochs * perEpoch, perEpoch, false}, late{epochs * perEpoch, perEpoch, true};
        EXPECT_DOUBLE_EQ(learningRateAt(training, 0, horizon), published["lr_right_after_construction"].get<double>());
        for (std::size_t i = 0; i < published["t"].size(); ++i, ++compared) {
            const auto epoch = published["t"][i].get<std::int64_t>();
            const auto wanted = published["f(t)"][i].get<double>();
            for (const auto step : {epoch * perEpoch, epoch * perEpoch + perEpoch - 1})
                EXPECT_NEAR(learningRateAt(training, step, horizon), wanted, 1e-12 * wanted) << "epoch " << epoch;
        }
        for (const auto& row : published["lr_used_in_epoch_by_Deep-Incubation"]) {
            const auto wanted = row[1].get<double>();
            EXPECT_NEAR(learningRateAt(training, row[0].get<std::int64_t>() * perEpoch + 3, late), wanted, 1e-12 * wanted) << row[0];
        }
    }
    EXPECT_GT(compared, 0);
}

// Each phase of an assembled model has a schedule of its own, wherever in the run it lies.
TEST(LearningRateGolden, PhasesOfAnAssembledModelAreThePublishedOnes)
{
    const auto file = tests::goldenFolder() / "assembling/structure.json";
    ESPALIER_NEED_GOLDEN(file);
    const auto recipe = Json::parse(std::ifstream(file)).at("recipe");
    const auto& common = recipe.at("common");
    for (const auto* phase : {"PT", "MT", "FT"}) {
        const auto& wanted = recipe.at(phase);
        config::TrainingConfig training;
        training.learningRateSchedule = config::LearningRateSchedule::CosineEpochs;
        training.learningRate = common.at("lr");
        training.learningRateBatch = common.at("lr_divisor");
        training.warmupLearningRate = common.at("warmup_lr");
        training.minLearningRate = common.at("min_lr");
        training.batchSize = wanted.at("batch_size").get<std::int64_t>() * wanted.at("update_freq").get<std::int64_t>() *
                             wanted.at("gpus").get<std::int64_t>();
        training.warmupEpochs = wanted.at("warmup_epochs");
        const std::int64_t perEpoch = wanted.at("imagenet_steps_per_epoch"), epochs = wanted.at("epochs"), begin = 12345;
        const Horizon horizon{epochs * perEpoch, perEpoch, true, begin};
        const auto& rates = wanted.at("lr_by_epoch");
        ASSERT_EQ(std::ssize(rates), epochs);
        for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
            const double rate = rates[static_cast<std::size_t>(epoch)];
            EXPECT_NEAR(learningRateAt(training, begin + epoch * perEpoch + 3, horizon), rate, 1e-6 * rate) << phase << " epoch " << epoch;
        }
    }
}

TEST(LearningRate, TheCosineByEpochsStaysAtItsPeakWithoutAnEnd)
{
    config::TrainingConfig training;
    training.learningRateSchedule = config::LearningRateSchedule::CosineEpochs;
    training.learningRate = 0.5;
    training.warmupEpochs = 2;
    EXPECT_DOUBLE_EQ(learningRateAt(training, 0, {0, 10}), training.warmupLearningRate);
    EXPECT_DOUBLE_EQ(learningRateAt(training, 1000, {0, 10}), 0.5);
}

TEST(LearningRate, IsPureAndEndsAtItsFinalShare)
{
    config::TrainingConfig training;
    training.learningRate = 1.0;
    training.warmupSteps = 10;
    training.finalLearningRate = 0.1;
    for (const auto schedule : {config::LearningRateSchedule::Cosine, config::LearningRateSchedule::Linear}) {
        training.learningRateSchedule = schedule;
        EXPECT_DOUBLE_EQ(learningRateAt(training, 9, {110}), 1.0);
        EXPECT_NEAR(learningRateAt(training, 60, {110}), 0.55, 1e-12);
        EXPECT_NEAR(learningRateAt(training, 110, {110}), 0.1, 1e-12);
        EXPECT_NEAR(learningRateAt(training, 500, {110}), 0.1, 1e-12);
    }
}

TEST(LearningRate, ScalesWithTheBatchItWasMeantFor)
{
    config::TrainingConfig training;
    training.learningRate = 1e-3;
    training.warmupSteps = 0;
    training.batchSize = 512;
    training.learningRateBatch = 256;
    EXPECT_DOUBLE_EQ(learningRateAt(training, 0, {}), 2e-3);
}

} // namespace espalier::training
