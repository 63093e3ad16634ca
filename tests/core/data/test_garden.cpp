// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden.h"

#include "core/base/files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

using namespace espalier;
using namespace espalier::data;

namespace {
std::vector<std::uint8_t> picture(std::uint64_t seed, Split split, std::int64_t index, int side)
{
    std::vector<std::uint8_t> hwc(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
    drawGarden(seed, split, index, side, hwc);
    return hwc;
}

std::string hashOf(std::int64_t first, std::int64_t count, int side)
{
    std::vector<std::uint8_t> all;
    for (std::int64_t i = first; i < first + count; ++i) {
        const auto one = picture(0, Split::Train, i, side);
        all.insert(all.end(), one.begin(), one.end());
    }
    return sha256(std::as_bytes(std::span(all))).substr(0, 16);
}
} // namespace

TEST(Garden, DrawsTheSamePicturesOnEveryMachine)
{
    // Runs are resumed and compared over these pictures: whoever changes one changes kGardenVersion too.
    EXPECT_EQ(kGardenVersion, 1);
    EXPECT_EQ(hashOf(0, 200, 32), "220bd28618be5c6a");
    EXPECT_EQ(hashOf(0, 40, 16), "ba7c4a6e691860ca");
    EXPECT_EQ(hashOf(0, 40, 64), "ce1a03935d130193");
    EXPECT_EQ(hashOf(0, 20, 128), "78a082838765f670");
    EXPECT_EQ(hashOf(49999, 1, 32), "55dc7149a6e5e89b");
}

TEST(Garden, IsAPureFunctionOfSeedSplitAndIndex)
{
    const auto first = picture(3, Split::Train, 5, 32);
    picture(3, Split::Train, 6, 32);
    EXPECT_EQ(first, picture(3, Split::Train, 5, 32));
    EXPECT_NE(first, picture(3, Split::Test, 5, 32));
    EXPECT_NE(first, picture(4, Split::Train, 5, 32));
    EXPECT_NE(first, picture(3, Split::Train, 6, 32));
}

TEST(Garden, GivesEveryClassItsShare)
{
    std::vector<int> count(10, 0);
    for (int i = 0; i < 50000; ++i)
        ++count.at(static_cast<std::size_t>(gardenLabel(0, Split::Train, i)));
    for (const int n : count)
        EXPECT_NEAR(n, 5000, 340); // five deviations of 67
}

TEST(Garden, ShowsTheSameSceneAtEverySide)
{
    for (int i = 0; i < 20; ++i) {
        const auto large = picture(0, Split::Train, i, 128), small = picture(0, Split::Train, i, 32);
        double difference = 0;
        for (std::size_t y = 0; y < 32; ++y)
            for (std::size_t x = 0; x < 32; ++x)
                for (std::size_t c = 0; c < 3; ++c) {
                    int sum = 0;
                    for (std::size_t dy = 0; dy < 4; ++dy)
                        for (std::size_t dx = 0; dx < 4; ++dx)
                            sum += large[((y * 4 + dy) * 128 + x * 4 + dx) * 3 + c];
                    difference += std::abs(sum / 16.0 - small[(y * 32 + x) * 3 + c]);
                }
        // Painting area over area differs from averaging only where edges meet in one pixel; another scene differs by some 50.
        EXPECT_LT(difference / (32 * 32 * 3), 4) << "picture " << i;
    }
}

TEST(Garden, DrawsAnySideWithoutLeavingItsMemory)
{
    for (const int side : {8, 16, 17, 31, 33, 48, 100, 128, 200}) {
        const std::size_t bytes = static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3;
        std::vector<std::uint8_t> guarded(bytes + 2, 0xAB);
        for (int i = 0; i < 60; ++i)
            drawGarden(1, Split::Test, i, side, std::span(guarded).subspan(1, bytes));
        EXPECT_EQ(guarded.front(), 0xAB);
        EXPECT_EQ(guarded.back(), 0xAB);
    }
}

TEST(Garden, RefusesSidesAndSizesByTheirSettings)
{
    const auto side = openGarden(0, Split::Train, 10, 4);
    ASSERT_FALSE(side);
    EXPECT_NE(side.error().message.find("data.side"), std::string::npos);
    const auto size = openGarden(0, Split::Test, 0, 32);
    ASSERT_FALSE(size);
    EXPECT_NE(size.error().message.find("data.garden_test"), std::string::npos);
}

TEST(Garden, TellsSetsApartByTheirFingerprint)
{
    const auto a = openGarden(0, Split::Train, 100, 32), b = openGarden(0, Split::Test, 100, 32), c = openGarden(1, Split::Train, 100, 32),
               d = openGarden(0, Split::Train, 100, 64);
    ASSERT_TRUE(a && b && c && d);
    EXPECT_NE((*a)->fingerprint(), (*b)->fingerprint());
    EXPECT_NE((*a)->fingerprint(), (*c)->fingerprint());
    EXPECT_EQ((*a)->fingerprint(), (*d)->fingerprint());
    EXPECT_EQ((*a)->classNames().size(), 10u);
}
