// SPDX-License-Identifier: Apache-2.0
#include "core/runs/library.h"
#include "core/runs/lock.h"
#include "core/runs/run_writer.h"
#include "tests/core/runs/run_files.h"

#include <chrono>

namespace espalier::runs {
namespace fs = std::filesystem;

class Libraries : public tests::RunFiles {};

TEST_F(Libraries, SummariseRuns)
{
    const auto run = newRun("b");
    newRun("a");
    {
        auto writer = RunWriter::open(run, 0);
        ASSERT_TRUE(writer);
        for (int i = 1; i <= 50; ++i)
            (*writer)->scalar(tags::kLoss, i, 1.0 / i);
        Evaluated e;
        e.step = 50;
        e.metric = "fd";
        e.value = 4.5;
        (*writer)->write(e);
        (*writer)->state(RunState::Paused);
    }
    append(m_folder / "note.txt", "not a run");
    fs::create_directories(m_folder / "empty");
    Library library(m_folder);
    EXPECT_TRUE(library.scan());
    ASSERT_EQ(library.runs().size(), 2u);
    EXPECT_EQ(library.runs()[0].name, "a");
    EXPECT_EQ(library.runs()[0].state, RunState::New);
    const auto& b = library.runs()[1];
    EXPECT_EQ(b.state, RunState::Paused);
    EXPECT_EQ(b.progress.step, 50);
    EXPECT_DOUBLE_EQ(b.progress.fraction, 0.5);
    EXPECT_EQ(b.bestMetric, 4.5);
    EXPECT_EQ(b.model, "unet");
    EXPECT_GT(b.sparkline.size(), 40u);
    EXPECT_GT(b.sparkline.front(), b.sparkline.back());
    EXPECT_FALSE(b.damaged);
    EXPECT_FALSE(library.scan());
    auto log = EventLog::open(run.eventsFile());
    ASSERT_TRUE(log->write(StateChanged{RunState::Finished, ""}));
    EXPECT_TRUE(library.scan());
    EXPECT_EQ(library.changed(), std::vector<fs::path>{run.root()});
    EXPECT_EQ(library.runs()[1].state, RunState::Finished);
    fs::remove_all(run.root());
    EXPECT_TRUE(library.scan());
    EXPECT_EQ(library.runs().size(), 1u);
}

TEST_F(Libraries, TheBestNumberIsOneOfTheMetricMeasuredLast)
{
    const auto run = newRun("a");
    auto log = EventLog::open(run.eventsFile());
    ASSERT_TRUE(log);
    std::int64_t step = 0;
    for (const auto& [metric, value] : {std::pair{"fd", 4.5}, {"fid", 31.0}, {"fid", 29.0}, {"fid", 30.0}}) {
        Evaluated e;
        e.step = ++step;
        e.metric = metric;
        e.value = value;
        ASSERT_TRUE(log->write(e));
    }
    Library library(m_folder);
    EXPECT_TRUE(library.scan());
    ASSERT_EQ(library.runs().size(), 1u);
    EXPECT_EQ(library.runs()[0].bestMetric, 29.0);
    EXPECT_EQ(library.runs()[0].bestMetricName, "fid");
}

TEST_F(Libraries, LookAtNamedRunsAlone)
{
    const auto a = newRun("a"), b = newRun("b");
    Library library(m_folder);
    EXPECT_FALSE(library.look({a.root()})); // no scan has found it
    EXPECT_TRUE(library.scan());
    EXPECT_FALSE(library.look({a.root(), b.root()}));
    for (const auto& run : {a, b})
        ASSERT_TRUE(EventLog::open(run.eventsFile())->write(StateChanged{RunState::Stopped, ""}));
    EXPECT_TRUE(library.look({b.root(), m_folder / "elsewhere"}));
    EXPECT_EQ(library.changed(), std::vector<fs::path>{b.root()});
    EXPECT_EQ(library.runs()[0].state, RunState::New);
    EXPECT_EQ(library.runs()[1].state, RunState::Stopped);
    EXPECT_TRUE(library.scan()); // what nobody named is found as ever
    EXPECT_EQ(library.runs()[0].state, RunState::Stopped);
}

TEST_F(Libraries, ShowDamagedRunsWithWhatCouldBeRead)
{
    const auto run = newRun("hurt");
    auto log = EventLog::open(run.eventsFile());
    ASSERT_TRUE(log->write(StateChanged{RunState::Finished, ""}));
    ASSERT_TRUE(writeFileAtomically(run.configFile(), "{"));
    const auto summary = summarize(run.root());
    EXPECT_TRUE(summary.damaged);
    EXPECT_NE(summary.problem.find("config.json"), std::string::npos);
    EXPECT_EQ(summary.state, RunState::Finished);
}

TEST_F(Libraries, ScanTwoHundredRunsQuickly)
{
    for (int i = 0; i < 200; ++i) {
        const auto run = newRun("run-" + std::to_string(i));
        auto log = EventLog::open(run.eventsFile());
        ASSERT_TRUE(log->write(StateChanged{RunState::Finished, ""}));
        fs::create_directories(run.scalarsFolder(1));
        auto writer = ScalarWriter::create(run.scalarsFile(1, tags::kLoss), tags::kLoss);
        for (int step = 0; step < 2000; ++step)
            writer->add({step, 1.0 * step, 1.0});
    }
    Library library(m_folder);
    const auto milliseconds = [](auto begin) {
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    };
    auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(library.scan());
    const double first = milliseconds(begin);
    begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(library.scan());
    const double again = milliseconds(begin);
    EXPECT_EQ(library.runs().size(), 200u);
    std::printf("200 runs: first scan %.1f ms, again %.1f ms\n", first, again);
}

} // namespace espalier::runs
