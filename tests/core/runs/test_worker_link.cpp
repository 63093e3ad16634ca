// SPDX-License-Identifier: Apache-2.0
#include "core/runs/worker_link.h"
#include "tests/core/runs/run_files.h"

#include <sys/wait.h>

#include <cstdlib>
#include <optional>

namespace espalier::runs {

class WorkerLinks : public testing::Test {
protected:
    void SetUp() override
    {
        ASSERT_EQ(::pipe(m_control), 0);
        ASSERT_EQ(::pipe(m_status), 0);
        ::setenv(environment::kControlFd, std::to_string(m_control[0]).c_str(), 1);
        ::setenv(environment::kStatusFd, std::to_string(m_status[1]).c_str(), 1);
        ::setenv(environment::kSupervisor, std::to_string(::getppid()).c_str(), 1);
    }
    void TearDown() override
    {
        m_link.reset(); // closes its ends
        ::close(m_control[1]);
        ::close(m_status[0]);
        for (const char* name : {environment::kControlFd, environment::kStatusFd, environment::kSupervisor})
            ::unsetenv(name);
    }
    void say(const std::string& text) { ASSERT_EQ(::write(m_control[1], text.data(), text.size()), static_cast<ssize_t>(text.size())); }
    std::string heard()
    {
        char buffer[65536];
        const auto got = ::read(m_status[0], buffer, sizeof buffer);
        return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    int m_control[2], m_status[2];
    std::optional<WorkerLink> m_link;
};

TEST_F(WorkerLinks, CarryWishesAndStops)
{
    m_link.emplace();
    ASSERT_TRUE(m_link->supervised());
    say("nonsense\n{\"wish\": {\"wish\": \"check");
    say("point\", \"id\": \"a\"}}\n");
    std::vector<Wish> wishes;
    for (int i = 0; i < 500 && wishes.empty(); ++i) {
        wishes = m_link->takeWishes();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ASSERT_EQ(wishes.size(), 1u);
    EXPECT_EQ(wishes[0].id, "a");
    EXPECT_FALSE(m_link->stopRequested());
    say("{\"wish\": {\"wish\": \"pause\"}}\n");
    for (int i = 0; i < 500 && !m_link->stopRequested(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(m_link->stopRequested());
}

TEST_F(WorkerLinks, SayAtMostOneStepASecond)
{
    m_link.emplace();
    for (int i = 0; i < 1000; ++i)
        m_link->heartbeat(i);
    m_link->heartbeat(1000, "saving"); // another thing to say
    m_link->failed({ErrorCode::Memory, "No memory.", "detail"}, 5, "checkpoints/step-0000001");
    const auto text = heard();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    EXPECT_NE(text.find("\"code\":\"memory\""), std::string::npos);
}

TEST_F(WorkerLinks, EndWithTheirSupervisor)
{
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(m_control[1]);
        ::setenv(environment::kSupervisor, std::to_string(::getppid()).c_str(), 1);
        const WorkerLink link;
        std::this_thread::sleep_for(std::chrono::seconds(20));
        ::_exit(0);
    }
    ::close(m_control[0]);
    const auto begin = std::chrono::steady_clock::now();
    ::close(m_control[1]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    EXPECT_EQ(WEXITSTATUS(status), 1);
    m_control[1] = -1;
    ::close(m_status[1]);
}

TEST(RanksOfAWorker, ComeFromTheEnvironmentOrAreRefusedByName)
{
    EXPECT_EQ(ranksFromEnvironment()->worldSize, 1);
    ::setenv("RANK", "1", 1);
    EXPECT_FALSE(ranksFromEnvironment());
    ::setenv("WORLD_SIZE", "2", 1);
    ::setenv("MASTER_PORT", "29500", 1);
    EXPECT_EQ(ranksFromEnvironment()->rank, 1);
    EXPECT_EQ(ranksFromEnvironment()->masterPort, 29500);
    ::setenv("WORLD_SIZE", "1", 1);
    ASSERT_FALSE(ranksFromEnvironment());
    EXPECT_NE(ranksFromEnvironment().error().message.find("WORLD_SIZE"), std::string::npos);
    for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_PORT"})
        ::unsetenv(name);
}

} // namespace espalier::runs
