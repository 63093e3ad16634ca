// SPDX-License-Identifier: Apache-2.0
#include "core/runs/retention.h"
#include "tests/core/runs/run_files.h"

namespace espalier::runs {

namespace {
config::CheckpointConfig rules(std::int64_t last, std::int64_t every, bool best)
{
    config::CheckpointConfig config;
    config.keepLast = last;
    config.keepEvery = every;
    config.keepBest = best;
    return config;
}
std::vector<StoredCheckpoint> steps(std::initializer_list<std::int64_t> list)
{
    std::vector<StoredCheckpoint> stored;
    for (const auto step : list)
        stored.push_back({step});
    return stored;
}
using Steps = std::vector<std::int64_t>;
} // namespace

TEST(Retention, KeepsTheLast)
{
    EXPECT_EQ(checkpointsToRemove(rules(2, 0, false), steps({400, 100, 300, 200})), (Steps{100, 200}));
    EXPECT_EQ(checkpointsToRemove(rules(9, 0, false), steps({100, 200})), Steps{});
}

TEST(Retention, KeepsEveryNth)
{
    EXPECT_EQ(checkpointsToRemove(rules(1, 200, false), steps({100, 200, 300, 400, 500})), (Steps{100, 300}));
}

TEST(Retention, KeepsTheBestAndThoseKeptByHand)
{
    auto stored = steps({100, 200, 300, 400});
    stored[0].metric = {"fd", 5.0};
    stored[1].metric = {"fd", 3.0};
    stored[2].keptByHand = true;
    EXPECT_EQ(checkpointsToRemove(rules(1, 0, true), stored), (Steps{100}));
    EXPECT_EQ(checkpointsToRemove(rules(1, 0, false), stored), (Steps{100, 200}));
    stored[0].keptForRun = true;
    EXPECT_EQ(checkpointsToRemove(rules(1, 0, false), stored), (Steps{200}));
    EXPECT_EQ(keptBecause(rules(1, 0, true), stored, 200), "best");
    EXPECT_EQ(keptBecause(rules(1, 0, true), stored, 400), "newest");
}

TEST(Retention, NeverRemovesTheNewest)
{
    EXPECT_EQ(checkpointsToRemove(rules(0, 0, false), steps({100})), Steps{});
}

class KeepByHand : public tests::RunFiles {};

TEST_F(KeepByHand, IsAFileInTheCheckpoint)
{
    const auto run = newRun();
    EXPECT_FALSE(keepCheckpoint(run, 100, true));
    std::filesystem::create_directories(run.checkpointFolder(100));
    std::filesystem::create_directories(run.checkpointFolder(200)); // no manifest: not whole
    append(run.checkpointFolder(100) / "manifest.json", "{}");
    ASSERT_TRUE(keepCheckpoint(run, 100, true));
    ASSERT_EQ(storedCheckpoints(run).size(), 1u);
    EXPECT_TRUE(storedCheckpoints(run)[0].keptByHand);
    ASSERT_TRUE(keepCheckpoint(run, 100, false));
    EXPECT_FALSE(storedCheckpoints(run)[0].keptByHand);
}

} // namespace espalier::runs
