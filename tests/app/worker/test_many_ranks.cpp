// SPDX-License-Identifier: Apache-2.0
// Several real ranks under one supervisor: other numbers of them, and one that is killed or stopped.
#include "tests/app/worker/real_run.h"

#include <cmath>

namespace espalier {
namespace {

class ManyRanks : public RealRuns {
protected:
    std::vector<std::string> onRanks(int ranks, std::vector<std::string> more = {}) const
    {
        std::vector<std::string> all{"--devices",      "cpu:" + std::to_string(ranks), "--set", "training.batch_size=8", "--set",
                                     "samples.every=0"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    pid_t workerOfRank(const RunFolder& run, int rank) const
    {
        const auto wanted = "RANK=" + std::to_string(rank);
        for (const auto pid : tests::processesIn(run.root())) {
            const auto environment = readFile("/proc/" + std::to_string(pid) + "/environ", 1 << 20);
            const bool worker = environment && environment->find("ESPALIER_STATUS_FD=") != std::string::npos;
            if (worker && ('\0' + *environment).find('\0' + wanted + '\0') != std::string::npos)
                return pid;
        }
        return -1;
    }
    void expectNear(const RunFolder& one, const RunFolder& other)
    {
        runs::RunFollower a(one.root()), b(other.root());
        a.poll();
        b.poll();
        const auto *first = a.curve(runs::tags::kLoss), *second = b.curve(runs::tags::kLoss);
        ASSERT_TRUE(first && second);
        ASSERT_EQ(first->size(), second->size());
        for (std::size_t i = 0; i < first->size(); ++i) // float sums in another order
            ASSERT_NEAR(first->point(i).value, second->point(i).value, 1e-5) << "step " << first->point(i).step;
        ASSERT_EQ(a.curve(runs::tags::kImages)->point(first->size() - 1).value,
                  b.curve(runs::tags::kImages)->point(first->size() - 1).value);
    }
};

} // namespace

TEST_F(ManyRanks, ARunOfFourGoesOnWithTwoAsIfNothingHadHappened)
{
    const RunFolder straight(m_folder / "straight"), changed(m_folder / "changed");
    const auto done = call(trainInto(straight, onRanks(4, {"--set", "training.steps=30"})));
    ASSERT_EQ(done.status, 0) << done.err;
    {
        CliProcess process(trainInto(changed, onRanks(4, {"--set", "training.steps=30"})), {}, m_folder / "start");
        ASSERT_TRUE(passes(changed, 7)) << process.err();
        ASSERT_TRUE(runs::sendWish(changed, runs::WishKind::Pause));
        ASSERT_EQ(process.wait(60s), 0) << process.err();
    }
    ASSERT_EQ(stateOf(changed), runs::RunState::Paused);
    const auto at = runs::storedCheckpoints(changed).back().step;
    ASSERT_LT(at, 30);
    const auto resumed = call(trainInto(changed, onRanks(2, {"--set", "training.steps=30"})));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    runs::RunFollower follower(changed.root());
    follower.poll();
    std::vector<int> ranks;
    for (const auto& event : follower.events())
        if (const auto started = runs::eventAs<runs::Started>(event))
            ranks.push_back(started->ranks);
    EXPECT_EQ(ranks, (std::vector<int>{4, 2}));
    expectNear(straight, changed);
    EXPECT_TRUE(follower.curve("speed/rank_1")) << "how each rank fares";
}

TEST_F(ManyRanks, OneWhoseSplitIsFixedSaysWhatToChangeAndTrainsTheSame)
{
    const RunFolder straight(m_folder / "straight"), changed(m_folder / "changed");
    const std::vector<std::string> split{"--set", "training.micro_batch=1", "--set", "training.accumulation=2"};
    auto whole = onRanks(4, split), half = onRanks(4, split), two = onRanks(2);
    whole.insert(whole.end(), {"--set", "training.steps=20"});
    half.insert(half.end(), {"--set", "training.steps=10"});
    two.insert(two.end(), {"--set", "training.steps=20"});
    ASSERT_EQ(call(trainInto(straight, whole)).status, 0);
    ASSERT_EQ(call(trainInto(changed, half)).status, 0);
    auto refused = two;
    refused.insert(refused.end(), split.begin(), split.end());
    const auto said = call(trainInto(changed, refused));
    EXPECT_EQ(said.status, 2);
    EXPECT_NE(said.err.find("set training.accumulation to 4"), std::string::npos) << said.err;
    two.insert(two.end(), {"--set", "training.accumulation=4"});
    const auto resumed = call(trainInto(changed, two));
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    expectNear(straight, changed);
}

TEST_F(ManyRanks, ASignalToEveryProcessSavesACheckpoint)
{
    // As Slurm ends a job: supervisor and workers get the same SIGTERM.
    const RunFolder run(m_folder / "job");
    CliProcess process(trainInto(run, onRanks(2, {"--set", "training.steps=100000"})), {}, m_folder / "start");
    ASSERT_TRUE(passes(run, 12)) << process.err();
    for (const auto pid : tests::processesIn(run.root()))
        ::kill(pid, SIGTERM);
    EXPECT_EQ(process.wait(30s), 0) << process.err();
    EXPECT_EQ(stateOf(run), runs::RunState::Stopped);
    runs::RunFollower follower(run.root());
    follower.poll();
    EXPECT_EQ(runs::storedCheckpoints(run).back().step, follower.progress().step) << "nothing is trained again";
}

TEST_F(ManyRanks, OneThatIsKilledOrStoppedIsNamedAndNobodyIsLeft)
{
    for (const int signal : {SIGKILL, SIGSTOP}) {
        const RunFolder run(m_folder / std::to_string(signal));
        const auto longer = onRanks(3, {"--set", "training.batch_size=6", "--set", "training.steps=100000"});
        CliProcess process(trainInto(run, longer), {{"ESPALIER_SILENT_SECONDS", "3"}, {"ESPALIER_GRACE_SECONDS", "1"}}, m_folder / "start");
        ASSERT_TRUE(passes(run, 12)) << process.err();
        const auto victim = workerOfRank(run, 2);
        ASSERT_GT(victim, 0);
        ::kill(victim, signal);
        EXPECT_EQ(process.wait(30s), 1);
        EXPECT_TRUE(eventually([&] { return tests::processesIn(run.root()).empty(); }, 5s));
        runs::RunFollower follower(run.root());
        follower.poll();
        EXPECT_EQ(follower.state(), runs::RunState::Failed);
        ASSERT_TRUE(follower.failure());
        EXPECT_EQ(follower.failure()->rank, 2) << follower.failure()->message;
        EXPECT_NE(follower.failure()->message.find(signal == SIGKILL ? "SIGKILL" : "SIGSTOP"), std::string::npos)
            << follower.failure()->message;
        const auto at = runs::storedCheckpoints(run).back().step;
        const auto resumed =
            call(trainInto(run, onRanks(3, {"--set", "training.batch_size=6", "--set", "training.steps=" + std::to_string(at + 5)})));
        EXPECT_EQ(resumed.status, 0) << resumed.err;
    }
}

} // namespace espalier
