// SPDX-License-Identifier: Apache-2.0
#include "core/runs/confusion.h"
#include "core/runs/metrics.h"

#include <gtest/gtest.h>

namespace espalier::runs {

TEST(Confusion, SurvivesItsTable)
{
    const Confusion confusion{{"oak", "a \"quoted\", name", "line\nbreak"}, {5, 0, 1, 2, 7, 0, 0, 0, 9}};
    const auto csv = confusionCsv(confusion);
    EXPECT_TRUE(csv.starts_with("true \\ predicted,oak,\"a \"\"quoted\"\", name\""));
    const auto read = confusionFromCsv(csv);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, confusion);
    EXPECT_EQ(read->at(1, 0), 2);
}

TEST(Confusion, RefusesOtherTables)
{
    const Confusion confusion{{"a", "b"}, {1, 2, 3, 4}};
    const auto whole = confusionCsv(confusion);
    for (std::size_t cut = 0; cut + 1 < whole.size(); ++cut)
        EXPECT_FALSE(confusionFromCsv(whole.substr(0, cut))) << cut;
    EXPECT_FALSE(confusionFromCsv(whole + "c,1,2\n"));
    EXPECT_FALSE(confusionFromCsv("true \\ predicted,a,b\na,1,x\nb,1,2\n"));
    EXPECT_FALSE(confusionFromCsv("true \\ predicted,a,b\na,1,-2\nb,1,2\n"));
    EXPECT_FALSE(confusionFromCsv("true \\ predicted,a,b\nb,1,2\na,1,2\n"));
    EXPECT_FALSE(confusionFromCsv("step,value\n1,2\n"));
}

TEST(Metric, AccuracyIsBetterWhenHigher)
{
    EXPECT_TRUE(isBetter("fd", 1.0, 2.0));
    EXPECT_TRUE(isBetter("top1", 2.0, 1.0));
    EXPECT_FALSE(isBetter("top1", 1.0, 1.0));
    EXPECT_TRUE((MeasuredValue{"top1", 91.0}.betterThan({"top1", 90.0})));
    EXPECT_FALSE((MeasuredValue{"fid", 1.0}.betterThan({"fd", 2.0}))); // numbers of two metrics do not compare
    EXPECT_EQ(leadingMetric("nearest"), nullptr);
    EXPECT_EQ(metricTitle("top1"), "Top-1");
    EXPECT_EQ(metricTitle("sfid"), "SFID");
}

} // namespace espalier::runs
