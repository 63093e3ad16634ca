// SPDX-License-Identifier: Apache-2.0
#include "core/base/normal.h"
#include "core/base/philox.h"

#include <gtest/gtest.h>

#include <cmath>

namespace espalier {

TEST(Philox, MatchesTheKnownAnswersOfItsAuthors)
{
    // Random123 kat_vectors, philox4x32-10.
    auto zero = philox({{0, 0, 0, 0}}, 0);
    EXPECT_EQ(zero.word[0], 0x6627e8d5u);
    EXPECT_EQ(zero.word[1], 0xe169c58du);
    EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
    EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
    auto pi = philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0x299f31d0a4093822ull);
    EXPECT_EQ(pi.word[0], 0xd16cfe09u);
    EXPECT_EQ(pi.word[1], 0x94fdccebu);
    EXPECT_EQ(pi.word[2], 0x5001e420u);
    EXPECT_EQ(pi.word[3], 0x24126ea1u);
}

TEST(Philox, AddressesDoNotCollide)
{
    const auto a = drawBlock(7, Stream::Noise, 1, 2, 3);
    EXPECT_NE(a.word[0], drawBlock(8, Stream::Noise, 1, 2, 3).word[0]);
    EXPECT_NE(a.word[0], drawBlock(7, Stream::Dropout, 1, 2, 3).word[0]);
    EXPECT_NE(a.word[0], drawBlock(7, Stream::Noise, 2, 2, 3).word[0]);
    EXPECT_NE(a.word[0], drawBlock(7, Stream::Noise, 1, 3, 3).word[0]);
    EXPECT_NE(a.word[0], drawBlock(7, Stream::Noise, 1, 2, 4).word[0]);
    EXPECT_NE(a.word[0], drawBlock(7, Stream::Noise, 1, 2, 3, 1).word[0]);
}

TEST(Normal, AgreesWithTheLibraryFunctions)
{
    for (std::uint32_t i = 0; i < 20000; ++i) {
        const auto block = drawBlock(42, Stream::Noise, 0, 0, i);
        const auto pair = normalPair(block);
        const double u = 1.0 - uniformOf(block.word[0], block.word[1]);
        const std::uint64_t rest = (static_cast<std::uint64_t>(block.word[2] & 0x1FFFFFFFu) << 24) | (block.word[3] >> 8);
        const double angle = ((block.word[2] >> 29) + static_cast<double>(rest) * 0x1p-53) * 0.78539816339744830962;
        const double radius = std::sqrt(-2.0 * std::log(u));
        ASSERT_NEAR(pair.first, radius * std::cos(angle), 1e-6);
        ASSERT_NEAR(pair.second, radius * std::sin(angle), 1e-6);
    }
}

TEST(Normal, HasTheMomentsOfAStandardNormal)
{
    double sum = 0, square = 0, fourth = 0;
    constexpr int kPairs = 200000;
    for (std::uint32_t i = 0; i < kPairs; ++i) {
        const auto pair = normalPair(drawBlock(1, Stream::Noise, 3, i, 0));
        for (const double v : {double(pair.first), double(pair.second)}) {
            sum += v;
            square += v * v;
            fourth += v * v * v * v;
        }
    }
    // Four standard errors of the mean, variance and fourth moment at 400 000 draws.
    EXPECT_NEAR(sum / (2 * kPairs), 0.0, 0.0064);
    EXPECT_NEAR(square / (2 * kPairs), 1.0, 0.009);
    EXPECT_NEAR(fourth / (2 * kPairs), 3.0, 0.062);
}

} // namespace espalier
