// SPDX-License-Identifier: Apache-2.0
#include "core/runs/lock.h"
#include "tests/app/cli/supervised_runs.h"

#include <csignal>
#include <cstring>
#include <random>
#include <sys/mount.h>

namespace espalier {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace runs;
using tests::Environment;
using tests::eventually;

class SupervisedRuns : public tests::SupervisedRuns {};

TEST_F(SupervisedRuns, FinishAndTellSo)
{
    const auto done = call(command({"--json"}));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.json()["state"], "finished");
    EXPECT_EQ(done.json()["step"], 60);
    const auto follower = followed();
    EXPECT_EQ(follower.state(), RunState::Finished);
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 60u);
    EXPECT_EQ(follower.problem(), "");
    EXPECT_FALSE(isLocked(m_run));
    EXPECT_TRUE(readLease(m_run));
    const auto again = call(command());
    EXPECT_EQ(again.status, 0);
    EXPECT_NE(again.err.find("finished"), std::string::npos);
    EXPECT_EQ(followed().attempt(), follower.attempt());
}

TEST_F(SupervisedRuns, PauseAndGoOnExactly)
{
    const auto undisturbed = call(command());
    ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
    const auto expected = finalState();
    m_run = RunFolder(m_folder / "second");

    auto run = start(command());
    ASSERT_TRUE(passes(15));
    ASSERT_TRUE(sendWish(m_run, WishKind::Pause));
    EXPECT_EQ(run->wait(), 0);
    EXPECT_EQ(followed().state(), RunState::Paused);
    const auto at = storedCheckpoints(m_run).back().step;
    EXPECT_LT(at, 60);
    EXPECT_EQ(call({"train", "--resume", m_run.root().string()}).status, 0);
    const auto follower = followed();
    EXPECT_EQ(follower.state(), RunState::Finished);
    EXPECT_EQ(follower.attempt(), 2);
    EXPECT_EQ(follower.curve(tags::kLoss)->size(), 60u);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(SupervisedRuns, AnswerWishes)
{
    auto run = start(command({}, 2000));
    ASSERT_TRUE(passes(3));
    std::vector<std::string> ids;
    for (const auto kind : {WishKind::Checkpoint, WishKind::Sample, WishKind::Evaluate, WishKind::Stop}) {
        auto id = sendWish(m_run, kind);
        ASSERT_TRUE(id);
        ids.push_back(*id);
    }
    EXPECT_EQ(run->wait(), 0);
    const auto follower = followed();
    std::vector<std::string> answered;
    for (const auto& event : follower.events())
        if (const auto answer = eventAs<WishAnswered>(event)) {
            EXPECT_TRUE(answer->granted);
            answered.push_back(answer->id);
        }
    EXPECT_EQ(answered, ids);
    EXPECT_EQ(follower.state(), RunState::Stopped);
    EXPECT_EQ(follower.samples().size(), 1u);
    EXPECT_EQ(follower.evaluations().size(), 1u);
    EXPECT_TRUE(fs::is_empty(m_run.controlFolder()));
}

TEST_F(SupervisedRuns, StopCleanlyOnOneSignalAndAtOnceOnTwo)
{
    for (const int signal : {SIGINT, SIGTERM}) {
        m_run = RunFolder(m_folder / std::to_string(signal));
        auto run = start(command({}, 5000));
        ASSERT_TRUE(passes(3));
        run->signal(signal);
        EXPECT_EQ(run->wait(), 0) << run->err();
        EXPECT_EQ(followed().state(), RunState::Stopped);
        EXPECT_EQ(storedCheckpoints(m_run).back().step, followed().progress().step);
    }
    m_run = RunFolder(m_folder / "twice");
    auto run = start(command({}, 5000), {{"FAKE_DEAF", "1"}});
    ASSERT_TRUE(passes(3));
    run->signal(SIGINT);
    EXPECT_EQ(run->wait(300ms), -1);
    run->signal(SIGINT);
    EXPECT_EQ(run->wait(5s), 1);
    EXPECT_EQ(followed().state(), RunState::Stopped);
    EXPECT_NE(followed().why().find("second signal"), std::string::npos);
}

TEST_F(SupervisedRuns, SayWhyAWorkerFailed)
{
    struct Case {
        const char* how;
        int status;
        const char* sentence;
        const char* code;
    };
    for (const auto& each : {Case{"segv", 1, "SIGSEGV", "lost"}, Case{"abort", 1, "SIGABRT", "lost"},
                             Case{"exit", 1, "status 3", "internal"}, Case{"quiet", 1, "without saying how", "internal"},
                             Case{"fail", 1, "not finite", "not_finite"}, Case{"usage", 2, "no GPU 9", "usage"}}) {
        m_run = RunFolder(m_folder / each.how);
        const auto done = call(command(), {{"FAKE_CRASH_AT", "25"}, {"FAKE_CRASH", each.how}});
        EXPECT_EQ(done.status, each.status) << each.how;
        EXPECT_NE(done.err.find(each.sentence), std::string::npos) << done.err;
        const auto follower = followed();
        EXPECT_EQ(follower.state(), RunState::Failed);
        ASSERT_TRUE(follower.failure()) << each.how;
        EXPECT_EQ(follower.failure()->code, each.code);
        EXPECT_EQ(follower.failure()->checkpoint, "checkpoints/step-0000020");
        EXPECT_EQ(follower.failure()->rank, 0);
        if (std::string(each.how) != "fail" && std::string(each.how) != "usage") {
            EXPECT_NE(follower.failure()->detail.find("about to misbehave"), std::string::npos) << follower.failure()->detail;
        }
        EXPECT_EQ(call(command()).status, 0);
        EXPECT_EQ(followed().state(), RunState::Finished);
    }
}

TEST_F(SupervisedRuns, NameTheRankThatFailedFirstAndEndTheOthers)
{
    const auto done = call(command({"--devices", "cpu:4"}, 2000), {{"FAKE_CRASH_AT", "5"}, {"FAKE_CRASH", "segv"}, {"FAKE_RANK", "2"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.err.find("Worker 2"), std::string::npos) << done.err;
    EXPECT_EQ(followed().failure()->rank, 2);
}

TEST_F(SupervisedRuns, TakeNoConsequenceForTheReason)
{
    // Worker 0 misses a peer before that peer is known to be dead.
    auto run = start(command({"--devices", "cpu:2"}, 100000), {{"FAKE_CRASH_AT", "50"}, {"FAKE_CRASH", "lost"}});
    for (const std::size_t left : {2, 1})
        ASSERT_TRUE(tests::eventually([&] { return tests::childrenOf(run->pid()).size() == left; }));
    ::kill(tests::childrenOf(run->pid()).front(), SIGKILL);
    EXPECT_EQ(run->wait(10s), 1);
    EXPECT_NE(run->err().find("Worker 1 was ended by SIGKILL"), std::string::npos) << run->err();
    EXPECT_EQ(followed().failure()->rank, 1);
}

TEST_F(SupervisedRuns, EndAWorkerThatHangs)
{
    const auto begin = std::chrono::steady_clock::now();
    const auto done =
        call(command({"--devices", "cpu:2"}, 2000), {{"FAKE_HANG_AT", "5"}, {"FAKE_RANK", "1"}, {"ESPALIER_HANG_SECONDS", "2"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
    EXPECT_NE(done.err.find("took no step for"), std::string::npos) << done.err;
    EXPECT_EQ(followed().failure()->rank, 1);
}

TEST_F(SupervisedRuns, FindAWorkerThatWasStopped)
{
    auto run = start(command({"--devices", "cpu:4"}, 5000), {{"ESPALIER_SILENT_SECONDS", "3"}});
    ASSERT_TRUE(passes(3));
    const auto workers = tests::childrenOf(run->pid());
    ASSERT_EQ(workers.size(), 4u);
    ::kill(workers[1], SIGSTOP);
    EXPECT_EQ(run->wait(15s), 1);
    EXPECT_NE(run->err().find("Worker 1 was stopped (SIGSTOP"), std::string::npos) << run->err();
    EXPECT_EQ(followed().failure()->rank, 1);
    EXPECT_EQ(followed().failure()->code, "lost");
}

TEST_F(SupervisedRuns, KeepOthersOutAndNameThemselves)
{
    auto run = start(command({}, 5000));
    ASSERT_TRUE(passes(3));
    const auto second = call(command({}, 5000));
    EXPECT_EQ(second.status, 1);
    EXPECT_NE(second.err.find("process " + std::to_string(run->pid())), std::string::npos) << second.err;
    EXPECT_TRUE(run->running());
    run->signal(SIGTERM);
    EXPECT_EQ(run->wait(), 0);
}

TEST_F(SupervisedRuns, RefuseAnotherConfigurationByName)
{
    ASSERT_EQ(call(command({}, 20)).status, 0);
    const auto other = call(command({"--set", "training.batch_size=6"}, 20));
    EXPECT_EQ(other.status, 2);
    EXPECT_NE(other.err.find("training.batch_size"), std::string::npos) << other.err;
    EXPECT_EQ(followed().state(), RunState::Finished);
    // Length may change, and the change is an event.
    EXPECT_EQ(call(command({}, 30)).status, 0);
    EXPECT_EQ(followed().progress().step, 30);
    const auto forced = call(command({"--set", "seed=5", "--override"}, 40));
    EXPECT_EQ(forced.status, 0) << forced.err;
    std::vector<std::string> overrides;
    const auto follower = followed();
    for (const auto& event : follower.events())
        if (const auto e = eventAs<Overridden>(event))
            overrides.push_back(e->path + (e->forced ? "!" : ""));
    EXPECT_EQ(overrides, (std::vector<std::string>{"training.steps", "seed!", "training.steps"}));
    const auto fresh = call(command({"--new", "--json"}, 10));
    EXPECT_EQ(fresh.status, 0) << fresh.err;
    EXPECT_NE(fresh.json()["run"], m_run.root().string());
}

TEST_F(SupervisedRuns, RefuseWhatIsWrongBeforeMakingAnything)
{
    struct Case {
        std::vector<std::string> arguments;
        const char* sentence;
    };
    const auto run = m_run.root().string();
    for (const auto& each : {Case{{"train", "--preset", "nonsense", "--run", run}, "nonsense"}, Case{{"train", "--run", run}, "--preset"},
                             Case{{"train", "--preset", "smoke", "--set", "training.stepz=5", "--run", run}, "training.steps"},
                             Case{{"train", "--preset", "smoke", "--training.steps", "-5", "--run", run}, "training.steps"},
                             Case{{"train", "--preset", "smoke", "--config", "x", "--run", run}, "not both"},
                             Case{{"train", "--config", "/nonexistent.json", "--run", run}, "/nonexistent.json"},
                             Case{{"train", "--preset", "smoke", "--devices", "99", "--run", run}, "GPU 99"},
                             Case{{"train", "--preset", "smoke", "--devices", "cpu:7", "--run", run}, "batch_size"},
                             Case{{"train", "--resume", "never-made"}, "never-made"}, Case{{"train", "--nonsense"}, "nonsense"}}) {
        const auto done = call(each.arguments);
        EXPECT_EQ(done.status, 2) << each.sentence << done.err;
        EXPECT_NE(done.err.find(each.sentence), std::string::npos) << done.err;
        EXPECT_FALSE(fs::exists(m_run.root())) << each.sentence;
    }
}

TEST_F(SupervisedRuns, AreNotDisturbedByNonsenseInTheirFolder)
{
    auto run = start(command({}, 300));
    ASSERT_TRUE(passes(3));
    for (const char* text : {"", "{", "[]", R"({"wish": "explode"})", R"({"wish": "pause", "options": 5})"})
        ASSERT_TRUE(writeFileAtomically(m_run.controlFolder() / ("nonsense-" + std::to_string(std::strlen(text)) + ".json"), text));
    fs::create_directories(m_run.root() / "folder" / "deep"); // and moved there whole: the supervisor clears it away at once
    fs::rename(m_run.root() / "folder", m_run.controlFolder() / "folder.json");
    ASSERT_TRUE(writeFileAtomically(m_run.leaseFile(), "nonsense"));
    fs::create_directories(m_run.checkpointsFolder() / "step-9999999"); // without a manifest: no checkpoint
    EXPECT_EQ(run->wait(), 0) << run->err();
    EXPECT_EQ(followed().state(), RunState::Finished);
    const auto log = readFile(m_run.logFile());
    ASSERT_TRUE(log);
    EXPECT_NE(log->find("nonsense-0.json"), std::string::npos);
    EXPECT_TRUE(readLease(m_run));
}

TEST_F(SupervisedRuns, SayWhenTheFolderCannotBeMadeOrRead)
{
    auto arguments = command();
    for (auto& each : arguments)
        if (each == m_run.root().string())
            each = "/proc/espalier/run";
    const auto nowhere = call(arguments);
    EXPECT_EQ(nowhere.status, 1);
    EXPECT_NE(nowhere.err.find("/proc/espalier/run"), std::string::npos) << nowhere.err;
    ASSERT_EQ(call(command({}, 10)).status, 0);
    ASSERT_TRUE(writeFileAtomically(m_run.configFile(), "{\"schema\": 1, \"config\": {"));
    const auto broken = call(command({}, 10));
    EXPECT_EQ(broken.status, 1);
    EXPECT_NE(broken.err.find("config.json"), std::string::npos) << broken.err;
}

TEST_F(SupervisedRuns, FollowAFolderThatMoves)
{
    auto run = start(command({}, 400));
    ASSERT_TRUE(passes(5));
    const auto moved = m_folder / "moved";
    fs::rename(m_run.root(), moved);
    m_run = RunFolder(moved);
    ASSERT_TRUE(sendWish(m_run, WishKind::Pause));
    EXPECT_EQ(run->wait(), 0) << run->err();
    EXPECT_EQ(followed().state(), RunState::Paused);
}

TEST_F(SupervisedRuns, AFullDiskEndsTheRunWithOneSentence)
{
    const auto disk = m_folder / "disk";
    fs::create_directories(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
        GTEST_SKIP() << "cannot mount a small disk here";
    m_run = RunFolder(disk / "run");
    const auto done = call(command({}, 1'000'000), {{"FAKE_STEP_MS", "0"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.err.find("No space left"), std::string::npos) << done.err;
    EXPECT_EQ(done.err.find("No space left"), done.err.rfind("No space left")) << done.err;
    EXPECT_NE(done.err.find(m_run.root().string() + "/"), std::string::npos) << done.err;
    const auto follower = followed();
    EXPECT_GT(follower.curve(tags::kLoss)->size(), 10u);
    ASSERT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST_F(SupervisedRuns, SurviveAKillOfEitherSideAtAnyMoment)
{
    const auto undisturbed = call(command({}, 150), {{"FAKE_STEP_MS", "1"}});
    ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;
    const auto expected = finalState();
    m_run = RunFolder(m_folder / "killed");
    std::mt19937 random(11);
    int kills = 0;
    const Environment slow{{"FAKE_STEP_MS", "4"}, {"FAKE_SAVE_MS", "4"}};
    for (int round = 0; round < 30; ++round) {
        std::int64_t saved = 0;
        if (const auto stored = storedCheckpoints(m_run); !stored.empty())
            saved = stored.back().step;
        auto run = start(command({}, 150), slow);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
        const bool supervisor = round % 2 == 0;
        const auto inside = tests::processesIn(m_run.root());
        pid_t victim = run->pid();
        for (const auto pid : inside)
            if (!supervisor && pid != run->pid())
                victim = pid;
        ::kill(victim, SIGKILL);
        ++kills;
        EXPECT_NE(run->wait(10s), -1);
        ASSERT_TRUE(eventually([&] { return tests::processesIn(m_run.root()).empty(); }, 5s)) << "round " << round;
        if (isRunFolder(m_run.root())) {
            RunFollower follower(m_run.root());
            // The kernel frees the lock of a killed process a moment after its working folder.
            EXPECT_TRUE(eventually([&] { return follower.poll(), !isLive(follower.state()); }, 3s)) << stateText(follower.state());
            EXPECT_TRUE(follower.state() == RunState::New || possible(Action::Start, follower.state()) ||
                        follower.state() == RunState::Finished);
            if (const auto stored = storedCheckpoints(m_run); !stored.empty()) {
                EXPECT_GE(stored.back().step, saved);
            }
            if (follower.state() == RunState::Finished)
                fs::remove_all(m_run.root()); // once more from the start
        }
    }
    EXPECT_EQ(kills, 30);
    EXPECT_EQ(call(command({}, 150), {{"FAKE_STEP_MS", "1"}}).status, 0);
    EXPECT_EQ(finalState(), expected);
    const auto follower = followed();
    EXPECT_EQ(follower.state(), RunState::Finished);
    ASSERT_EQ(follower.curve(tags::kLoss)->size(), 150u);
    for (std::size_t i = 0; i < 150; ++i)
        EXPECT_EQ(follower.curve(tags::kLoss)->point(i).step, static_cast<std::int64_t>(i) + 1);
}

} // namespace espalier
