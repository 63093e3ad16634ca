// SPDX-License-Identifier: Apache-2.0
// Jobs that the command line hands to a worker, by the one that needs no run: train --dry-run.
#include "tests/app/cli/supervised_runs.h"

#include <csignal>

namespace espalier {
using namespace std::chrono_literals;

class WorkerJobs : public tests::SupervisedRuns {
protected:
    std::vector<std::string> dryRun(std::vector<std::string> more = {})
    {
        more.insert(more.begin(), {"--dry-run", "--json"});
        return command(more);
    }
};

TEST_F(WorkerJobs, GiveTheirResultAndLeaveNothingBehind)
{
    const auto done = call(dryRun());
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.json()["step"]["job"], "dry-run");
    EXPECT_EQ(done.json()["step"]["request"]["config"]["training"]["steps"], 60);
    EXPECT_EQ(done.json()["batch"]["global"], 8);
    EXPECT_FALSE(std::filesystem::exists(m_run.root()));
}

TEST_F(WorkerJobs, SayWhatBroke)
{
    const auto done = call(dryRun(), {{"FAKE_CRASH", "1"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.err.find("the job broke"), std::string::npos) << done.err;
    EXPECT_EQ(done.json()["error"]["code"], "internal");
    const auto missing = call(dryRun(), {{"ESPALIER_WORKER_BINARY", "/nonexistent/worker"}});
    EXPECT_EQ(missing.status, 2);
    EXPECT_NE(missing.err.find("/nonexistent/worker"), std::string::npos) << missing.err;
}

TEST_F(WorkerJobs, CanBeCancelled)
{
    auto run = start(dryRun(), {{"FAKE_PARTS", "100000"}});
    ASSERT_TRUE(tests::eventually([&] { return run->err().find("1 of 100000") != std::string::npos; }));
    run->signal(SIGINT);
    EXPECT_EQ(run->wait(5s), 1) << run->err();
    EXPECT_NE(run->err().find("Cancelled"), std::string::npos) << run->err();
    // One that does not listen is ended by the second signal.
    run = start(dryRun(), {{"FAKE_PARTS", "2"}, {"FAKE_STEP_MS", "60000"}});
    ASSERT_TRUE(tests::eventually([&] { return run->err().find("1 of 2") != std::string::npos; }));
    run->signal(SIGTERM);
    EXPECT_EQ(run->wait(200ms), -1);
    run->signal(SIGTERM);
    EXPECT_EQ(run->wait(5s), 1);
}

TEST_F(WorkerJobs, EndWithACommandLineThatIsKilled)
{
    auto run = start(dryRun(), {{"FAKE_PARTS", "2"}, {"FAKE_STEP_MS", "60000"}});
    ASSERT_TRUE(tests::eventually([&] { return run->err().find("1 of 2") != std::string::npos; }));
    const auto children = tests::childrenOf(run->pid());
    ASSERT_EQ(children.size(), 1u);
    run->signal(SIGKILL);
    EXPECT_TRUE(tests::eventually([&] { return ::kill(children[0], 0) != 0 || tests::isZombie(children[0]); }, 5s));
}

} // namespace espalier
