// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden.h"
#include "core/data/subset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace espalier::data {
namespace {

std::shared_ptr<const Dataset> garden()
{
    config::DataConfig config;
    config.source = config::DataSource::Garden;
    config.side = 16;
    config.gardenTrain = 103;
    config.gardenTest = 20;
    auto opened = open(config, Split::Train, {}, {});
    EXPECT_TRUE(opened);
    return *opened;
}

} // namespace

TEST(Subset, HasTheSameShareOfEachClass)
{
    const auto images = garden();
    std::map<std::int32_t, int> all, few;
    for (std::int64_t i = 0; i < images->size(); ++i)
        ++all[images->label(i)];
    const auto places = balancedPlaces(*images, 25, 7);
    ASSERT_EQ(places.size(), 25u);
    EXPECT_TRUE(std::ranges::is_sorted(places));
    EXPECT_TRUE(std::ranges::adjacent_find(places) == places.end());
    for (const auto place : places)
        ++few[images->label(place)];
    for (const auto& [label, count] : all)
        EXPECT_NEAR(few[label], count * 25.0 / 103.0, 1.0) << label;
}

TEST(Subset, OfASmallerShareLiesInsideALargerOne)
{
    const auto images = garden();
    const auto few = balancedPlaces(*images, 20, 7), more = balancedPlaces(*images, 60, 7), all = balancedPlaces(*images, 103, 7);
    EXPECT_TRUE(std::ranges::includes(more, few));
    EXPECT_EQ(all.size(), 103u);
    EXPECT_NE(few, balancedPlaces(*images, 20, 8)) << "the seed draws";
}

TEST(Subset, GivesTheImagesOfTheWholeSet)
{
    const auto images = garden();
    const auto part = subset(images, std::vector<std::int64_t>{3, 50, 102});
    ASSERT_EQ(part->size(), 3);
    std::vector<std::uint8_t> one(part->imageBytes()), same(part->imageBytes());
    std::int32_t label = -1, labelThere = -1;
    ASSERT_TRUE(part->read(1, one, label));
    ASSERT_TRUE(images->read(50, same, labelThere));
    EXPECT_EQ(one, same);
    EXPECT_EQ(label, labelThere);
    EXPECT_EQ(part->label(2), images->label(102));
    EXPECT_NE(part->fingerprint(), images->fingerprint());
    EXPECT_NE(part->fingerprint(), subset(images, {3, 50, 101})->fingerprint());
}

} // namespace espalier::data
