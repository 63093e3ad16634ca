// SPDX-License-Identifier: Apache-2.0
#include "core/base/parse_json.h"

#include <gtest/gtest.h>

#include <string>

namespace espalier {

TEST(ParseJson, TakesWhatIsJson)
{
    EXPECT_EQ(parseJson(R"({"a":[1,{"b":"[[{\"]"}]})")["a"][1]["b"], "[[{\"]");
    EXPECT_EQ(parseJson("3"), 3);
    EXPECT_EQ(parseJson("\"" + std::string(1000, '[') + "\""), std::string(1000, '['));
    std::string siblings = "[";
    for (int i = 0; i < 1000; ++i)
        siblings += "[],";
    EXPECT_EQ(parseJson(siblings + "[]]").size(), 1001u);
}

TEST(ParseJson, DiscardsWhatIsNoneOrTooDeep)
{
    for (const std::string text : {"", "{", "[1,]", "\"\xff\"", "nan", "]]]]"})
        EXPECT_TRUE(parseJson(text).is_discarded()) << text;
    EXPECT_TRUE(parseJson(std::string(1'000'000, '[')).is_discarded());
    EXPECT_TRUE(parseJson(std::string(100'000, '[') + std::string(100'000, ']')).is_discarded());
    EXPECT_FALSE(parseJson(std::string(100, '[') + std::string(100, ']')).is_discarded());
}

} // namespace espalier
