// SPDX-License-Identifier: Apache-2.0
// Jobs that several workers share: of one command, or started once per rank.
#include "tests/app/cli/supervised_runs.h"

#include <csignal>

namespace espalier {
using namespace std::chrono_literals;
using tests::eventually;

class JobsOnRanks : public tests::SupervisedRuns {
protected:
    void SetUp() override
    {
        SupervisedRuns::SetUp();
        std::filesystem::create_directories(m_checkpoint);
        std::filesystem::create_directories(m_trace);
        ASSERT_TRUE(writeFileAtomically(m_checkpoint / "manifest.json", "{}"));
    }
    void TearDown() override
    {
        forget();
        SupervisedRuns::TearDown();
    }
    /// Before the next ones: those of the last command must be gone.
    void forget()
    {
        for (const auto& entry : std::filesystem::directory_iterator(m_trace)) {
            const auto pid = Json::parse(*readFile(entry.path()))["pid"].get<pid_t>();
            EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0 || tests::isZombie(pid); }, 5s)) << "a worker outlived its supervisor";
        }
        std::filesystem::remove_all(m_trace);
        std::filesystem::create_directories(m_trace);
    }
    std::vector<std::string> sample(std::vector<std::string> more = {})
    {
        std::vector<std::string> all{"sample", "--checkpoint", m_checkpoint.string(), "--out", (m_folder / "out").string(), "--json"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    tests::Environment traced(tests::Environment more = {})
    {
        more.emplace_back("FAKE_TRACE", m_trace.string());
        return more;
    }
    std::unique_ptr<tests::CliProcess> startRank(int rank, tests::Environment more = {}, std::vector<std::string> flags = {}, int world = 2)
    {
        more = traced(std::move(more));
        more.insert(more.end(), {{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(world)}});
        return std::make_unique<tests::CliProcess>(sample(std::move(flags)), more, m_folder / ("rank" + std::to_string(rank)));
    }
    Json told(int rank)
    {
        Json json;
        eventually([&] {
            const auto text = readFile(m_trace / ("rank" + std::to_string(rank) + ".json"));
            json = text ? Json::parse(*text, nullptr, false) : Json();
            return json.is_object();
        });
        return json;
    }
    pid_t workerOf(int rank)
    {
        const auto json = told(rank);
        return json.is_object() ? json["pid"].get<pid_t>() : -1;
    }
    void strike(int rank, int number)
    {
        const auto worker = workerOf(rank);
        ASSERT_GT(worker, 0) << "rank " << rank;
        ::kill(worker, number);
    }
    static constexpr auto kLong = "100000"; // parts
    std::filesystem::path m_checkpoint = m_folder / "weights", m_trace = m_folder / "trace";
};

TEST_F(JobsOnRanks, HaveAWorkerForEachDevice)
{
    const auto done = call(sample({"--devices", "cpu:3"}), traced());
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.json()["job"], "sample") << "rank 0 answers";
    for (int rank = 0; rank < 3; ++rank) {
        const auto json = told(rank);
        ASSERT_TRUE(json.is_object()) << rank;
        EXPECT_EQ(json["world"], 3);
        EXPECT_EQ(json["local"], rank);
        EXPECT_EQ(json["local_world"], 3);
        EXPECT_EQ(json["address"], "127.0.0.1");
        EXPECT_EQ(json["device"], "cpu");
        EXPECT_EQ(json["port"], told(0)["port"]);
    }
}

TEST_F(JobsOnRanks, MeetWhereTheyWereStartedOneByOne)
{
    auto one = startRank(1), zero = startRank(0);
    EXPECT_EQ(zero->wait(), 0) << zero->err();
    EXPECT_EQ(one->wait(), 0) << one->err();
    EXPECT_EQ(Json::parse(zero->out())["job"], "sample");
    EXPECT_EQ(Json::parse(one->out()), (Json{{"rank", 1}})) << "rank 0 alone answers";
    EXPECT_EQ(told(1)["world"], 2);
    EXPECT_EQ(told(1)["local_world"], 2) << "they found out that it is one machine";
    EXPECT_EQ(told(1)["port"], told(0)["port"]);
    EXPECT_FALSE(std::filesystem::exists(m_folder / "out" / "meeting.json"));
}

TEST_F(JobsOnRanks, GiveSignsOfLifeAsOftenAsTheOthersExpectThem)
{
    const tests::Environment hasty{{"FAKE_PARTS", "60"}, {"FAKE_STEP_MS", "30"}, {"ESPALIER_SILENT_SECONDS", "1"}};
    auto one = startRank(1, hasty), zero = startRank(0, hasty);
    EXPECT_EQ(zero->wait(), 0) << zero->err();
    EXPECT_EQ(one->wait(), 0) << one->err();
}

TEST_F(JobsOnRanks, EndTogetherNamingTheOneThatDied)
{
    const tests::Environment slow{{"FAKE_PARTS", kLong}, {"ESPALIER_SILENT_SECONDS", "3"}};
    for (const int number : {SIGKILL, SIGSTOP}) {
        const char* word = number == SIGKILL ? "SIGKILL" : "stopped (SIGSTOP";
        forget();
        auto alone = start(sample({"--devices", "cpu:3"}), traced(slow));
        ASSERT_GT(workerOf(2), 0);
        ASSERT_NO_FATAL_FAILURE(strike(1, number));
        EXPECT_EQ(alone->wait(), 1);
        EXPECT_NE(alone->err().find("Worker 1"), std::string::npos) << alone->err();
        EXPECT_NE(alone->err().find(word), std::string::npos) << alone->err();
        forget();
        auto zero = startRank(0, slow), one = startRank(1, slow);
        ASSERT_GT(workerOf(0), 0);
        ASSERT_NO_FATAL_FAILURE(strike(1, number));
        for (auto* each : {zero.get(), one.get()}) {
            EXPECT_EQ(each->wait(), 1);
            EXPECT_NE(each->err().find("Worker 1"), std::string::npos) << each->err();
            EXPECT_NE(each->err().find(word), std::string::npos) << each->err();
        }
    }
}

TEST_F(JobsOnRanks, NoticeASupervisorThatIsGone)
{
    const tests::Environment slow{{"FAKE_PARTS", kLong}, {"ESPALIER_SILENT_SECONDS", "3"}};
    for (const int victim : {0, 1}) {
        forget();
        auto zero = startRank(0, slow), one = startRank(1, slow);
        ASSERT_GT(workerOf(0), 0);
        ASSERT_GT(workerOf(1), 0);
        auto &dies = victim == 0 ? zero : one, &stays = victim == 0 ? one : zero;
        dies->signal(SIGKILL);
        EXPECT_EQ(stays->wait(), 1);
        EXPECT_NE(stays->err().find("Rank " + std::to_string(victim)), std::string::npos) << stays->err();
        dies->wait();
    }
}

TEST_F(JobsOnRanks, SayTheReasonOfTheOneThatFailed)
{
    const tests::Environment broken{{"FAKE_CRASH", "fail"}, {"FAKE_RANK", "1"}};
    const auto alone = call(sample({"--devices", "cpu:2"}), broken);
    EXPECT_EQ(alone.status, 1);
    EXPECT_NE(alone.err.find("The weights are damaged."), std::string::npos) << alone.err;
    auto zero = startRank(0, {{"FAKE_PARTS", kLong}}), one = startRank(1, broken);
    EXPECT_EQ(zero->wait(), 1);
    EXPECT_EQ(one->wait(), 1);
    EXPECT_NE(zero->err().find("The weights are damaged."), std::string::npos) << zero->err();
}

TEST_F(JobsOnRanks, AreCancelledTogetherWhoeverGetsTheSignal)
{
    const tests::Environment slow{{"FAKE_PARTS", kLong}};
    auto alone = start(sample({"--devices", "cpu:3"}), traced(slow));
    ASSERT_GT(workerOf(2), 0);
    alone->signal(SIGINT);
    EXPECT_EQ(alone->wait(5s), 1);
    EXPECT_NE(alone->err().find("Cancelled"), std::string::npos) << alone->err();
    for (const int asked : {0, 1}) {
        forget();
        auto zero = startRank(0, slow), one = startRank(1, slow);
        ASSERT_GT(workerOf(0), 0);
        ASSERT_GT(workerOf(1), 0);
        (asked == 0 ? zero : one)->signal(SIGTERM);
        for (auto* each : {zero.get(), one.get()}) {
            EXPECT_EQ(each->wait(8s), 1);
            EXPECT_NE(each->err().find("Cancelled"), std::string::npos) << each->err();
        }
    }
}

TEST_F(JobsOnRanks, MustBeAskedForTheSame)
{
    auto zero = startRank(0, {}, {"--seed", "1"}), one = startRank(1, {}, {"--seed", "2"});
    EXPECT_EQ(zero->wait(), 2);
    EXPECT_EQ(one->wait(), 2);
    for (const auto& said : {zero->err(), one->err()})
        EXPECT_NE(said.find("request.seed is 1 on rank 0 and 2 on rank 1"), std::string::npos) << said;
    EXPECT_FALSE(std::filesystem::exists(m_trace / "rank0.json")) << "no worker was started";
}

TEST_F(JobsOnRanks, NeedAFolderToMeetIn)
{
    const auto lost = call({"evaluate", "--checkpoint", m_checkpoint.string()}, {{"RANK", "0"}, {"WORLD_SIZE", "2"}});
    EXPECT_EQ(lost.status, 2);
    EXPECT_NE(lost.err.find("--out"), std::string::npos) << lost.err;
}

} // namespace espalier
