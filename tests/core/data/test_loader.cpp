// SPDX-License-Identifier: Apache-2.0
#include "core/data/loader.h"

#include "core/data/garden.h"
#include "tests/core/data/fake_dataset.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::FakeDataset;

namespace {

struct Seen { // a copy of a micro-batch
    std::vector<std::uint8_t> images;
    std::vector<std::int32_t> labels;
    std::int64_t firstSlot, micro;
    Cursor cursor;
    bool operator==(const Seen&) const = default;
};

Seen copyOf(const HostBatch& batch)
{
    return {
        {batch.images.begin(), batch.images.end()}, {batch.labels.begin(), batch.labels.end()}, batch.firstSlot, batch.micro, batch.cursor};
}

std::vector<Seen> take(std::shared_ptr<const Dataset> dataset, const Share& share, Cursor start, LoaderOptions options, int count)
{
    std::vector<Seen> seen;
    auto loader = Loader::start(std::move(dataset), share, start, std::move(options));
    EXPECT_TRUE(loader) << loader.error().message;
    if (!loader)
        return seen;
    for (int i = 0; i < count; ++i) {
        auto batch = (*loader)->next({});
        EXPECT_TRUE(batch) << batch.error().message;
        if (!batch)
            return seen;
        seen.push_back(copyOf(**batch));
    }
    return seen;
}

} // namespace

TEST(Loader, GivesTheListOfTheEpochInOrder)
{
    const auto dataset = std::make_shared<FakeDataset>(50);
    LoaderOptions options;
    options.seed = 9;
    const auto seen = take(dataset, {20, 20, 1, 0, 1}, {}, options, 4);
    ASSERT_EQ(seen.size(), 4u);
    for (std::size_t step = 0; step < 4; ++step) {
        const Cursor expected{static_cast<std::int64_t>(step / 2), static_cast<std::int64_t>(step % 2) * 20}; // the last ten are dropped
        EXPECT_EQ(seen[step].cursor, expected);
        for (std::int64_t i = 0; i < 20; ++i) {
            const auto index = imageAt(9, expected.epoch, expected.position + i, 50);
            const bool flipped = flips(9, expected.epoch, expected.position + i);
            EXPECT_EQ(seen[step].labels[static_cast<std::size_t>(i)], index % 3);
            EXPECT_EQ(seen[step].images[static_cast<std::size_t>(i) * 48], index % 64 + (flipped ? 192 : 0));
        }
    }
}

TEST(Loader, GivesEqualBatchesWhateverTheThreads)
{
    const auto garden = openGarden(2, Split::Train, 150, 16);
    ASSERT_TRUE(garden);
    const Share share{36, 18, 2, 0, 1};
    LoaderOptions options;
    options.seed = 4;
    options.workers = 1;
    const auto reference = take(*garden, share, {}, options, 14);
    for (const int workers : {2, 3, 8})
        for (const int prefetch : {1, 5}) {
            options.workers = workers;
            options.prefetch = prefetch;
            EXPECT_EQ(take(*garden, share, {}, options, 14), reference) << workers << " threads, " << prefetch << " ahead";
        }
}

TEST(Loader, SharesEachGlobalBatchAmongRanks)
{
    const auto dataset = std::make_shared<FakeDataset>(100);
    LoaderOptions options;
    options.seed = 1;
    const auto whole = take(dataset, {24, 24, 1, 0, 1}, {}, options, 5);
    for (const int world : {2, 3}) {
        const std::int64_t micro = 24 / world / 2;
        std::vector<Seen> pieced(5, Seen{std::vector<std::uint8_t>(24 * 48), std::vector<std::int32_t>(24), 0, 0, {}});
        for (int rank = 0; rank < world; ++rank) {
            const auto seen = take(dataset, {24, micro, 2, rank, world}, {}, options, 10);
            for (std::size_t i = 0; i < seen.size(); ++i) {
                EXPECT_EQ(seen[i].firstSlot, (seen[i].micro * world + rank) * micro);
                Seen& step = pieced[i / 2];
                step.cursor = seen[i].cursor;
                std::copy(seen[i].images.begin(), seen[i].images.end(), step.images.begin() + seen[i].firstSlot * 48);
                std::copy(seen[i].labels.begin(), seen[i].labels.end(), step.labels.begin() + seen[i].firstSlot);
            }
        }
        EXPECT_EQ(pieced, whole) << world << " ranks";
    }
}

TEST(Loader, GoesOnFromAnyCursorAsIfItHadNeverStopped)
{
    const auto dataset = std::make_shared<FakeDataset>(70, std::set<std::int64_t>{});
    const Share share{16, 8, 2, 0, 1};
    const auto whole = take(dataset, share, {}, {}, 24);
    for (std::size_t step = 0; step < 12; ++step) {
        const auto rest = take(dataset, share, whole[step * 2].cursor, {}, 4);
        for (std::size_t i = 0; i < 4 && step * 2 + i < whole.size(); ++i)
            EXPECT_EQ(rest[i], whole[step * 2 + i]) << "from step " << step;
    }
}

TEST(Loader, KeepsABatchUntouchedWhileItIsHeld)
{
    LoaderOptions options;
    options.held = 3;
    options.prefetch = 1;
    options.workers = 4;
    auto loader = Loader::start(std::make_shared<FakeDataset>(64), {8, 8, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    std::vector<std::pair<HostBatch*, Seen>> held;
    for (int i = 0; i < 40; ++i) {
        auto batch = (*loader)->next({});
        ASSERT_TRUE(batch);
        held.emplace_back(*batch, copyOf(**batch));
        if (held.size() > 3)
            held.erase(held.begin());
        for (const auto& [now, then] : held)
            EXPECT_EQ(copyOf(*now), then);
    }
}

TEST(Loader, ReadsNoFurtherAheadThanAllowed)
{
    const auto dataset = std::make_shared<FakeDataset>(1000);
    LoaderOptions options;
    options.prefetch = 2;
    options.held = 1;
    auto loader = Loader::start(dataset, {10, 10, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    ASSERT_TRUE((*loader)->next({}));
    std::this_thread::sleep_for(std::chrono::milliseconds(100)); // long enough for far more, were it not bounded
    EXPECT_LE(dataset->reads.load(), 30);
}

TEST(Loader, UsesTheMemoryItIsGiven)
{
    std::vector<std::pair<std::byte*, std::size_t>> given;
    LoaderOptions options;
    options.prefetch = 2;
    options.buffers = [&](std::size_t bytes) {
        std::shared_ptr<std::byte> memory(new std::byte[bytes], std::default_delete<std::byte[]>());
        given.emplace_back(memory.get(), bytes);
        return memory;
    };
    auto loader = Loader::start(std::make_shared<FakeDataset>(64), {8, 8, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    const auto made = given.size();
    EXPECT_EQ(made, 6u); // images and labels of two ahead and one held
    for (int i = 0; i < 20; ++i) {
        auto batch = (*loader)->next({});
        ASSERT_TRUE(batch);
        EXPECT_TRUE(std::any_of(given.begin(), given.end(), [&](const auto& g) {
            return g.first == reinterpret_cast<std::byte*>((*batch)->images.data()) && g.second >= (*batch)->images.size();
        }));
    }
    EXPECT_EQ(given.size(), made);
    options.buffers = [](std::size_t) { return std::shared_ptr<std::byte>(); };
    const auto none = Loader::start(std::make_shared<FakeDataset>(64), {8, 8, 1, 0, 1}, {}, options);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::Memory);
}

TEST(Loader, EndsAWaitWhenAskedAndCanGoOn)
{
    const auto dataset = std::make_shared<FakeDataset>(64);
    std::mutex gate;
    gate.lock();
    dataset->beforeRead = [&](std::int64_t) { std::lock_guard pass(gate); };
    LoaderOptions options;
    auto loader = Loader::start(dataset, {8, 8, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    std::stop_source stop;
    std::jthread later([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.request_stop();
    });
    auto batch = (*loader)->next(stop.get_token());
    ASSERT_FALSE(batch);
    EXPECT_EQ(batch.error().code, ErrorCode::Cancelled);
    gate.unlock();
    auto again = (*loader)->next({});
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)->cursor, (Cursor{0, 0})); // nothing was lost
    EXPECT_GT((*loader)->secondsWaited(), 0.01);
}

TEST(Loader, EndsWithoutHavingBeenAsked)
{
    for (int i = 0; i < 20; ++i) {
        LoaderOptions options;
        options.workers = 4;
        auto loader = Loader::start(std::make_shared<FakeDataset>(64), {8, 8, 1, 0, 1}, {}, options);
        ASSERT_TRUE(loader);
        if (i % 2 == 1) {
            ASSERT_TRUE((*loader)->next({}));
        }
    }
}

TEST(Loader, ReplacesBrokenImagesByTheNextOfTheList)
{
    const std::set<std::int64_t> broken{11, 77, 130};
    const auto dataset = std::make_shared<FakeDataset>(400, broken);
    std::mutex mutex;
    std::map<std::string, int> warnings;
    LoaderOptions options;
    options.augment.flip = false;
    options.log = [&](LogLevel level, std::string_view text) {
        std::lock_guard lock(mutex);
        EXPECT_EQ(level, LogLevel::Warning);
        for (const auto index : broken)
            if (text.find("image-" + std::to_string(index) + ":") != std::string_view::npos)
                ++warnings[std::to_string(index)];
    };
    const Share share{40, 40, 1, 0, 1};
    options.workers = 4;
    auto loader = Loader::start(dataset, share, {}, options);
    ASSERT_TRUE(loader);
    std::vector<Seen> seen;
    for (int step = 0; step < 20; ++step) {
        auto batch = (*loader)->next({});
        ASSERT_TRUE(batch);
        seen.push_back(copyOf(**batch));
    }
    EXPECT_EQ((*loader)->brokenImages(), 3);
    {
        std::lock_guard lock(mutex);
        EXPECT_EQ(warnings, (std::map<std::string, int>{{"11", 1}, {"77", 1}, {"130", 1}}));
    }
    for (const Seen& batch : seen)
        for (std::int64_t i = 0; i < 40; ++i) {
            std::int64_t position = batch.cursor.position + i;
            std::int64_t index = imageAt(0, batch.cursor.epoch, position, 400);
            while (broken.contains(index))
                index = imageAt(0, batch.cursor.epoch, position = (position + 1) % 400, 400);
            EXPECT_EQ(batch.images[static_cast<std::size_t>(i) * 48], index % 64);
        }
    options.log = {};
    options.workers = 1;
    EXPECT_EQ(take(dataset, share, {}, options, 20), seen);
}

TEST(Loader, RefusesMoreThanOneBrokenImageInAHundred)
{
    std::set<std::int64_t> broken;
    for (std::int64_t i = 0; i < 5; ++i)
        broken.insert(i * 71);
    auto loader = Loader::start(std::make_shared<FakeDataset>(400, broken), {40, 40, 1, 0, 1}, {}, {});
    ASSERT_TRUE(loader);
    for (int step = 0; step < 10; ++step) {
        auto batch = (*loader)->next({});
        if (batch)
            continue;
        EXPECT_EQ(batch.error().code, ErrorCode::Format);
        EXPECT_NE(batch.error().message.find("5 of 400"), std::string::npos) << batch.error().message;
        EXPECT_NE(batch.error().message.find("image-"), std::string::npos);
        EXPECT_FALSE((*loader)->next({}));
        return;
    }
    FAIL() << "went on with 5 broken images of 400";
}

TEST(Loader, TurnsExceptionsIntoErrors)
{
    const auto dataset = std::make_shared<FakeDataset>(100);
    dataset->beforeRead = [](std::int64_t index) {
        if (index == 50)
            throw std::runtime_error("a bug");
    };
    auto loader = Loader::start(dataset, {10, 10, 1, 0, 1}, {}, {});
    ASSERT_TRUE(loader);
    for (int step = 0; step < 10; ++step)
        if (auto batch = (*loader)->next({}); !batch) {
            EXPECT_EQ(batch.error().code, ErrorCode::Internal);
            EXPECT_EQ(batch.error().detail, "a bug");
            return;
        }
    FAIL() << "the exception was swallowed";
}

TEST(Loader, RefusesSharesThatDoNotMultiplyUp)
{
    const auto dataset = std::make_shared<FakeDataset>(100);
    for (const Share& share : {Share{10, 4, 2, 0, 1}, Share{8, 4, 2, 0, 2}, Share{8, 4, 1, 2, 2}, Share{8, 0, 1, 0, 1},
                               Share{200, 200, 1, 0, 1}, Share{8, 4, 1, -1, 2}}) {
        const auto loader = Loader::start(dataset, share, {}, {});
        ASSERT_FALSE(loader);
        EXPECT_EQ(loader.error().code, ErrorCode::Usage);
        EXPECT_NE(loader.error().message.find("training.batch_size"), std::string::npos);
    }
}
