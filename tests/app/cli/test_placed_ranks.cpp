// SPDX-License-Identifier: Apache-2.0
// Started once per rank, as torchrun, Slurm and mpirun do.
#include "core/runs/lock.h"
#include "tests/app/cli/supervised_runs.h"

#include <arpa/inet.h>
#include <csignal>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace espalier {
using namespace std::chrono_literals;
using namespace runs;

class PlacedRanks : public tests::SupervisedRuns {
protected:
    /// As torchrun starts it; `more` is laid over its environment.
    std::unique_ptr<tests::CliProcess> startRank(int rank, int steps, const tests::Environment& more = {},
                                                 std::vector<std::string> flags = {}, int world = 2)
    {
        tests::Environment environment{{"RANK", std::to_string(rank)},
                                       {"LOCAL_RANK", std::to_string(rank)},
                                       {"WORLD_SIZE", std::to_string(world)},
                                       {"MASTER_ADDR", "127.0.0.1"},
                                       {"MASTER_PORT", "29511"}};
        environment.insert(environment.end(), more.begin(), more.end());
        return startWith(rank, steps, environment, std::move(flags));
    }
    std::unique_ptr<tests::CliProcess> startWith(int rank, int steps, const tests::Environment& environment,
                                                 std::vector<std::string> flags = {})
    {
        flags.push_back("--json");
        return std::make_unique<tests::CliProcess>(command(std::move(flags), steps), environment,
                                                   m_folder / ("rank" + std::to_string(rank)));
    }
    static pid_t workerOf(const tests::CliProcess& rank)
    {
        std::vector<pid_t> children;
        tests::eventually([&] { return !(children = tests::childrenOf(rank.pid())).empty(); });
        return children.empty() ? -1 : children.front();
    }
    static void strike(const tests::CliProcess& rank, int number)
    {
        const auto worker = workerOf(rank);
        ASSERT_GT(worker, 0);
        ::kill(worker, number);
    }
    void expectFailed(int rank, const char* word)
    {
        const auto follower = followed();
        EXPECT_EQ(follower.state(), RunState::Failed);
        ASSERT_TRUE(follower.failure());
        EXPECT_EQ(follower.failure()->rank, rank);
        EXPECT_NE(follower.failure()->message.find(word), std::string::npos) << follower.failure()->message;
        EXPECT_FALSE(isLocked(m_run));
    }
    void expectToGoOn(int steps)
    {
        auto one = startRank(1, steps);
        auto zero = startRank(0, steps);
        EXPECT_EQ(zero->wait(), 0) << zero->err();
        EXPECT_EQ(one->wait(), 0) << one->err();
        const auto follower = followed();
        EXPECT_EQ(follower.state(), RunState::Finished);
        EXPECT_EQ(follower.curve(tags::kLoss)->size(), static_cast<std::size_t>(steps));
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
        if (const auto started = eventAs<Started>(event)) {
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

TEST_F(PlacedRanks, MeetWithoutAnAddressWhoeverStartedThem)
{
    const auto environmentOf = [](const std::string& launcher, int rank) -> tests::Environment {
        const auto text = std::to_string(rank);
        if (launcher == "bare")
            return {{"RANK", text}, {"WORLD_SIZE", "2"}};
        if (launcher == "slurm")
            return {{"SLURM_PROCID", text},
                    {"SLURM_LOCALID", text},
                    {"SLURM_NTASKS", "2"},
                    {"SLURM_STEP_ID", "0"},
                    {"SLURM_NODELIST", "localhost"}};
        return {{"OMPI_COMM_WORLD_RANK", text}, {"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_LOCAL_RANK", text}};
    };
    for (const std::string launcher : {"bare", "slurm", "mpi"}) {
        m_run = RunFolder(m_folder / launcher);
        auto zero = startWith(0, 12, environmentOf(launcher, 0));
        auto one = startWith(1, 12, environmentOf(launcher, 1));
        EXPECT_EQ(zero->wait(), 0) << launcher << zero->err();
        EXPECT_EQ(one->wait(), 0) << launcher << one->err();
        EXPECT_EQ(followed().state(), RunState::Finished);
        EXPECT_FALSE(std::filesystem::exists(m_run.root() / "meeting.json")) << "it is of use only until all have met";
    }
}

TEST_F(PlacedRanks, NameTheOneThatWasKilledAndItsSignal)
{
    auto zero = startRank(0, 5000), one = startRank(1, 5000);
    ASSERT_TRUE(passes(22));
    ASSERT_NO_FATAL_FAILURE(strike(*one, SIGKILL));
    EXPECT_EQ(one->wait(), 1);
    EXPECT_NE(one->err().find("SIGKILL"), std::string::npos) << one->err();
    EXPECT_EQ(zero->wait(), 1);
    EXPECT_NE(zero->err().find("Worker 1 was ended by SIGKILL"), std::string::npos) << zero->err();
    expectFailed(1, "SIGKILL");
    EXPECT_NE(followed().failure()->detail.find("fake worker began"), std::string::npos) << "what it said last";
    ASSERT_GE(storedCheckpoints(m_run).back().step, 20);
    expectToGoOn(static_cast<int>(storedCheckpoints(m_run).back().step) + 20);
}

TEST_F(PlacedRanks, NameTheOneThatWasStopped)
{
    const tests::Environment soon{{"ESPALIER_SILENT_SECONDS", "3"}};
    auto zero = startRank(0, 5000, soon), one = startRank(1, 5000, soon);
    ASSERT_TRUE(passes(3));
    ASSERT_NO_FATAL_FAILURE(strike(*one, SIGSTOP));
    EXPECT_EQ(one->wait(), 1);
    EXPECT_EQ(zero->wait(), 1);
    expectFailed(1, "stopped (SIGSTOP");
    EXPECT_NE(zero->err().find("stopped (SIGSTOP"), std::string::npos) << zero->err();
}

TEST_F(PlacedRanks, NoticeASupervisorThatIsStoppedOrKilled)
{
    const tests::Environment soon{{"ESPALIER_SILENT_SECONDS", "3"}};
    for (const int signal : {SIGSTOP, SIGKILL}) {
        m_run = RunFolder(m_folder / std::to_string(signal));
        auto zero = startRank(0, 5000, soon), one = startRank(1, 5000, soon);
        ASSERT_TRUE(passes(3));
        ::kill(one->pid(), signal);
        EXPECT_EQ(zero->wait(), 1);
        expectFailed(1, signal == SIGSTOP ? "no sign of life" : "without a word");
        ::kill(one->pid(), SIGKILL); // as torchrun does to what does not end
        one->wait();
    }
    // Rank 0 writes the state: without it nobody does, and the others end.
    m_run = RunFolder(m_folder / "zero");
    auto zero = startRank(0, 5000, soon), one = startRank(1, 5000, soon);
    ASSERT_TRUE(passes(3));
    ::kill(zero->pid(), SIGKILL);
    EXPECT_EQ(one->wait(), 1);
    EXPECT_NE(one->err().find("Rank 0"), std::string::npos) << one->err();
}

TEST_F(PlacedRanks, AllSayWhyRankZeroFailed)
{
    auto zero = startRank(0, 5000, {{"FAKE_CRASH_AT", "5"}, {"FAKE_CRASH", "fail"}});
    auto one = startRank(1, 5000);
    EXPECT_EQ(zero->wait(), 1);
    EXPECT_EQ(one->wait(), 1);
    EXPECT_NE(one->err().find("not finite"), std::string::npos) << one->err();
    expectFailed(0, "not finite");
}

TEST_F(PlacedRanks, EndBeforeTheFirstStepWhenTheirConfigurationsDiffer)
{
    auto zero = startRank(0, 50);
    auto one = startRank(1, 50, {}, {"--set", "training.batch_size=6", "--set", "training.learning_rate=0.5"});
    EXPECT_EQ(zero->wait(), 2);
    EXPECT_EQ(one->wait(), 2);
    for (const auto& said : {zero->err(), one->err()}) {
        EXPECT_NE(said.find("training."), std::string::npos) << said;
        EXPECT_NE(said.find("on rank 0 and"), std::string::npos) << said;
        EXPECT_NE(said.find("on rank 1"), std::string::npos) << said;
    }
    EXPECT_EQ(followed().progress().step, 0);
    EXPECT_EQ(followed().attempt(), 0);
    EXPECT_EQ(followed().state(), RunState::Failed);
    expectToGoOn(20);
}

TEST_F(PlacedRanks, SayWhoDidNotCome)
{
    const tests::Environment soon{{"ESPALIER_JOIN_SECONDS", "1"}};
    const auto zero = startRank(0, 50, soon, {}, 4);
    EXPECT_EQ(zero->wait(10s), 1);
    EXPECT_NE(zero->err().find("ranks 1, 2 and 3"), std::string::npos) << zero->err();
    m_run = RunFolder(m_folder / "nobody");
    const auto one = startRank(1, 50, soon);
    EXPECT_EQ(one->wait(10s), 1);
    EXPECT_NE(one->err().find("127.0.0.1:29511"), std::string::npos) << one->err();
    EXPECT_FALSE(std::filesystem::exists(m_run.root())) << "only rank 0 makes it";
}

TEST_F(PlacedRanks, AllNameAnAddressThatDoesNotAnswer)
{
    const tests::Environment nowhere{{"MASTER_ADDR", "no-such-machine.invalid"}};
    const auto begin = std::chrono::steady_clock::now();
    auto one = startRank(1, 50, nowhere), zero = startRank(0, 50, nowhere);
    EXPECT_EQ(zero->wait(), 1);
    EXPECT_EQ(one->wait(), 1);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
    for (const auto& said : {zero->err(), one->err()})
        EXPECT_NE(said.find("no-such-machine.invalid:29511"), std::string::npos) << said;
    expectFailed(-1, "no-such-machine.invalid:29511");
    EXPECT_EQ(followed().attempt(), 0);
}

/// Something that answers on a port and is none of ours: it says a line, or nothing at all.
class Stranger {
public:
    Stranger(const char* address, std::string says) : m_says(std::move(says))
    {
        m_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        ::inet_pton(AF_INET, address, &at.sin_addr);
        socklen_t size = sizeof at;
        ::bind(m_fd, reinterpret_cast<sockaddr*>(&at), size);
        ::listen(m_fd, 16);
        ::getsockname(m_fd, reinterpret_cast<sockaddr*>(&at), &size);
        m_port = ntohs(at.sin_port);
        m_thread = std::jthread([this](std::stop_token stop) {
            std::vector<int> guests;
            while (!stop.stop_requested()) {
                pollfd ready{m_fd, POLLIN, 0};
                if (::poll(&ready, 1, 50) != 1)
                    continue;
                guests.push_back(::accept(m_fd, nullptr, nullptr));
                [[maybe_unused]] const auto put = ::send(guests.back(), m_says.data(), m_says.size(), MSG_NOSIGNAL);
            }
            for (const int each : guests)
                ::close(each);
        });
    }
    ~Stranger()
    {
        m_thread = {};
        ::close(m_fd);
    }
    std::string port() const { return std::to_string(m_port); }

private:
    int m_fd = -1, m_port = 0;
    std::string m_says;
    std::jthread m_thread;
};

TEST_F(PlacedRanks, AllNameAnAddressWhereSomethingElseAnswers)
{
    for (const std::string says : {"", "SSH-2.0-OpenSSH_9.2\r\n", "{\"kind\": \"stand\", \"welcome\": \"guessed\"}\n"}) {
        const Stranger stranger("127.0.0.2", says); // rank 0 itself listens on 127.0.0.1
        m_run = RunFolder(m_folder / ("stranger" + std::to_string(says.size())));
        const tests::Environment there{{"MASTER_ADDR", "127.0.0.2"}, {"MASTER_PORT", stranger.port()}, {"ESPALIER_JOIN_SECONDS", "4"}};
        const auto begin = std::chrono::steady_clock::now();
        auto one = startRank(1, 50, there), zero = startRank(0, 50, there);
        EXPECT_EQ(zero->wait(), 1);
        EXPECT_EQ(one->wait(), 1);
        EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
        for (const auto& said : {zero->err(), one->err()}) {
            EXPECT_NE(said.find("127.0.0.2:" + stranger.port()), std::string::npos) << said;
            EXPECT_NE(said.find("something else answers"), std::string::npos) << said;
        }
        EXPECT_EQ(followed().state(), RunState::Failed);
        EXPECT_EQ(followed().attempt(), 0);
    }
}

TEST_F(PlacedRanks, StopTogetherWhoeverGetsTheSignal)
{
    for (const int asked : {0, 1}) {
        m_run = RunFolder(m_folder / ("asked" + std::to_string(asked)));
        auto zero = startRank(0, 5000), one = startRank(1, 5000);
        ASSERT_TRUE(passes(3));
        (asked == 0 ? zero : one)->signal(SIGTERM);
        EXPECT_EQ(zero->wait(), 0) << zero->err();
        EXPECT_EQ(one->wait(), 0) << one->err();
        EXPECT_EQ(followed().state(), RunState::Stopped);
    }
}

TEST_F(PlacedRanks, AllEndWhereOneIsEndedAtOnce)
{
    for (const int asked : {0, 1}) {
        m_run = RunFolder(m_folder / ("at-once" + std::to_string(asked)));
        auto zero = startRank(0, 100000, {{"FAKE_DEAF", "1"}}), one = startRank(1, 100000, {{"FAKE_DEAF", "1"}});
        ASSERT_TRUE(passes(3));
        auto &ends = asked == 0 ? zero : one, &stays = asked == 0 ? one : zero;
        ends->signal(SIGTERM);
        EXPECT_EQ(ends->wait(2200ms), -1) << "it waits for a checkpoint";
        ends->signal(SIGTERM);
        EXPECT_EQ(ends->wait(5s), 1) << ends->err();
        EXPECT_EQ(stays->wait(5s), 1) << stays->err();
        EXPECT_NE(stays->err().find("Rank " + std::to_string(asked) + " was ended at once by a second signal."), std::string::npos)
            << stays->err();
    }
}

TEST_F(PlacedRanks, LetNoStrangerIn)
{
    // A meeting file of an earlier attempt whose port somebody else has by now.
    std::filesystem::create_directories(m_run.root());
    ASSERT_TRUE(
        writeFileAtomically(m_run.root() / "meeting.json",
                            R"({"addresses": ["127.0.0.1"], "port": 1, "host": "gone", "boot_id": "x", "token": "a", "welcome": "b"})"));
    std::filesystem::permissions(m_run.root() / "meeting.json", std::filesystem::perms::owner_all);
    auto one = startRank(1, 20);
    std::this_thread::sleep_for(300ms);
    std::filesystem::remove_all(m_run.root());
    auto zero = startRank(0, 20);
    EXPECT_EQ(zero->wait(), 0) << zero->err();
    EXPECT_EQ(one->wait(), 0) << one->err();
}

TEST_F(PlacedRanks, AreFoundWhereNobodyKnowsTheNameOfTheMachine)
{
    auto zero = startWith(0, 20, {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}});
    std::string said;
    ASSERT_TRUE(tests::eventually([&] {
        const auto text = readFile(m_run.root() / "meeting.json");
        said = text ? *text : "";
        return !said.empty();
    })) << zero->err();
    ifaddrs* all = nullptr;
    ASSERT_EQ(::getifaddrs(&all), 0);
    int networks = 0;
    for (const auto* each = all; each != nullptr; each = each->ifa_next) {
        char text[INET_ADDRSTRLEN] = {};
        if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET || !(each->ifa_flags & IFF_UP))
            continue;
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof text);
        const bool loopback = (each->ifa_flags & IFF_LOOPBACK) != 0;
        EXPECT_EQ(said.find(std::string("\"") + text + "\"") == std::string::npos, loopback) << text << " in " << said;
        networks += loopback ? 0 : 1;
    }
    ::freeifaddrs(all);
    zero->signal(SIGTERM);
    zero->wait();
    if (networks == 0)
        GTEST_SKIP() << "this machine has no network";
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
