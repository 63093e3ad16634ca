// SPDX-License-Identifier: Apache-2.0
#include "core/config/respacing.h"

#include <gtest/gtest.h>

namespace espalier::config {
namespace {

using Levels = std::vector<std::int64_t>;

Levels of(const char* text, std::int64_t timesteps = 1000)
{
    const auto levels = respacedLevels(text, timesteps);
    EXPECT_TRUE(levels) << text << " " << (levels ? "" : levels.error().message);
    return levels ? *levels : Levels();
}

std::string refusal(std::string_view text, std::int64_t timesteps = 1000)
{
    const auto levels = respacedLevels(text, timesteps);
    return levels ? "none" : levels.error().message;
}

TEST(Respacing, SpreadsLevelsEvenlyWithBothEnds)
{
    EXPECT_EQ(of("10"), (Levels{0, 111, 222, 333, 444, 555, 666, 777, 888, 999}));
    EXPECT_EQ(of("1"), (Levels{0}));
    EXPECT_EQ(of("4", 4), (Levels{0, 1, 2, 3}));
    const auto many = of("250");
    ASSERT_EQ(many.size(), 250u);
    EXPECT_EQ(many.front(), 0);
    EXPECT_EQ(many[125], 502);
    EXPECT_EQ(many.back(), 999);
    Levels wide; // ends of the three gaps of 5 levels
    for (std::size_t i = 1; i < many.size(); ++i) {
        if (many[i] - many[i - 1] != 4)
            wide.push_back(many[i]);
    }
    EXPECT_EQ(wide, (Levels{169, 502, 835}));
}

TEST(Respacing, CutsIntoSections)
{
    const auto levels = of("10,15,20", 300);
    ASSERT_EQ(levels.size(), 45u);
    EXPECT_EQ((Levels{levels[0], levels[1], levels[2], levels[9], levels[10], levels[11], levels[44]}),
              (Levels{0, 11, 22, 99, 100, 107, 299}));
    EXPECT_EQ(of("2,2,2", 10), (Levels{0, 3, 4, 6, 7, 9})); // the first section has the level that is left over
}

TEST(Respacing, TakesAWholeStride)
{
    EXPECT_EQ(of("ddim5"), (Levels{0, 200, 400, 600, 800}));
    EXPECT_EQ(of("ddim4", 10), (Levels{0, 3, 6, 9}));
    EXPECT_EQ(of("ddim1000").size(), 1000u);
}

TEST(Respacing, RefusesWithASentence)
{
    EXPECT_EQ(refusal("ddim37"), "asks for 37 levels, which no whole stride over 1000 levels gives");
    EXPECT_EQ(refusal("1001"), "asks for 1001 levels, and there are 1000");
    EXPECT_EQ(refusal("600,600"), "asks for 600 levels of section 1, which has 500");
    EXPECT_EQ(refusal("1,9223372036854775807"), "asks for 9223372036854775807 levels of section 2, which has 500");
    for (const char* text :
         {"ten", "", ",", "10,", "10,,5", "-5", "0", "5,0", "ddim", "ddim-5", "ddim0", "1e2", "10.5", "ddim5,5", "92233720368547758080"})
        EXPECT_NE(refusal(text).find("must be a number of levels such as 250"), std::string::npos) << text;
    EXPECT_NE(refusal("1,1,1,1", 3).find("section 4, which has 0"), std::string::npos);
    EXPECT_LT(refusal(std::string(100000, '7')).size(), 400u);
}

} // namespace
} // namespace espalier::config
