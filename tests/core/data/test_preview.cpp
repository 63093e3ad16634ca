// SPDX-License-Identifier: Apache-2.0
#include "core/data/preview.h"

#include "core/data/garden.h"
#include "tests/core/data/fake_dataset.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::FakeDataset;

TEST(Preview, ShowsTheFirstReadableImages)
{
    const FakeDataset dataset(30, {1});
    const auto shown = preview(dataset, 3, false, {});
    ASSERT_TRUE(shown);
    ASSERT_EQ(shown->images.size(), 3u);
    EXPECT_EQ(shown->images[0].index, 0);
    EXPECT_EQ(shown->images[1].index, 2);
    EXPECT_EQ(shown->images[2].index, 3);
    EXPECT_EQ(shown->broken, 1);
    EXPECT_EQ(shown->images[2].name, "image-3");
    EXPECT_EQ(shown->images[2].rgb.size(), 48u);
}

TEST(Preview, ShowsTheFirstOfEachClass)
{
    const FakeDataset dataset(30);
    const auto shown = preview(dataset, 2, true, {});
    ASSERT_TRUE(shown);
    std::vector<std::int64_t> indices;
    for (const auto& image : shown->images)
        indices.push_back(image.index);
    EXPECT_EQ(indices, (std::vector<std::int64_t>{0, 3, 1, 4, 2, 5}));
    EXPECT_LE(dataset.reads.load(), 6); // labels are known without reading
    EXPECT_EQ(preview(dataset, 100, true, {})->images.size(), 30u);
}

TEST(Preview, EndsWhenAsked)
{
    std::stop_source stop;
    stop.request_stop();
    const FakeDataset dataset(30);
    EXPECT_EQ(preview(dataset, 2, false, stop.get_token()).error().code, ErrorCode::Cancelled);
    EXPECT_EQ(statistics(dataset, 10, stop.get_token()).error().code, ErrorCode::Cancelled);
}

TEST(Statistics, MeasuresExactly)
{
    const FakeDataset dataset(31, {4});
    std::int64_t told = 0;
    const auto measured = statistics(dataset, 1000, {}, [&](std::int64_t done, std::int64_t of) {
        EXPECT_EQ(of, 31);
        told = done;
    });
    ASSERT_TRUE(measured);
    EXPECT_EQ(told, 31);
    EXPECT_EQ(measured->images, 31);
    EXPECT_EQ(measured->measured, 30);
    EXPECT_EQ(measured->broken, 1);
    ASSERT_EQ(measured->brokenNames.size(), 1u);
    EXPECT_NE(measured->brokenNames[0].find("image-4"), std::string::npos);
    EXPECT_EQ(measured->perClass, (std::vector<std::int64_t>{11, 10, 10}));
    double sum = 0, squares = 0, count = 0;
    for (int i = 0; i < 31; ++i)
        for (int column = 0; column < 4 && i != 4; ++column) {
            const double value = (column * 64 + i) / 255.0;
            sum += value, squares += value * value, count += 1;
        }
    const double mean = sum / count;
    for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(measured->mean[c], mean, 1e-12);
        EXPECT_NEAR(measured->deviation[c], std::sqrt(squares / count - mean * mean), 1e-9);
    }
}

TEST(Statistics, TakesTheSameSampleEachTime)
{
    const auto garden = openGarden(0, Split::Train, 5000, 16);
    ASSERT_TRUE(garden);
    const auto a = statistics(**garden, 200, {}), b = statistics(**garden, 200, {}), all = statistics(**garden, 1000, {});
    ASSERT_TRUE(a && b && all);
    EXPECT_EQ(a->measured, 200);
    EXPECT_EQ(a->mean, b->mean);
    for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(a->mean[c], all->mean[c], 0.06); // the mean of a picture scatters by some 0.15
        EXPECT_GT(all->deviation[c], 0.1);
    }
}
