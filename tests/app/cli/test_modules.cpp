// SPDX-License-Identifier: Apache-2.0
// Modules that train side by side: a worker for each, over the fake worker.
#include "core/plan/plan.h"
#include "core/runs/branches.h"
#include "tests/app/cli/supervised_runs.h"

#include <algorithm>
#include <csignal>
#include <random>
#include <thread>

namespace espalier {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace runs;
using tests::Environment;
using tests::eventually;

class Modules : public tests::SupervisedRuns {
protected:
    /// `steps` in each phase; modules end at twice as many.
    std::vector<std::string> assembled(const std::string& devices, int modules, int steps, const std::vector<std::string>& more = {})
    {
        std::vector<std::string> all{"train", "--preset", "smoke", "--run", m_run.root().string(), "--devices", devices};
        const auto length = std::to_string(steps);
        for (const auto& setting :
             {std::string("model.kind=vit"), std::string("model.patch_size=4"), std::string("model.hidden_size=32"),
              std::string("model.num_heads=2"), "model.depth=" + std::to_string(modules), std::string("model.num_classes=10"),
              std::string("schedule.kind=assembled"), "schedule.modules=" + std::to_string(modules), "schedule.pt.steps=" + length,
              "schedule.mt.steps=" + length, "schedule.ft.steps=" + length, std::string("checkpoints.every=10")}) {
            all.emplace_back("--set");
            all.push_back(setting);
        }
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    BranchStatus branch(std::size_t module)
    {
        const auto follower = followed();
        return module < follower.branchStatus().size() ? follower.branchStatus()[module] : BranchStatus{};
    }
    bool comesTo(std::size_t module, RunState state)
    {
        RunFollower follower(m_run.root());
        return eventually([&] {
            follower.poll();
            return module < follower.branchStatus().size() && follower.branchStatus()[module].state == state;
        });
    }
    /// The answer to a wish, when it comes.
    std::optional<WishAnswered> answerTo(const Result<std::string>& id)
    {
        std::optional<WishAnswered> answer;
        RunFollower follower(m_run.root());
        eventually([&] {
            for (const auto& event : follower.poll().events)
                if (const auto each = eventAs<WishAnswered>(event); each && id && each->id == *id)
                    answer = each;
            return answer.has_value();
        });
        return answer;
    }
    std::vector<std::string> branchesIn(RunState state)
    {
        std::vector<std::string> names;
        const auto follower = followed();
        for (const auto& each : follower.branchStatus())
            if (each.state == state)
                names.push_back(each.name);
        return names;
    }
    /// What a run comes to that nothing disturbs, module after module.
    std::string undisturbed(int modules, int steps)
    {
        const auto run = std::exchange(m_run, RunFolder(m_folder / "undisturbed"));
        const auto done = call(assembled("cpu", modules, steps), {{"FAKE_STEP_MS", "0"}});
        EXPECT_EQ(done.status, 0) << done.err;
        const auto state = finalState();
        m_run = run;
        return state;
    }
    static int count(const std::string& text, std::string_view part)
    {
        int found = 0;
        for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
            ++found;
        return found;
    }
};

TEST_F(Modules, TakeADeviceEachAndTheOthersWait)
{
    const auto expected = undisturbed(4, 20);
    auto run = start(assembled("cpu:2", 4, 20), {{"FAKE_STEP_MS", "15"}});
    RunFollower follower(m_run.root());
    std::ptrdiff_t most = 0, waiting = 0;
    while (run->running()) {
        follower.poll();
        most = std::max(most, std::ranges::count(follower.branchStatus(), RunState::Training, &BranchStatus::state));
        waiting = std::max(waiting, std::ranges::count(follower.branchStatus(), RunState::Queued, &BranchStatus::state));
        std::this_thread::sleep_for(5ms);
    }
    ASSERT_EQ(run->wait(), 0) << run->err();
    EXPECT_EQ(most, 2);
    EXPECT_EQ(waiting, 2);
    EXPECT_EQ(count(run->err(), "2 devices for 4 modules: 2 train at a time, the others wait."), 1) << run->err();
    follower.poll();
    EXPECT_EQ(follower.state(), RunState::Finished);
    EXPECT_EQ(finalState(), expected);
    EXPECT_EQ(storedCheckpoints(m_run).back().step, 60);
    EXPECT_EQ(branchesIn(RunState::Finished).size(), 4u);
    for (std::size_t k = 0; k < 4; ++k)
        EXPECT_EQ(branch(k).attempt, 1);
    const auto text = readFile(m_run.planFile());
    ASSERT_TRUE(text);
    const auto plan = plan::planFromText(*text);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->ledger.size(), 6u);
    EXPECT_EQ(follower.stages().size(), 6u);
    EXPECT_EQ(follower.attempt(), 2) << "the meta model and the whole";
}

TEST_F(Modules, ArePackedOnADeviceOrTrainInTurnAsSettingsSay)
{
    auto run = start(assembled("cpu", 3, 40, {"--set", "schedule.at_once=3"}));
    RunFollower follower(m_run.root());
    EXPECT_TRUE(eventually(
        [&] { return follower.poll(), std::ranges::count(follower.branchStatus(), RunState::Training, &BranchStatus::state) == 3; }));
    EXPECT_EQ(run->wait(), 0) << run->err();
    const auto expected = finalState();
    m_run = RunFolder(m_folder / "in-turn");
    auto turns = start(assembled("cpu:2", 3, 40, {"--set", "schedule.at_once=1"}), {{"FAKE_STEP_MS", "1"}});
    std::ptrdiff_t most = 0;
    for (RunFollower each(m_run.root()); turns->running(); std::this_thread::sleep_for(3ms)) {
        each.poll();
        most = std::max(most, std::ranges::count(each.branchStatus(), RunState::Training, &BranchStatus::state));
    }
    EXPECT_EQ(turns->wait(), 0) << turns->err();
    EXPECT_EQ(most, 1);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(Modules, FailAlone)
{
    const auto expected = undisturbed(3, 20);
    const auto done = call(assembled("cpu:2", 3, 20), {{"FAKE_BRANCH", "module-1"}, {"FAKE_CRASH", "segv"}, {"FAKE_CRASH_AT", "35"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.err.find("module-1: Its worker was ended by SIGSEGV"), std::string::npos) << done.err;
    auto follower = followed();
    EXPECT_EQ(follower.state(), RunState::Failed);
    ASSERT_TRUE(follower.failure());
    EXPECT_EQ(follower.failure()->checkpoint, "branches/module-1/checkpoints/step-0000030");
    EXPECT_EQ(branchesIn(RunState::Finished), (std::vector<std::string>{"module-0", "module-2"}));
    EXPECT_EQ(branch(1).state, RunState::Failed);
    EXPECT_NE(branch(1).why.find("SIGSEGV"), std::string::npos);
    EXPECT_FALSE(fs::exists(m_run.checkpointFolder(60)));
    // What has ended is not trained again.
    EXPECT_EQ(call(assembled("cpu:2", 3, 20)).status, 0);
    EXPECT_EQ(followed().state(), RunState::Finished);
    EXPECT_EQ(branch(0).attempt, 1);
    EXPECT_EQ(branch(1).attempt, 2);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(Modules, ThatHangIsEndedAlone)
{
    const auto done =
        call(assembled("cpu:2", 2, 20), {{"FAKE_BRANCH", "module-0"}, {"FAKE_HANG_AT", "25"}, {"ESPALIER_HANG_SECONDS", "1"}});
    EXPECT_EQ(done.status, 1);
    EXPECT_NE(done.err.find("module-0: Its worker lives, but took no step"), std::string::npos) << done.err;
    EXPECT_EQ(branch(1).state, RunState::Finished);
}

TEST_F(Modules, ArePausedAndStartedAlone)
{
    const auto expected = undisturbed(3, 60);
    auto run = start(assembled("cpu:2", 3, 60), {{"FAKE_STEP_MS", "15"}});
    ASSERT_TRUE(comesTo(0, RunState::Training));
    EXPECT_EQ(branch(2).state, RunState::Queued);
    const auto paused = call({"control", m_run.root().string(), "pause", "--module", "0", "--wait"});
    EXPECT_EQ(paused.status, 0) << paused.err;
    EXPECT_EQ(branch(0).state, RunState::Paused);
    EXPECT_TRUE(branch(0).held);
    EXPECT_FALSE(storedCheckpoints(m_run.branch("module-0")).empty());
    EXPECT_TRUE(comesTo(2, RunState::Training)) << "its device is free";
    EXPECT_EQ(followed().state(), RunState::Training);
    // What cannot be is said.
    const auto again = answerTo(sendWish(m_run, WishKind::Pause, {{"module", 0}}));
    EXPECT_TRUE(again && !again->granted);
    const auto running = answerTo(sendWish(m_run, WishKind::Start, {{"module", 1}}));
    EXPECT_TRUE(running && !running->granted);
    const auto none = answerTo(sendWish(m_run, WishKind::Pause, {{"module", 9}}));
    ASSERT_TRUE(none);
    EXPECT_NE(none->answer.find("module-9"), std::string::npos);
    const auto started = answerTo(sendWish(m_run, WishKind::Start, {{"module", 0}}));
    ASSERT_TRUE(started);
    EXPECT_TRUE(started->granted) << started->answer;
    EXPECT_FALSE(branch(0).held);
    EXPECT_EQ(run->wait(60s), 0) << run->err();
    EXPECT_EQ(followed().state(), RunState::Finished);
    EXPECT_EQ(branch(0).attempt, 2);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(Modules, ThatAreHeldKeepTheRunPausedUntilThatIsTakenBack)
{
    const auto expected = undisturbed(2, 30);
    auto run = start(assembled("cpu:2", 2, 30), {{"FAKE_STEP_MS", "10"}});
    ASSERT_TRUE(passes(3)); // still the meta model, whose worker has the pen
    const auto held = answerTo(sendWish(m_run, WishKind::Pause, {{"module", 1}}));
    ASSERT_TRUE(held);
    EXPECT_TRUE(held->granted);
    EXPECT_EQ(run->wait(), 0) << run->err();
    EXPECT_EQ(followed().state(), RunState::Paused);
    EXPECT_NE(followed().why().find("module-1"), std::string::npos) << followed().why();
    EXPECT_EQ(branch(0).state, RunState::Finished);
    EXPECT_EQ(branch(1).attempt, 0);
    EXPECT_EQ(call({"train", "--resume", m_run.root().string()}).status, 0);
    EXPECT_EQ(followed().state(), RunState::Paused);
    EXPECT_EQ(branch(1).attempt, 0) << "nobody starts what is held";
    const auto name = m_run.root().string();
    EXPECT_NE(call({"control", name, "start", "--module", "0"}).err.find("module-0 is done"), std::string::npos);
    EXPECT_NE(call({"control", name, "start"}).err.find("--module K"), std::string::npos);
    EXPECT_EQ(call({"control", name, "start", "--module", "1"}).status, 0);
    EXPECT_EQ(call({"train", "--resume", name}).status, 0);
    EXPECT_EQ(followed().state(), RunState::Finished);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(Modules, AllDoWhatTheRunIsAsked)
{
    const auto expected = undisturbed(3, 60);
    auto run = start(assembled("cpu:2", 3, 60), {{"FAKE_STEP_MS", "10"}});
    ASSERT_TRUE(comesTo(1, RunState::Training));
    const auto saved = answerTo(sendWish(m_run, WishKind::Checkpoint));
    ASSERT_TRUE(saved);
    EXPECT_TRUE(saved->granted);
    EXPECT_NE(saved->answer.find("module-0"), std::string::npos) << saved->answer;
    EXPECT_NE(saved->answer.find("module-1"), std::string::npos) << saved->answer;
    const auto paused = sendWish(m_run, WishKind::Pause);
    EXPECT_EQ(run->wait(), 0) << run->err();
    EXPECT_TRUE(answerTo(paused)->granted);
    EXPECT_EQ(followed().state(), RunState::Paused);
    EXPECT_EQ(branch(0).state, RunState::Paused);
    EXPECT_FALSE(branch(0).held) << "it was the run that was paused";
    auto stopped = start({"train", "--resume", m_run.root().string()}, {{"FAKE_STEP_MS", "10"}});
    ASSERT_TRUE(comesTo(1, RunState::Training));
    stopped->signal(SIGINT);
    EXPECT_EQ(stopped->wait(), 0) << stopped->err();
    EXPECT_EQ(followed().state(), RunState::Stopped);
    EXPECT_EQ(branch(1).state, RunState::Stopped);
    auto killed = start({"train", "--resume", m_run.root().string()}, {{"FAKE_DEAF", "1"}, {"FAKE_STEP_MS", "10"}});
    ASSERT_TRUE(comesTo(1, RunState::Training));
    killed->signal(SIGINT);
    EXPECT_EQ(killed->wait(300ms), -1);
    killed->signal(SIGINT);
    EXPECT_EQ(killed->wait(5s), 1);
    EXPECT_EQ(followed().state(), RunState::Stopped);
    EXPECT_EQ(branch(1).state, RunState::Stopped);
    EXPECT_EQ(call({"train", "--resume", m_run.root().string()}).status, 0);
    EXPECT_EQ(finalState(), expected);
}

TEST_F(Modules, SurviveAKillOfAnyProcessAtAnyMoment)
{
    const auto expected = undisturbed(3, 30);
    std::mt19937 random(5);
    const Environment slow{{"FAKE_STEP_MS", "4"}, {"FAKE_SAVE_MS", "4"}};
    int rounds = 0;
    for (; rounds < 40; ++rounds) {
        auto run = start(assembled("cpu:2", 3, 30), slow);
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 400));
        const auto inside = tests::processesIn(m_run.root());
        const auto victim = inside.empty() ? run->pid() : inside[random() % inside.size()];
        ::kill(victim, SIGKILL);
        const auto ended = run->wait(20s);
        ASSERT_NE(ended, -1);
        ASSERT_TRUE(eventually([&] { return tests::processesIn(m_run.root()).empty(); }, 5s)) << "round " << rounds;
        if (isRunFolder(m_run.root())) {
            RunFollower follower(m_run.root());
            EXPECT_TRUE(eventually([&] { return follower.poll(), !isLive(follower.state()); }, 3s)) << stateText(follower.state());
            for (const auto& each : follower.branchStatus())
                EXPECT_FALSE(isLive(each.state)) << each.name << " " << stateText(each.state);
            EXPECT_EQ(follower.problem(), "");
            if (follower.state() == RunState::Finished) {
                EXPECT_EQ(finalState(), expected) << "round " << rounds;
                fs::remove_all(m_run.root());
            }
        }
    }
    EXPECT_EQ(call(assembled("cpu:2", 3, 30), {{"FAKE_STEP_MS", "1"}}).status, 0);
    EXPECT_EQ(finalState(), expected);
    for (std::size_t k = 0; k < 3; ++k) {
        RunFollower follower(m_run.branch("module-" + std::to_string(k)).root());
        follower.poll();
        ASSERT_NE(follower.curve(tags::kLoss), nullptr);
        EXPECT_EQ(follower.curve(tags::kLoss)->size(), 30u) << "every step once, module " << k;
    }
}

} // namespace espalier
