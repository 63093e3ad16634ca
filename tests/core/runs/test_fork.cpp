// SPDX-License-Identifier: Apache-2.0
#include "core/runs/fork.h"
#include "core/runs/follower.h"
#include "core/runs/library.h"
#include "core/runs/lock.h"
#include "core/runs/run_writer.h"
#include "tests/core/runs/run_files.h"

namespace espalier::runs {
namespace fs = std::filesystem;

class Forks : public tests::RunFiles {
protected:
    void SetUp() override
    {
        RunFiles::SetUp();
        m_parent = newRun("parent");
        auto writer = RunWriter::open(m_parent, 0);
        ASSERT_TRUE(writer);
        auto& pen = **writer;
        pen.write(StageStarted{0, "stage-00", 0});
        for (std::int64_t step = 1; step <= 30; ++step)
            pen.scalar(tags::kLoss, step, 1.0 / static_cast<double>(step));
        pen.write(SamplesDrawn{.step = 10, .stage = 0, .weights = "ema", .folder = "samples/stage-00", .grid = "samples/stage-00/ema.png"});
        pen.write(CheckpointWritten{.step = 10, .stage = 0, .folder = "checkpoints/step-0000010", .because = "interval"});
        pen.write(CheckpointWritten{.step = 20, .stage = 0, .folder = "checkpoints/step-0000020", .because = "stage"});
        pen.write(StageStarted{1, "stage-01", 20});
        pen.write(Evaluated{.step = 30, .stage = 1, .weights = "ema", .metric = "fd", .value = 3.0});
        pen.write(SamplesDrawn{.step = 30, .stage = 1, .weights = "ema", .folder = "samples/stage-01", .grid = "samples/stage-01/ema.png"});
        ASSERT_TRUE(pen.flush());
        fs::create_directories(m_parent.samplesFolder() / "stage-00");
        append(m_parent.samplesFolder() / "stage-00" / "ema.png", "grid");
        fs::create_directories(m_parent.checkpointFolder(20));
        append(m_parent.checkpointFolder(20) / "model.safetensors", "weights");
        append(m_parent.checkpointFolder(20) / "keep", "");
        const auto hash = sha256OfFile(m_parent.checkpointFolder(20) / "model.safetensors");
        append(m_parent.checkpointFolder(20) / "manifest.json",
               Json{{"files", {{{"name", "model.safetensors"}, {"bytes", 7}, {"sha256", *hash}}}},
                    {"about", {{"stage", 0}, {"stage_id", "stage-00"}, {"ends_stage", "stage-00"}}}}
                   .dump());
    }
    ForkRequest request(const std::string& name = "child") const
    {
        return {.parent = m_parent,
                .folder = m_folder / name,
                .stage = 0,
                .stageId = "stage-00",
                .step = 20,
                .config = {{"schema", 1}, {"config", {{"training", {{"steps", 100}}}}}, {"changed", Json::array()}},
                .plan = {{"version", 1}},
                .changes = {{"training.steps", 50, 100, false}}};
    }
    /// All files of a folder with what is in them.
    static std::map<std::string, std::string> contents(const fs::path& folder)
    {
        std::map<std::string, std::string> all;
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (entry.is_regular_file())
                all[entry.path().lexically_relative(folder).string()] = textOf(entry.path());
        return all;
    }
    RunFolder m_parent;
};

TEST_F(Forks, HaveTheHistoryUpToTheirStep)
{
    const auto before = contents(m_parent.root());
    const auto made = forkRun(request());
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(contents(m_parent.root()), before) << "the parent is never changed";
    RunFollower follower(made->root());
    follower.poll();
    EXPECT_EQ(follower.problem(), "");
    EXPECT_EQ(follower.state(), RunState::Paused) << "it can be drawn from, and go on";
    EXPECT_EQ(follower.progress().step, 20);
    ASSERT_EQ(follower.stages().size(), 1u);
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 20u);
    ASSERT_EQ(follower.samples().size(), 1u);
    EXPECT_EQ(textOf(made->root() / follower.samples()[0].drawn.grid), "grid");
    EXPECT_TRUE(follower.evaluations().empty());
    ASSERT_EQ(follower.checkpoints().size(), 1u);
    EXPECT_EQ(follower.checkpoints()[0].because, "stage");
    EXPECT_FALSE(follower.checkpoints()[0].keptByHand) << "that was said of the parent's";
    EXPECT_EQ(textOf(made->checkpointFolder(20) / "model.safetensors"), "weights");
    EXPECT_NE(readIdentity(*made)->runId, readIdentity(m_parent)->runId);

    std::optional<Created> created;
    std::optional<Forked> forked;
    std::optional<Overridden> changed;
    for (const auto& event : follower.events()) {
        if (const auto e = eventAs<Created>(event))
            created = e;
        if (const auto e = eventAs<Forked>(event))
            forked = e;
        if (const auto e = eventAs<Overridden>(event))
            changed = e;
    }
    ASSERT_TRUE(created && forked && changed);
    EXPECT_EQ(created->name, "child");
    EXPECT_EQ(forked->name, "parent");
    EXPECT_EQ(forked->runId, readIdentity(m_parent)->runId);
    EXPECT_EQ(forked->step, 20);
    EXPECT_EQ(changed->path, "training.steps");
}

TEST_F(Forks, GoOnAsASecondAttempt)
{
    const auto made = forkRun(request());
    ASSERT_TRUE(made) << made.error().message;
    {
        auto writer = RunWriter::open(*made, 20);
        ASSERT_TRUE(writer);
        EXPECT_EQ((*writer)->attempt(), 2);
        (*writer)->scalar(tags::kLoss, 21, 0.5);
    }
    RunFollower follower(made->root());
    follower.poll();
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 21u);
    EXPECT_EQ(follower.checkpoints().size(), 1u);
}

TEST_F(Forks, LeaveOutWhatAResumeSuperseded)
{
    {
        auto writer = RunWriter::open(m_parent, 15); // killed, and went on from 15
        ASSERT_TRUE(writer);
        (*writer)->scalar(tags::kLoss, 16, 7.0);
        (*writer)->write(CheckpointWritten{.step = 20, .stage = 0, .folder = "checkpoints/step-0000020", .because = "stage"});
    }
    const auto made = forkRun(request());
    ASSERT_TRUE(made) << made.error().message;
    RunFollower follower(made->root());
    follower.poll();
    const auto* loss = follower.curve(tags::kLoss);
    ASSERT_EQ(loss->size(), 16u);
    EXPECT_EQ(loss->last().value, 7.0);
    EXPECT_EQ(follower.attempt(), 0);
}

TEST_F(Forks, ADamagedCheckpointMakesNone)
{
    append(m_parent.checkpointFolder(20) / "model.safetensors", "!");
    const auto made = forkRun(request());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "The checkpoint at the end of stage 0 of parent (step 20) is damaged: model.safetensors has another "
                                    "SHA-256. Fork at another stage.");
    EXPECT_FALSE(fs::exists(m_folder / "child"));
    EXPECT_FALSE(fs::exists(m_folder / ".child.part"));
    fs::remove_all(m_parent.checkpointFolder(20));
    EXPECT_EQ(forkRun(request()).error().message,
              "The checkpoint at the end of stage 0 of parent (step 20) is gone. Fork at another stage.");
}

TEST_F(Forks, AnotherStagesCheckpointIsNotTaken)
{
    auto other = request();
    other.stageId = "stage-01";
    EXPECT_FALSE(forkRun(other));
}

TEST_F(Forks, WhatAKillLeftIsHiddenAndMadeAnew)
{
    const auto part = m_folder / ".child.part";
    ASSERT_TRUE(createRunFolder(part, request().config));
    append(part / "checkpoints" / "rest", "of a kill");
    Library library(m_folder);
    library.scan();
    EXPECT_EQ(library.runs().size(), 1u);
    const auto made = forkRun(request());
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_FALSE(fs::exists(made->root() / "checkpoints" / "rest"));
    EXPECT_FALSE(fs::exists(part));
}

TEST_F(Forks, TwoOfOneNameAreOne)
{
    const auto part = m_folder / ".child.part";
    fs::create_directories(part);
    {
        const auto other = RunLock::acquire(RunFolder(part), std::chrono::milliseconds(0));
        ASSERT_TRUE(other);
        EXPECT_EQ(forkRun(request()).error().code, ErrorCode::Busy);
        EXPECT_TRUE(fs::exists(part)) << "it belongs to the other";
    }
    ASSERT_TRUE(forkRun(request()));
    EXPECT_EQ(forkRun(request()).error().code, ErrorCode::Usage) << "the folder is there already";
}

} // namespace espalier::runs
