// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/pace.h"

#include <gtest/gtest.h>

#include <thread>

namespace espalier::parallel {

TEST(Stragglers, AreToldOnceWhenTheyStaySlow)
{
    Stragglers stragglers;
    for (int report = 1; report <= 10; ++report) {
        const auto said = stragglers.judge({0.5, 0.52, 0.9, 0.48});
        EXPECT_EQ(said.has_value(), report == Stragglers::kInARow) << report;
        if (said) {
            EXPECT_TRUE(said->starts_with("Rank 2 is 1.8 times slower")) << *said;
        }
    }
    EXPECT_FALSE(stragglers.judge({0.5, 0.5, 0.5, 0.5})); // it has caught up
    EXPECT_FALSE(stragglers.judge({0.5, 0.5, 0.9, 0.5}));
    EXPECT_FALSE(stragglers.judge({0.5, 0.5, 0.9, 0.5}));
    EXPECT_TRUE(stragglers.judge({0.5, 0.5, 0.9, 0.5}));
}

TEST(Stragglers, AreNotThoseOfOneReportNorEqualRanks)
{
    Stragglers stragglers;
    for (int report = 0; report < 20; ++report) {
        EXPECT_FALSE(stragglers.judge({0.5, report % 3 == 0 ? 2.0 : 0.5})); // now and then
        EXPECT_FALSE(Stragglers().judge({0.5}));
        EXPECT_FALSE(stragglers.judge({0.0, 0.0}));
    }
    for (int report = 0; report < 20; ++report)
        EXPECT_FALSE(stragglers.judge({0.5, 0.55, 0.6}));
}

TEST(OwnTime, IsTheMeanOfTheStepsSinceItWasTaken)
{
    OwnTime time(at::Device(at::kCPU));
    EXPECT_EQ(time.take(), 0.0);
    for (int step = 0; step < 2; ++step) {
        time.begin();
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        time.end();
        std::this_thread::sleep_for(std::chrono::milliseconds(40)); // the others'
    }
    const double taken = time.take();
    EXPECT_GE(taken, 0.019);
    EXPECT_LT(taken, 0.039);
    EXPECT_EQ(time.take(), 0.0);
}

} // namespace espalier::parallel
