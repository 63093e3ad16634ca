// SPDX-License-Identifier: Apache-2.0
#include "core/runs/lease.h"
#include "core/runs/lock.h"
#include "tests/core/runs/run_files.h"

#include <csignal>
#include <sys/wait.h>

namespace espalier::runs {
using namespace std::chrono_literals;

class Locks : public tests::RunFiles {};

TEST_F(Locks, HaveOneHolderAndNameIt)
{
    const auto run = newRun();
    EXPECT_FALSE(isLocked(run));
    auto lock = RunLock::acquire(run, 0ms);
    ASSERT_TRUE(lock);
    ASSERT_TRUE(writeLease(run, ownLease()));
    EXPECT_TRUE(isLocked(run));
    const auto second = RunLock::acquire(run, 50ms);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::Busy);
    EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos) << second.error().message;
    {
        const auto gone = std::move(*lock);
    }
    EXPECT_FALSE(isLocked(run));
    EXPECT_TRUE(RunLock::acquire(run, 0ms));
}

TEST_F(Locks, StayWithAChildThatInheritedThem)
{
    const auto run = newRun();
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    pid_t child;
    {
        auto lock = RunLock::acquire(run, 0ms);
        ASSERT_TRUE(lock);
        child = ::fork();
        if (child == 0) {
            ::close(pipe[1]);
            char byte;
            [[maybe_unused]] auto got = ::read(pipe[0], &byte, 1); // until the test closes its end
            ::_exit(0);
        }
    }
    EXPECT_TRUE(isLocked(run));
    ::close(pipe[1]);
    ::waitpid(child, nullptr, 0);
    EXPECT_FALSE(isLocked(run));
    ::close(pipe[0]);
}

TEST_F(Locks, AForeignLeaseIsJudgedByItsCounter)
{
    const auto run = newRun();
    auto lease = ownLease();
    lease.bootId = "another machine";
    lease.host = "elsewhere";
    lease.counter = 5;
    ASSERT_TRUE(writeLease(run, lease));
    LivenessProbe probe(run);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(probe.probe(start), Liveness::Unknown);
    lease.counter = 6;
    ASSERT_TRUE(writeLease(run, lease));
    EXPECT_EQ(probe.probe(start + 1s), Liveness::Alive);
    EXPECT_EQ(probe.probe(start + 5s), Liveness::Alive);
    EXPECT_EQ(probe.probe(start + 12s), Liveness::Dead);
}

TEST_F(Locks, AHostileLeaseIsNoLease)
{
    const auto run = newRun();
    for (const std::string text : {"", "[]", "{", "{\"pid\": -5, \"host\": \"h\"}", "{\"pid\": \"x\", \"host\": 7, \"counter\": 1e999}"}) {
        ASSERT_TRUE(writeFileAtomically(run.leaseFile(), text));
        EXPECT_FALSE(readLease(run)) << text;
    }
    ASSERT_TRUE(writeFileAtomically(run.leaseFile(), std::string(1 << 20, '[')));
    EXPECT_FALSE(readLease(run));
    EXPECT_EQ(LivenessProbe(run).probe(), Liveness::Dead);
}

} // namespace espalier::runs
