// SPDX-License-Identifier: Apache-2.0
#include "core/config/batch.h"

#include <gtest/gtest.h>

namespace espalier::config {

namespace {

TrainingConfig batchOf(std::int64_t batch, std::int64_t micro = 0, std::int64_t accumulation = 0)
{
    TrainingConfig training;
    training.batchSize = batch;
    training.microBatch = micro;
    training.accumulation = accumulation;
    return training;
}

std::string message(const TrainingConfig& training, int world)
{
    const auto split = deriveBatch(training, world);
    return split ? "" : split.error().message;
}

} // namespace

TEST(Batch, DerivesWhatIsNotSet)
{
    struct Case {
        TrainingConfig training;
        int world;
        std::int64_t micro, accumulation;
    };
    for (const auto& c : {Case{batchOf(128), 1, 128, 1}, Case{batchOf(128), 4, 32, 1}, Case{batchOf(128, 16), 2, 16, 4},
                          Case{batchOf(128, 0, 4), 2, 16, 4}, Case{batchOf(96, 16, 2), 3, 16, 2}, Case{batchOf(1), 1, 1, 1}}) {
        const auto split = deriveBatch(c.training, c.world);
        ASSERT_TRUE(split) << split.error().message;
        EXPECT_EQ(split->microBatch, c.micro);
        EXPECT_EQ(split->accumulation, c.accumulation);
        EXPECT_EQ(split->globalBatch(), c.training.batchSize);
    }
}

TEST(Batch, NamesTheNearestBatchSizesThatTheRanksDivide)
{
    EXPECT_EQ(message(batchOf(130), 4),
              "training.batch_size 130 cannot be divided evenly among 4 workers; the nearest that can are 128 and 132.");
    EXPECT_EQ(message(batchOf(2), 3), "training.batch_size 2 cannot be divided evenly among 3 workers; the smallest that can is 3.");
    EXPECT_EQ(deriveBatch(batchOf(130), 4).error().detail, "training.batch_size");
    EXPECT_EQ(deriveBatch(batchOf(130), 4).error().code, ErrorCode::Usage);
}

TEST(Batch, RefusesPartsThatDoNotMakeTheWhole)
{
    EXPECT_EQ(message(batchOf(128, 24), 2),
              "training.micro_batch 24 does not divide the 64 images of a worker; the nearest that do are 16 and 32.");
    EXPECT_EQ(message(batchOf(128, 1000), 2),
              "training.micro_batch 1000 does not divide the 64 images of a worker; the nearest that does is 64.");
    EXPECT_EQ(message(batchOf(128, 0, 5), 1),
              "training.accumulation 5 does not divide the 128 images of a worker; the nearest that do are 4 and 8.");
    // Both were chosen, for another number of workers: the sentence says what to change to what.
    EXPECT_EQ(
        message(batchOf(128, 16, 2), 2),
        "training.micro_batch 16 x training.accumulation 2 x 2 workers does not make training.batch_size 128; set training.accumulation "
        "to 4, which takes the same steps with the same draws.");
    EXPECT_EQ(
        message(batchOf(96, 48, 1), 3),
        "training.micro_batch 48 x training.accumulation 1 x 3 workers does not make training.batch_size 96; set training.micro_batch to "
        "32, which takes the same steps with the same draws.");
    EXPECT_NE(message(batchOf(96, 48, 5), 3).find("training.accumulation to 0 to have it derived"), std::string::npos);
    EXPECT_NE(message(batchOf(128, 1000000, 1000000), 2), "");
    EXPECT_NE(message(batchOf(128), 0), "");
}

TEST(LearningRate, ScalesWithTheBatchWhenAReferenceIsSet)
{
    auto training = batchOf(512);
    training.learningRate = 2e-4;
    EXPECT_DOUBLE_EQ(effectiveLearningRate(training), 2e-4);
    training.learningRateBatch = 128;
    EXPECT_DOUBLE_EQ(effectiveLearningRate(training), 8e-4);
}

} // namespace espalier::config
