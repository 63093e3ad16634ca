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
            EXPECT_NEAR(learningRateAt(training, static_cast<std::int64_t>(step), 0), rates[step].get<double>(),
                        1e-12 * training.learningRate)
                << name;
    }
    const auto& published = cases["warmup_5000"];
    config::TrainingConfig defaults; // 2e-4, 5000 steps
    for (std::size_t i = 0; i < published["step"].size(); ++i, ++compared)
        EXPECT_NEAR(learningRateAt(defaults, published["step"][i], 0), published["lr"][i].get<double>(), 1e-12 * 2e-4);
    EXPECT_GT(compared, 0);
}

TEST(LearningRate, IsPureAndEndsAtItsFinalShare)
{
    config::TrainingConfig training;
    training.learningRate = 1.0;
    training.warmupSteps = 10;
    training.finalLearningRate = 0.1;
    for (const auto schedule : {config::LearningRateSchedule::Cosine, config::LearningRateSchedule::Linear}) {
        training.learningRateSchedule = schedule;
        EXPECT_DOUBLE_EQ(learningRateAt(training, 9, 110), 1.0);
        EXPECT_NEAR(learningRateAt(training, 60, 110), 0.55, 1e-12);
        EXPECT_NEAR(learningRateAt(training, 110, 110), 0.1, 1e-12);
        EXPECT_NEAR(learningRateAt(training, 500, 110), 0.1, 1e-12);
    }
}

TEST(LearningRate, ScalesWithTheBatchItWasMeantFor)
{
    config::TrainingConfig training;
    training.learningRate = 1e-3;
    training.warmupSteps = 0;
    training.batchSize = 512;
    training.learningRateBatch = 256;
    EXPECT_DOUBLE_EQ(learningRateAt(training, 0, 0), 2e-3);
}

} // namespace espalier::training
