// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/parts.h"

#include "core/shapes/parameters.h"

#include <gtest/gtest.h>

#include <set>

namespace espalier::shapes {

TEST(Parts, EveryParameterIsInExactlyOneBlock)
{
    const ModelShape shape;
    EXPECT_EQ(partsOf(shape),
              (std::vector<Part>{{"embed", 1}, {"in_conv", 1}, {"downsamples", 4}, {"middle", 1}, {"upsamples", 4}, {"out_conv", 1}}));
    std::multiset<std::string> inBlocks;
    for (const auto& part : partsOf(shape)) {
        for (std::int64_t block = 0; block < part.blocks; ++block) {
            const PartRange range{part.name, block, block + 1};
            EXPECT_TRUE(checkRange(shape, range));
            for (auto& name : parametersOf(shape, range))
                inBlocks.insert(std::move(name));
        }
    }
    const auto all = parametersOf(shape, {});
    EXPECT_EQ(inBlocks, std::multiset<std::string>(all.begin(), all.end()));
    EXPECT_EQ(all.size(), 304u);
    EXPECT_EQ(parametersOf(shape, {"downsamples", 1}).size() + parametersOf(shape, {"downsamples", 0, 1}).size(),
              parametersOf(shape, {"downsamples"}).size());
}

TEST(Parts, RangesOutsideTheModelAreRefused)
{
    const ModelShape shape;
    for (const PartRange& range :
         {PartRange{"blocks"}, PartRange{"", 1}, PartRange{"", 0, 1}, PartRange{"middle", 1}, PartRange{"middle", 0, 2},
          PartRange{"upsamples", 2, 2}, PartRange{"upsamples", -1, 2}, PartRange{"upsamples", 3, 2}})
        EXPECT_FALSE(checkRange(shape, range)) << range.part;
    EXPECT_EQ(checkRange(shape, {"blocks"}).error().message,
              "A unet has no part \"blocks\"; it has embed, in_conv, downsamples, middle, upsamples, out_conv.");
}

TEST(Parts, RangesSurviveJson)
{
    for (const PartRange& range : {PartRange{}, PartRange{"middle"}, PartRange{"upsamples", 1, 3}, PartRange{"upsamples", 2}})
        EXPECT_EQ(*rangeFromJson(toJson(range)), range);
    for (const char* text : {"3", "{}", R"({"part":3})", R"({"part":"a","blocks":[1]})", R"({"part":"a","blocks":[1,2.5]})"})
        EXPECT_FALSE(rangeFromJson(Json::parse(text))) << text;
}

} // namespace espalier::shapes
