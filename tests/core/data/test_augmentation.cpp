// SPDX-License-Identifier: Apache-2.0
#include "core/data/augmentation.h"

#include "core/data/garden.h"
#include "core/data/loader.h"
#include "core/data/order.h"
#include "core/formats/image_resize.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

using namespace espalier;
using namespace espalier::data;

namespace {

/// One global batch, put together from all ranks.
struct Whole {
    std::vector<std::uint8_t> images;
    std::vector<std::int32_t> labels;
    std::vector<formats::PixelBox> erased;
    std::vector<Mix> mixes; // of each group
    bool operator==(const Whole&) const = default;
};

constexpr std::int64_t kBatch = 24, kGroup = 4;
constexpr int kSide = 16, kSteps = 5;

AugmentOptions deit()
{
    config::DataConfig config;
    config.augment.crop = config::RandomCrop::Resized;
    config.augment.operations = 2;
    config.augment.erase = 0.25;
    config.augment.repeats = 3;
    config.augment.mixup = 0.8;
    config.augment.cutmix = 1.0;
    config.augment.mixGroup = kGroup;
    return augmentOptions(config);
}

std::vector<Whole> batches(const AugmentOptions& augment, int world, std::int64_t accumulation, int workers)
{
    const auto garden = *openGarden(2, Split::Train, 60, kSide);
    const auto micro = kBatch / world / accumulation;
    const std::size_t bytes = garden->imageBytes();
    std::vector<Whole> whole(kSteps);
    for (Whole& w : whole)
        w = {std::vector<std::uint8_t>(static_cast<std::size_t>(kBatch) * bytes), std::vector<std::int32_t>(kBatch),
             std::vector<formats::PixelBox>(kBatch), std::vector<Mix>(static_cast<std::size_t>(kBatch / kGroup))};
    for (int rank = 0; rank < world; ++rank) {
        LoaderOptions options;
        options.seed = 4;
        options.augment = augment;
        options.workers = workers;
        auto loader = Loader::start(garden, {kBatch, micro, accumulation, rank, world}, {}, options);
        EXPECT_TRUE(loader) << loader.error().message;
        for (std::int64_t i = 0; loader && i < kSteps * accumulation; ++i) {
            auto batch = (*loader)->next({});
            EXPECT_TRUE(batch) << batch.error().message;
            Whole& w = whole[static_cast<std::size_t>(i / accumulation)];
            const HostBatch& b = **batch;
            std::copy(b.images.begin(), b.images.end(), w.images.begin() + b.firstSlot * static_cast<std::int64_t>(bytes));
            std::copy(b.labels.begin(), b.labels.end(), w.labels.begin() + b.firstSlot);
            std::copy(b.erased.begin(), b.erased.end(), w.erased.begin() + b.firstSlot);
            std::copy(b.mixes.begin(), b.mixes.end(), w.mixes.begin() + b.firstSlot / kGroup);
        }
    }
    return whole;
}

} // namespace

TEST(Augmentation, GivesEqualBatchesWhateverTheThreadsAndRanks)
{
    const auto reference = batches(deit(), 1, 1, 1);
    for (const int workers : {2, 3})
        EXPECT_EQ(batches(deit(), 1, 1, workers), reference) << workers << " threads";
    EXPECT_EQ(batches(deit(), 1, 3, 2), reference) << "three micro-batches";
    EXPECT_EQ(batches(deit(), 2, 1, 1), reference) << "2 ranks";
    EXPECT_EQ(batches(deit(), 2, 3, 2), reference) << "2 ranks, three micro-batches";
    EXPECT_EQ(batches(deit(), 3, 2, 3), reference) << "3 ranks, two micro-batches";
    int erased = 0, cut = 0;
    for (const Whole& w : reference) {
        for (const auto& box : w.erased)
            erased += box.width > 0;
        for (const Mix& mix : w.mixes)
            cut += mix.cut;
    }
    EXPECT_GT(erased, 10); // of 120, a quarter
    EXPECT_GT(cut, 5);     // of 30, a half
}

TEST(Augmentation, ShowsEachImageSeveralTimesEachTimeAnew)
{
    const auto garden = *openGarden(2, Split::Train, 60, kSide);
    LoaderOptions options;
    options.augment = deit();
    auto loader = Loader::start(garden, {kBatch, kBatch, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    auto batch = (*loader)->next({});
    ASSERT_TRUE(batch);
    const Permutation order(0, Stream::Order, 0, 60);
    std::map<std::int64_t, std::set<std::int64_t>> groups; // of each image
    std::map<std::int64_t, std::set<std::vector<std::uint8_t>>> shown;
    for (std::int64_t slot = 0; slot < kBatch; ++slot) {
        const auto index = order(repeatedPlace(0, slot, 3, kBatch, kGroup));
        EXPECT_EQ((*batch)->labels[static_cast<std::size_t>(slot)], garden->label(index));
        groups[index].insert(slot / kGroup);
        const auto pixels = (*batch)->images.subspan(static_cast<std::size_t>(slot) * garden->imageBytes(), garden->imageBytes());
        shown[index].insert({pixels.begin(), pixels.end()});
    }
    EXPECT_EQ(groups.size(), static_cast<std::size_t>(kBatch / 3));
    for (const auto& [index, of] : groups) {
        EXPECT_EQ(of.size(), 3u) << index; // copies are not mixed with each other
        EXPECT_EQ(shown[index].size(), 3u) << index;
    }
}

TEST(Augmentation, IsOffByDefault)
{
    const auto options = augmentOptions({});
    Augmenter augmenter(options, 4);
    EXPECT_FALSE(augmenter.cuts());
    EXPECT_FALSE(options.mix.on());
    EXPECT_EQ(augmenter.erased(16, 0, 0), formats::PixelBox{});
    std::vector<std::uint8_t> before(4 * 4 * 3);
    for (std::size_t i = 0; i < before.size(); ++i)
        before[i] = static_cast<std::uint8_t>(i);
    const formats::Image image{4, 4, before};
    for (std::int64_t position = 0; position < 20; ++position) {
        auto hwc = before;
        augmenter.change(hwc, 4, 1, position);
        EXPECT_EQ(hwc, flips(4, 1, position) ? formats::flipHorizontally(image).rgb : before);
    }
    for (std::int64_t slot = 0; slot < 12; ++slot)
        EXPECT_EQ(repeatedPlace(24, slot, 1, 12, 4), 24 + slot);
}

TEST(Augmentation, KeepsItsMeaning)
{
    // A change of these numbers changes the images of every run that is resumed.
    const auto numbers = [](const formats::PixelBox& box) { return std::vector<int>{box.left, box.top, box.width, box.height}; };
    const Augmenter augmenter(deit(), 7);
    EXPECT_EQ(numbers(augmenter.erased(224, 3, 8)), (std::vector<int>{0, 0, 0, 0}));
    PhiloxDice dice(7, Stream::Crop, 3, 5);
    EXPECT_EQ(numbers(randomResizedCrop(500, 375, {}, dice)), (std::vector<int>{91, 20, 397, 347}));
    const Mix mix = mixAt(deit().mix, 224, 7, 3, 64);
    EXPECT_EQ(numbers(mix.box), (std::vector<int>{0, 0, 0, 0}));
    EXPECT_NEAR(mix.lambda, 0.73422713531902406, 1e-12);
}
