// SPDX-License-Identifier: Apache-2.0
#include "core/data/order.h"

#include <gtest/gtest.h>

#include <algorithm>

#include <vector>

using namespace espalier;
using namespace espalier::data;

TEST(Order, ShowsEveryImageOnceAnEpoch)
{
    for (const std::int64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 1000, 4097}) {
        for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
            std::vector<int> seen(static_cast<std::size_t>(size), 0);
            for (std::int64_t p = 0; p < size; ++p)
                ++seen.at(static_cast<std::size_t>(imageAt(7, epoch, p, size)));
            EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), size) << "size " << size << ", epoch " << epoch;
        }
    }
}

TEST(Order, DiffersBetweenEpochsAndSeeds)
{
    int sameEpoch = 0, sameSeed = 0, fixed = 0;
    for (std::int64_t p = 0; p < 1000; ++p) {
        sameEpoch += imageAt(1, 0, p, 1000) == imageAt(1, 1, p, 1000);
        sameSeed += imageAt(1, 0, p, 1000) == imageAt(2, 0, p, 1000);
        fixed += imageAt(1, 0, p, 1000) == p;
    }
    // Each is about Poisson(1) for random permutations.
    EXPECT_LT(sameEpoch, 10);
    EXPECT_LT(sameSeed, 10);
    EXPECT_LT(fixed, 10);
}

TEST(Order, PutsEveryImageAtEveryPositionEquallyOften)
{
    constexpr int kSize = 13, kEpochs = 13000;
    int count[kSize][kSize] = {};
    for (int epoch = 0; epoch < kEpochs; ++epoch)
        for (int p = 0; p < kSize; ++p)
            ++count[p][imageAt(3, epoch, p, kSize)];
    double chi2 = 0;
    for (auto& row : count)
        for (const int n : row)
            chi2 += (n - 1000.0) * (n - 1000.0) / 1000.0;
    // 12 * 12 degrees of freedom: 144 ± 17, so 230 is five deviations off.
    EXPECT_LT(chi2, 230);
}

TEST(Order, KeepsItsMeaning)
{
    // A change of these numbers changes the order of every run that is resumed.
    const std::vector<std::int64_t> first = {imageAt(0, 0, 0, 50000), imageAt(0, 0, 1, 50000), imageAt(0, 1, 0, 50000),
                                             imageAt(5, 0, 0, 50000), imageAt(0, 0, 0, 1281167)};
    const std::vector<std::int64_t> expected = {48397, 48194, 6435, 40967, 509968};
    EXPECT_EQ(first, expected);
}

TEST(Order, FlipsHalfOfTheImages)
{
    int flipped = 0, changed = 0;
    for (int p = 0; p < 10000; ++p) {
        flipped += flips(1, 0, p);
        changed += flips(1, 0, p) != flips(1, 1, p);
    }
    EXPECT_NEAR(flipped, 5000, 250); // five deviations
    EXPECT_NEAR(changed, 5000, 250);
}

TEST(Cursor, DropsTheIncompleteLastBatch)
{
    Cursor cursor;
    std::vector<Cursor> seen;
    for (int step = 0; step < 5; ++step) {
        seen.push_back(cursor);
        cursor.advance(4, 11);
    }
    const std::vector<Cursor> expected = {{0, 0}, {0, 4}, {1, 0}, {1, 4}, {2, 0}};
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(stepsPerEpoch(4, 11), 2);
}

TEST(Cursor, GoesToTheNextEpochWhenALargerBatchDoesNotFit)
{
    EXPECT_EQ((Cursor{2, 8}.fitted(4, 11)), (Cursor{3, 0}));
    EXPECT_EQ((Cursor{2, 7}.fitted(4, 11)), (Cursor{2, 7}));
}
