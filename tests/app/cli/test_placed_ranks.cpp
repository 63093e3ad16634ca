// SPDX-License-Identifier: Apache-2.0
// Started once per rank, as torchrun, Slurm and mpirun do.
#include "core/runs/lock.h"
#include "tests/app/cli/supervised_runs.h"

#include <csignal>

namespace espalier {
using namespace std::chrono_literals;
using namespace runs;

class PlacedRanks : public tests::SupervisedRuns {
protected:
    std::unique_ptr<tests::CliProcess> startRank(int rank, int steps, const tests::Environment& more = {})
    {
        tests::Environment environment{{"RANK", std::to_string(rank)},
                                       {"LOCAL_RANK", std::to_string(rank)},
                                       {"WORLD_SIZE", "2"},
                                       {"MASTER_ADDR", "127.0.0.1"},
                                       {"MASTER_PORT", "29511"}};
        environment.insert(environment.end(), more.begin(), more.end());
        return std::make_unique<tests::CliProcess>(command({"--json"}, steps), environment, m_folder / ("rank" + std::to_string(rank)));
    }
};

TEST_F(PlacedRanks, TrainOneWorkerEachAndRankZeroTells)
{
    auto one = startRank(1, 40); // whoever comes first waits for rank 0
    auto zero = startRank(0, 40);
    EXPECT_EQ(zero->wait(), 0) << zero->err();
    EXPECT_EQ(one->wait(), 0) << one->err();
    const auto follower = followed();
    EXPECT_EQ(follower.state(), RunState::Finished);
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 40u);
    int starts = 0;
    for (const auto& event : follower.events())
        if (const auto started = Started::from(event)) {
            EXPECT_EQ(started->ranks, 2);
            ++starts;
        }
    EXPECT_EQ(starts, 1);
    // The same command again: nothing to do, on every rank.
    one = startRank(1, 40);
    zero = startRank(0, 40);
    EXPECT_EQ(zero->wait(), 0) << zero->err();
    EXPECT_EQ(one->wait(), 0) << one->err();
    EXPECT_EQ(followed().attempt(), follower.attempt());
}

TEST_F(PlacedRanks, EndWithASentenceWhenOneFails)
{
    auto zero = startRank(0, 5000);
    auto one = startRank(1, 5000, {{"FAKE_CRASH_AT", "5"}, {"FAKE_CRASH", "segv"}, {"FAKE_RANK", "1"}});
    EXPECT_EQ(one->wait(), 1);
    EXPECT_NE(one->err().find("Worker 1"), std::string::npos) << one->err();
    zero->signal(SIGTERM); // as torchrun does to those that are left
    EXPECT_EQ(zero->wait(), 0);
    EXPECT_EQ(followed().state(), RunState::Stopped);
}

TEST_F(PlacedRanks, NeedOneFolderAndVariablesThatMakeSense)
{
    const auto noFolder = call({"train", "--preset", "smoke"}, {{"RANK", "0"}, {"WORLD_SIZE", "1"}});
    EXPECT_EQ(noFolder.status, 2);
    EXPECT_NE(noFolder.err.find("--run"), std::string::npos) << noFolder.err;
    const auto nonsense = call(command(), {{"RANK", "two"}, {"WORLD_SIZE", "1"}});
    EXPECT_EQ(nonsense.status, 2);
    EXPECT_NE(nonsense.err.find("RANK=two"), std::string::npos) << nonsense.err;
    const auto batch = call(command(), {{"RANK", "0"}, {"WORLD_SIZE", "5"}});
    EXPECT_EQ(batch.status, 2);
    EXPECT_NE(batch.err.find("batch_size"), std::string::npos) << batch.err;
    EXPECT_FALSE(std::filesystem::exists(m_run.root()));
}

} // namespace espalier
