// SPDX-License-Identifier: Apache-2.0
#include "core/plan/length.h"

#include <gtest/gtest.h>

#include <limits>

namespace espalier::plan {

TEST(Length, EpochsBecomeImagesWithoutTheLastPartialBatch)
{
    config::TrainingConfig training; // batch 128
    training.epochs = 2040;
    EXPECT_EQ(lengthOf(training, 50000).images, 2040 * 390 * 128);
    EXPECT_EQ(stepLimit(lengthOf(training, 50000), 128), 795600); // the published number of steps
    training.images = 1000;
    EXPECT_EQ(lengthOf(training, 50000).images, 1000);
    EXPECT_EQ(stepLimit(lengthOf(training, 50000), 128), 8);
    training.steps = 5;
    EXPECT_EQ(stepLimit(lengthOf(training, 50000), 128), 5);
    training = {};
    training.seconds = 2.5;
    EXPECT_EQ(lengthOf(training, 50000), (Length{{}, {}, 2.5}));
    EXPECT_EQ(stepLimit(lengthOf(training, 50000), 128), std::nullopt);
    training.epochs = 1000000000;
    EXPECT_EQ(lengthOf(training, std::int64_t{1} << 40).images, std::numeric_limits<std::int64_t>::max());
}

TEST(Length, TheFirstLimitReachedEndsIt)
{
    const Length length{10, 1000, 5.0};
    EXPECT_FALSE(reached(length, 9, 999, 4.9));
    EXPECT_TRUE(reached(length, 10, 0, 0.0));
    EXPECT_TRUE(reached(length, 0, 1000, 0.0));
    EXPECT_TRUE(reached(length, 0, 0, 5.0));
    EXPECT_FALSE(reached({}, 1000000, 1000000, 1e9));
    EXPECT_DOUBLE_EQ(progress(length, 5, 100, 1.0), 0.5);
    EXPECT_DOUBLE_EQ(progress(length, 5, 100, 4.0), 0.8);
    EXPECT_DOUBLE_EQ(progress(length, 50, 100, 4.0), 1.0);
    EXPECT_DOUBLE_EQ(progress({}, 50, 100, 4.0), 0.0);
}

} // namespace espalier::plan
