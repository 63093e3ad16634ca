// SPDX-License-Identifier: Apache-2.0
#include "core/runs/branches.h"
#include "core/runs/follower.h"
#include "core/runs/library.h"
#include "core/runs/lock.h"
#include "core/runs/run_writer.h"
#include "core/runs/watcher.h"
#include "tests/core/runs/run_files.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

namespace espalier::runs {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Followers : public tests::RunFiles {
protected:
    void attempt(const RunFolder& run, std::int64_t from, std::int64_t to, double value)
    {
        auto writer = RunWriter::open(run, from);
        ASSERT_TRUE(writer);
        (*writer)->write(Started{(*writer)->attempt(), from, 1, "cpu", 100, 0, 0.0});
        (*writer)->state(RunState::Training);
        for (auto step = from + 1; step <= to; ++step)
            (*writer)->scalar(tags::kLoss, step, value);
    }
    void checkpoint(const RunFolder& run, std::int64_t step)
    {
        fs::create_directories(run.checkpointFolder(step));
        append(run.checkpointFolder(step) / "manifest.json", "{}");
        auto log = EventLog::open(run.eventsFile());
        ASSERT_TRUE(log->write(CheckpointWritten{step, 0, run.relative(run.checkpointFolder(step)), 10, "interval"}));
    }
};

TEST_F(Followers, KnowNoEndOfAnAssembledRunBeforeItStarts)
{
    const auto run = newRun("assembled", {{"training", {{"steps", 12}}}, {"schedule", {{"kind", "assembled"}}}});
    RunFollower follower(run.root());
    follower.poll();
    EXPECT_EQ(follower.progress().ofSteps, 0) << "training.steps says nothing of its phases";
    Library library(m_folder);
    library.scan();
    ASSERT_EQ(library.runs().size(), 1u);
    EXPECT_EQ(library.runs().front().progress.ofSteps, 0);
    auto log = EventLog::open(run.eventsFile());
    ASSERT_TRUE(log->write(Started{1, 0, 1, "cpu", 60, 0, 0.0}));
    follower.poll();
    EXPECT_EQ(follower.progress().ofSteps, 60);
}

TEST_F(Followers, SeeARunGrow)
{
    const auto run = newRun();
    RunFollower follower(run.root());
    auto changes = follower.poll();
    EXPECT_TRUE(changes.config);
    EXPECT_EQ(follower.state(), RunState::New);
    EXPECT_EQ(follower.progress().ofSteps, 100);
    EXPECT_FALSE(follower.poll().any());

    const auto lock = RunLock::acquire(run, 0ms);
    auto writer = RunWriter::open(run, 0);
    ASSERT_TRUE(writer);
    (*writer)->write(Started{1, 0, 1, "cpu", 50, 0, 0.0});
    (*writer)->state(RunState::Training);
    (*writer)->scalar(tags::kLoss, 10, 0.5);
    (*writer)->write(SamplesDrawn{10, 0, "ema", "samples/stage-00/step-0000010", "samples/stage-00/step-0000010/ema.png", 4, 2, {}, 0.1});
    ASSERT_TRUE((*writer)->flush());
    changes = follower.poll();
    EXPECT_TRUE(changes.state && changes.progress && changes.samples);
    EXPECT_EQ(changes.grownTags, std::vector<std::string>{"loss/train"});
    EXPECT_EQ(follower.state(), RunState::Training);
    EXPECT_EQ(follower.progress().step, 10);
    EXPECT_EQ(follower.progress().ofSteps, 50);
    EXPECT_DOUBLE_EQ(follower.progress().fraction, 0.2);
    ASSERT_EQ(follower.samples().size(), 1u);
    (*writer)->scalar(tags::kLoss, 20, 0.4);
    ASSERT_TRUE((*writer)->flush());
    EXPECT_TRUE(follower.poll().progress);
    EXPECT_TRUE(follower.progress().etaSeconds.has_value());
    EXPECT_FALSE(follower.poll().any());
}

TEST_F(Followers, CountWhatStagesSideBySideDo)
{
    const auto run = newRun();
    Json plan{{"stages",
               {{{"id", "meta"}, {"branch", ""}, {"after", Json::array()}},
                {{"id", "module-0"}, {"branch", "module-0"}, {"after", {"meta"}}},
                {{"id", "module-1"}, {"branch", "module-1"}, {"after", {"meta"}}},
                {{"id", "assembled"}, {"branch", ""}, {"after", {"module-0", "module-1"}}}}},
              {"ledger", Json::array()}};
    const auto ended = [&](const char* stage, double steps, double images, double seconds) {
        plan["ledger"].push_back({{"id", stage}, {"table", {{steps, images, seconds, 0.0, 0.0, 0.0}}}});
        ASSERT_TRUE(writeFileAtomically(run.planFile(), plan.dump()));
    };
    auto writer = RunWriter::open(run, 0);
    ASSERT_TRUE(writer);
    const auto lock = RunLock::acquire(run, 0ms);
    const auto tell = [](RunWriter& pen, std::int64_t step, double seconds) {
        pen.scalar(tags::kLoss, step, 0.5);
        pen.scalar(tags::kImages, step, static_cast<double>(step * 10));
        pen.scalar(tags::kTrainingSeconds, step, seconds);
        pen.scalar(tags::kImagesPerSecond, step, 40.0);
        ASSERT_TRUE(pen.flush());
    };
    (*writer)->write(Started{1, 0, 1, "cpu", 100, 0, 0.0});
    (*writer)->state(RunState::Training);
    (*writer)->write(StageStarted{0, "meta", 0});
    tell(**writer, 40, 10.0);
    RunFollower follower(run.root());
    Library library(run.root().parent_path());
    follower.poll();
    EXPECT_EQ(follower.progress().step, 40);
    EXPECT_TRUE(follower.branches().empty());

    ended("meta", 40, 400, 10);
    (*writer)->write(StageStarted{1, "module-0", 40});
    ASSERT_TRUE((*writer)->flush());
    fs::create_directories(run.branch("module-0").root());
    auto branch = RunWriter::open(run.branch("module-0"), 40);
    ASSERT_TRUE(branch);
    (*branch)->write(StageStarted{1, "module-0", 40});
    tell(**branch, 50, 15.0);
    const auto changes = follower.poll();
    EXPECT_TRUE(changes.branches && changes.progress);
    ASSERT_EQ(follower.branches().size(), 1u);
    EXPECT_EQ(follower.branches().at("module-0").progress().step, 50);
    EXPECT_EQ(follower.branches().at("module-0").curve(tags::kLoss)->size(), 1u);
    EXPECT_EQ(follower.progress().step, 45); // the mean of both
    EXPECT_DOUBLE_EQ(follower.progress().images, 500.0);
    EXPECT_DOUBLE_EQ(follower.progress().seconds, 15.0);
    EXPECT_DOUBLE_EQ(follower.progress().fraction, 0.45);
    EXPECT_FALSE(follower.progress().etaSeconds.has_value()); // steps that train in turn tell none
    EXPECT_FALSE(follower.poll().any());
    tell(**branch, 60, 20.0);
    EXPECT_TRUE(follower.poll().branches);
    EXPECT_EQ(follower.progress().step, 50);
    library.scan();
    ASSERT_EQ(library.runs().size(), 1u);
    EXPECT_EQ(library.runs().front().progress.step, 50);
    EXPECT_DOUBLE_EQ(library.runs().front().progress.seconds, 20.0);

    // An ended one counts as the plan says, and what comes after counts itself again.
    ended("module-0", 70, 700, 25);
    follower.poll();
    EXPECT_EQ(follower.progress().step, 55);
    ended("module-1", 70, 700, 25);
    (*writer)->write(StageStarted{3, "assembled", 70});
    tell(**writer, 71, 40.5);
    follower.poll();
    EXPECT_EQ(follower.progress().step, 71);
    EXPECT_DOUBLE_EQ(follower.progress().seconds, 40.5);
    library.scan();
    EXPECT_EQ(library.runs().front().progress.step, 71);
    EXPECT_TRUE(watchFolders(run.root()).contains(run.branch("module-0").root() / "scalars" / "1"));
}

TEST_F(Followers, TellHowEachStageSideBySideFares)
{
    const auto run = newRun();
    Json plan{{"stages",
               {{{"id", "meta"}, {"branch", ""}, {"after", Json::array()}},
                {{"id", "module-0"}, {"branch", "module-0"}, {"module", 0}, {"after", {"meta"}}},
                {{"id", "module-1"}, {"branch", "module-1"}, {"module", 1}, {"after", {"meta"}}},
                {{"id", "module-2"}, {"branch", "module-2"}, {"module", 2}, {"after", {"meta"}}},
                {{"id", "bad"}, {"branch", "../meta"}, {"after", {"meta"}}}}},
              {"ledger", {{{"id", "meta"}, {"table", {{40.0, 400.0, 10.0, 0.0, 0.0, 0.0}}}}}}};
    ASSERT_TRUE(writeFileAtomically(run.planFile(), plan.dump()));
    auto writer = RunWriter::open(run, 40);
    ASSERT_TRUE(writer);
    (*writer)->state(RunState::Training);
    ASSERT_TRUE((*writer)->flush());
    RunFollower follower(run.root());
    {
        const auto lock = RunLock::acquire(run, 0ms);
        follower.poll();
        ASSERT_EQ(follower.branchStatus().size(), 3u);
        EXPECT_EQ(follower.branchStatus()[1].name, "module-1");
        EXPECT_EQ(follower.branchStatus()[1].module, 1);
        EXPECT_EQ(follower.branchStatus()[1].state, RunState::New);
        fs::create_directories(run.branch("module-0").root());
        auto branch = RunWriter::open(run.branch("module-0"), 40);
        ASSERT_TRUE(branch);
        (*branch)->write(Started{1, 40, 1, "cpu", 60, 0, 0.0});
        (*branch)->state(RunState::Training);
        for (const std::int64_t step : {41, 45}) {
            (*branch)->scalar(tags::kLoss, step, 0.5);
            (*branch)->scalar(tags::kImagesPerSecond, step, 40.0);
            ASSERT_TRUE((*branch)->flush());
        }
        ASSERT_TRUE(setHeld(run, "module-1", true));
        EXPECT_TRUE(follower.poll().branches);
        auto first = follower.branchStatus()[0], second = follower.branchStatus()[1], third = follower.branchStatus()[2];
        EXPECT_EQ(first.state, RunState::Training) << "the lock of the run says that somebody is at work";
        EXPECT_EQ(first.device, "cpu");
        EXPECT_EQ(first.attempt, 1);
        EXPECT_DOUBLE_EQ(first.fraction, 0.25) << "of its own steps";
        EXPECT_TRUE(first.etaSeconds);
        EXPECT_TRUE(second.held);
        EXPECT_EQ(second.state, RunState::Paused);
        EXPECT_EQ(third.state, RunState::New);
        EXPECT_TRUE(possible(Action::Pause, first, follower.state()) && possible(Action::Pause, third, follower.state()));
        EXPECT_TRUE(possible(Action::Start, second, follower.state()) && !possible(Action::Pause, second, follower.state()));
        EXPECT_EQ(possible(Action::Start, first, follower.state()).why, "module-0 trains already.");
        (*branch)->state(RunState::Paused);
        ASSERT_TRUE(setHeld(run, "module-0", true));
        ASSERT_TRUE(setHeld(run, "module-1", false) && setHeld(run, "module-1", false));
        EXPECT_TRUE((*branch)->flush() && follower.poll().branches);
        first = follower.branchStatus()[0], second = follower.branchStatus()[1];
        EXPECT_TRUE(first.held && !second.held);
        EXPECT_EQ(first.state, RunState::Paused);
        (*branch)->write(Failed{"No memory.", "", 45, "", 0, "memory"});
        (*branch)->state(RunState::Failed);
        ASSERT_TRUE(setHeld(run, "module-0", false));
        EXPECT_TRUE((*branch)->flush() && follower.poll().branches);
        first = follower.branchStatus()[0], second = follower.branchStatus()[1];
        EXPECT_EQ(first.state, RunState::Failed);
        EXPECT_EQ(first.why, "No memory.");
        EXPECT_TRUE(possible(Action::Start, first, RunState::Training));
        (*branch)->state(RunState::Training);
        ASSERT_TRUE((*branch)->flush());
    }
    // Its process is gone.
    RunFollower later(run.root());
    later.poll();
    EXPECT_EQ(later.branchStatus()[0].state, RunState::Lost);
    plan["ledger"].push_back({{"id", "module-0"}, {"table", {{60.0, 600.0, 15.0, 0.0, 0.0, 0.0}}}});
    ASSERT_TRUE(writeFileAtomically(run.planFile(), plan.dump()));
    EXPECT_TRUE(later.poll().branches);
    EXPECT_EQ(later.branchStatus()[0].state, RunState::Finished);
    EXPECT_EQ(later.branchStatus()[0].fraction, 1.0);
    Library library(run.root().parent_path());
    library.scan();
    ASSERT_EQ(library.runs().size(), 1u);
    EXPECT_EQ(library.runs().front().branches, later.branchStatus());
}

TEST_F(Followers, HideWhatAResumeSuperseded)
{
    const auto run = newRun();
    attempt(run, 0, 60, 1.0);
    checkpoint(run, 40);
    checkpoint(run, 60);
    RunFollower live(run.root()); // follows from before the resume
    live.poll();
    ASSERT_EQ(live.curve(tags::kLoss)->size(), 60u);
    attempt(run, 40, 70, 2.0);
    attempt(run, 50, 55, 3.0);
    RunFollower late(run.root()); // opens afterwards
    const auto changes = live.poll();
    late.poll();
    EXPECT_TRUE(changes.superseded);
    for (auto* follower : {&live, &late}) {
        const auto* curve = follower->curve(tags::kLoss);
        ASSERT_TRUE(curve);
        ASSERT_EQ(curve->size(), 55u);
        for (std::size_t i = 0; i < curve->size(); ++i) {
            EXPECT_EQ(curve->point(i).step, static_cast<std::int64_t>(i) + 1);
            EXPECT_EQ(curve->point(i).value, i < 40 ? 1.0 : i < 50 ? 2.0 : 3.0);
        }
        EXPECT_EQ(follower->attempt(), 3);
        ASSERT_EQ(follower->checkpoints().size(), 1u);
        EXPECT_EQ(follower->checkpoints()[0].step, 40);
        EXPECT_EQ(follower->progress().step, 55);
    }
}

TEST_F(Followers, CallARunWithoutAHolderLost)
{
    const auto run = newRun();
    {
        const auto lock = RunLock::acquire(run, 0ms);
        attempt(run, 0, 5, 1.0);
        RunFollower follower(run.root());
        follower.poll();
        EXPECT_EQ(follower.state(), RunState::Training);
    }
    RunFollower follower(run.root());
    follower.poll();
    EXPECT_EQ(follower.state(), RunState::Lost);
    EXPECT_FALSE(follower.why().empty());
    auto log = EventLog::open(run.eventsFile());
    ASSERT_TRUE(log->write(StateChanged{RunState::Paused, ""}));
    follower.poll();
    EXPECT_EQ(follower.state(), RunState::Paused);
}

TEST_F(Followers, TrustTheDiskAboutCheckpoints)
{
    const auto run = newRun();
    checkpoint(run, 10);
    checkpoint(run, 20);
    RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.checkpoints().size(), 2u);
    fs::remove_all(run.checkpointFolder(10));
    fs::create_directories(run.checkpointFolder(30)); // its event was lost to a kill
    append(run.checkpointFolder(30) / "manifest.json", "{}");
    EXPECT_TRUE(follower.poll().checkpoints);
    ASSERT_EQ(follower.checkpoints().size(), 2u);
    EXPECT_EQ(follower.checkpoints()[1].step, 30);
}

TEST_F(Followers, ShowWhatADamagedRunStillSays)
{
    const auto run = newRun();
    attempt(run, 0, 5, 1.0);
    {
        auto log = EventLog::open(run.eventsFile());
        ASSERT_TRUE(log->write(StateChanged{RunState::Finished, ""}));
    }
    ASSERT_TRUE(writeFileAtomically(run.configFile(), "{\"config\": [1"));
    append(run.eventsFile(), "nonsense\n");
    append(run.scalarsFile(1, "bad"), "nonsense of some length, more than a header has");
    fs::create_directories(run.scalarsFile(1, "folder"));
    fs::create_directories(run.scalarsFolder() / "99999999999999999999");
    RunFollower follower(run.root());
    follower.poll();
    EXPECT_EQ(follower.state(), RunState::Finished);
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 5u);
    EXPECT_NE(follower.problem().find("config.json"), std::string::npos);
    fs::remove_all(run.root());
    follower.poll(); // the folder is gone under its feet
    RunFollower nothing(m_folder / "never");
    EXPECT_FALSE(nothing.poll().state);
}

TEST_F(Followers, SurviveFlippedBytes)
{
    const auto run = newRun();
    attempt(run, 0, 30, 1.0);
    attempt(run, 10, 40, 2.0);
    checkpoint(run, 20);
    ASSERT_TRUE(writeFileAtomically(run.leaseFile(), R"({"host":"h","boot_id":"b","pid":1,"counter":1})"));
    std::mt19937 random(7);
    std::vector<fs::path> files{run.eventsFile(),
                                run.configFile(),
                                run.leaseFile(),
                                run.identityFile(),
                                run.scalarsFile(1, tags::kLoss),
                                run.scalarsFile(2, tags::kLoss)};
    for (int round = 0; round < 300; ++round) {
        const auto& file = files[random() % files.size()];
        const auto before = textOf(file);
        auto bytes = before;
        for (int i = 0; i < 4; ++i)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        if (random() % 4 == 0)
            bytes.resize(random() % bytes.size());
        ASSERT_TRUE(writeFileAtomically(file, bytes));
        RunFollower follower(run.root());
        follower.poll();
        follower.poll();
        if (const auto* curve = follower.curve(tags::kLoss))
            (void)curve->envelope(CurveAxis::Time, -1e300, 1e300, 100);
        ASSERT_TRUE(writeFileAtomically(file, before));
    }
}

TEST_F(Followers, ReplayTenMillionPointsInASecond)
{
    const auto run = newRun();
    fs::create_directories(run.scalarsFolder(1));
    constexpr std::int64_t kPoints = 10'000'000;
    {
        auto writer = ScalarWriter::create(run.scalarsFile(1, tags::kLoss), tags::kLoss);
        ASSERT_TRUE(writer);
        for (std::int64_t i = 0; i < kPoints; ++i) {
            writer->add({i, 1.7e9 + static_cast<double>(i) * 0.01, static_cast<double>(i % 1000)});
            if (i % 1'000'000 == 0) {
                ASSERT_TRUE(writer->flush());
            }
        }
    }
    RunFollower follower(run.root());
    const auto begin = std::chrono::steady_clock::now();
    follower.poll();
    const std::chrono::duration<double> replay = std::chrono::steady_clock::now() - begin;
    ASSERT_EQ(follower.curve(tags::kLoss)->size(), static_cast<std::size_t>(kPoints));
    const auto zoom = std::chrono::steady_clock::now();
    std::size_t points = 0;
    for (int i = 0; i < 60; ++i)
        points += follower.curve(tags::kLoss)->envelope(CurveAxis::Step, i * 1e4, 1e7 - i * 1e4, 1280).points.size();
    const std::chrono::duration<double> zoomed = std::chrono::steady_clock::now() - zoom;
    EXPECT_GT(points, 60u * 1280u);
    RecordProperty("replay_s", std::to_string(replay.count()));
    RecordProperty("envelope_ms", std::to_string(zoomed.count() * 1000 / 60));
    std::printf("replay %.3f s, envelope of 1280 pixels %.3f ms\n", replay.count(), zoomed.count() * 1000 / 60);
}

TEST_F(Followers, AStageAndTheSearchForItAreTwoAndAResumeTellsNeitherTwice)
{
    const auto run = newRun();
    {
        auto log = EventLog::open(run.eventsFile());
        ASSERT_TRUE(log);
        for (const auto& stage : {StageStarted{0, "stage-00-search", 0}, StageStarted{0, "stage-00", 4}, StageStarted{0, "stage-00", 4}})
            ASSERT_TRUE(log->write(stage));
    }
    RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.stages().size(), 2u);
    EXPECT_EQ(follower.stages()[1].id, "stage-00");
    EXPECT_EQ(follower.stages()[1].fromStep, 4);
}

} // namespace espalier::runs
