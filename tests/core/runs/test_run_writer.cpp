// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_writer.h"
#include "tests/core/runs/run_files.h"

#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>

namespace espalier::runs {

class RunWriters : public tests::RunFiles {};

TEST_F(RunWriters, CountAttemptsAndSayWhereTheyWentOn)
{
    const auto run = newRun();
    {
        auto writer = RunWriter::open(run, 0);
        ASSERT_TRUE(writer);
        EXPECT_EQ((*writer)->attempt(), 1);
        (*writer)->scalar(tags::kLoss, 1, 0.5);
        (*writer)->state(RunState::Training);
        (*writer)->state(RunState::Training); // no second event
        (*writer)->log(LogLevel::Warning, "two\nlines");
    }
    {
        auto writer = RunWriter::open(run, 1);
        ASSERT_TRUE(writer);
        EXPECT_EQ((*writer)->attempt(), 2);
    }
    EventReader reader(run.eventsFile());
    const auto events = reader.poll();
    ASSERT_EQ(events.size(), 3u); // created, state, resumed
    EXPECT_EQ(eventAs<Resumed>(events[2])->fromStep, 1);
    EXPECT_NE(textOf(run.logFile()).find("warning two lines\n"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(run.scalarsFile(1, tags::kLoss)));
}

TEST_F(RunWriters, KeepOrderFromManyThreads)
{
    const auto run = newRun();
    auto writer = RunWriter::open(run, 0);
    ASSERT_TRUE(writer);
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                for (int i = 0; i < 2000; ++i) {
                    (*writer)->scalar("thread/" + std::to_string(t), i, i * 1.0);
                    if (i % 100 == 0)
                        (*writer)->write(Warned{std::to_string(t), i});
                }
            });
    }
    ASSERT_TRUE((*writer)->flush());
    for (int t = 0; t < 4; ++t) {
        ScalarReader reader(run.scalarsFile(1, "thread/" + std::to_string(t)));
        std::vector<ScalarPoint> points;
        ASSERT_TRUE(reader.poll(points));
        ASSERT_EQ(points.size(), 2000u);
        for (int i = 0; i < 2000; ++i)
            ASSERT_EQ(points[static_cast<std::size_t>(i)].step, i);
    }
    EXPECT_EQ(EventReader(run.eventsFile()).poll().size(), 1u + 4u * 20u);
}

TEST_F(RunWriters, ReportAFullDiskOnceAndKeepWhatWasThere)
{
    const auto run = newRun();
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        int status = 0;
        {
            auto writer = RunWriter::open(run, 0);
            if (!writer)
                ::_exit(10);
            for (int i = 0; i < 1000; ++i)
                (*writer)->scalar(tags::kLoss, i, i * 1.0);
            const auto flushed = (*writer)->flush();
            status = flushed ? 11 : flushed.error().message.find("loss.train.bin") == std::string::npos ? 12 : 0;
            if (!(*writer)->firstError())
                status = 13;
        }
        ::_exit(status);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    ScalarReader reader(run.scalarsFile(1, tags::kLoss));
    std::vector<ScalarPoint> points;
    ASSERT_TRUE(reader.poll(points));
    EXPECT_GT(points.size(), 100u);
}

} // namespace espalier::runs
