// SPDX-License-Identifier: Apache-2.0
// Modules that are trained apart: train --phase, assemble, export for the published code.
#include "tests/app/worker/real_run.h"

#include <algorithm>
#include <functional>

namespace espalier {

class AssemblingCommands : public RealRuns {
protected:
    std::string at(const char* name) const { return (m_folder / name).string(); }
    /// Two modules of two blocks; each phase takes `steps` steps.
    std::vector<std::string> tinyVit(const char* run, const std::vector<std::string>& more, const char* steps = "4") const
    {
        std::vector<std::string> flags;
        const std::string length = steps;
        for (const auto& setting :
             {std::string("model.kind=vit"), std::string("model.patch_size=4"), std::string("model.hidden_size=32"),
              std::string("model.num_heads=2"), std::string("model.depth=4"), std::string("model.num_classes=10"),
              std::string("schedule.kind=assembled"), std::string("schedule.modules=2"), "schedule.pt.steps=" + length,
              "schedule.mt.steps=" + length, "schedule.ft.steps=" + length, std::string("checkpoints.every=0")}) {
            flags.emplace_back("--set");
            flags.push_back(setting);
        }
        flags.insert(flags.end(), more.begin(), more.end());
        return trainInto(RunFolder(m_folder / run), flags);
    }
    void train(const char* run, const std::vector<std::string>& more) const
    {
        const auto trained = call(tinyVit(run, more));
        ASSERT_EQ(trained.status, 0) << run << ": " << trained.err;
    }
    Json exportedAs(const std::string& from, const std::string& to, const std::vector<std::string>& more = {}) const
    {
        std::vector<std::string> all{"export", from, "--weights", "raw", "--to", "deep-incubation", "--out", to, "--json"};
        all.insert(all.end(), more.begin(), more.end());
        const auto exported = call(all);
        EXPECT_EQ(exported.status, 0) << exported.err;
        return exported.json();
    }
};

TEST_F(AssemblingCommands, PhasesAreTrainedApartAndJoined)
{
    train("meta", {"--phase", "PT"});
    train("m0", {"--phase", "MT", "--module", "0", "--meta", at("meta")});
    train("m1", {"--phase", "MT", "--module", "1", "--meta", at("meta")});
    const auto joined = call({"assemble", "--modules", at("m0"), at("m1"), "--out", at("whole.safetensors"), "--json"});
    ASSERT_EQ(joined.status, 0) << joined.err;
    EXPECT_EQ(joined.json()["division"], (Json{2, 2}));
    train("whole", {"--phase", "FT", "--modules", at("m0"), at("m1"), "--set", "schedule.ft.learning_rate=0"});
    // Trained at a rate of 0 the assembled model is the joined one.
    ASSERT_EQ(call({"export", at("whole"), "--weights", "raw", "--to", "pt", "--out", at("a.pt")}).status, 0);
    ASSERT_EQ(call({"export", at("whole.safetensors"), "--weights", "raw", "--to", "pt", "--out", at("b.pt")}).status, 0);
    EXPECT_EQ(*readFile(at("a.pt")), *readFile(at("b.pt")));
}

TEST_F(AssemblingCommands, CheckpointsOfThePublishedCodeGoBothWays)
{
    train("run", {});
    exportedAs(at("run"), at("meta.pth"), {"--at-stage", "0"});
    exportedAs(at("run"), at("m0.pth"), {"--at-stage", "1"});
    exportedAs(at("run"), at("m1.pth"), {"--at-stage", "2"});
    ASSERT_EQ(call({"assemble", at("run"), "--to", "pt", "--out", at("a.pt")}).status, 0);
    const auto again = call({"assemble", "--modules", at("m0.pth"), at("m1.pth"), "--to", "pt", "--out", at("b.pt")});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(*readFile(at("a.pt")), *readFile(at("b.pt")));
    // A file as the meta model, and files as modules.
    train("more", {"--phase", "MT", "--module", "1", "--meta", at("meta.pth")});
    train("tuned", {"--phase", "FT", "--modules", at("m0.pth"), at("more")});
    // What is swapped is told apart.
    const auto swapped = call({"assemble", at("run"), "--swap", "1=" + at("more"), "--to", "pt", "--out", at("c.pt")});
    ASSERT_EQ(swapped.status, 0) << swapped.err;
    EXPECT_NE(*readFile(at("a.pt")), *readFile(at("c.pt")));
}

TEST_F(AssemblingCommands, WhatDoesNotBelongIsRefusedBeforeAnythingIsMade)
{
    train("run", {});
    exportedAs(at("run"), at("m1.pth"), {"--at-stage", "2"});
    const std::pair<std::vector<std::string>, const char*> refused[] = {
        {{"assemble", "--modules", at("m1.pth"), at("m1.pth"), "--out", at("x.pt")}, "cannot be module 0: it is module 1"},
        {{"assemble", at("run"), "--swap", "0=" + at("m1.pth"), "--out", at("x.pt")}, "cannot be module 0: it is module 1"},
        {{"assemble", at("run"), "--swap", "2=" + at("m1.pth"), "--out", at("x.pt")}, "from 0 to 1"},
        {{"assemble", "--out", at("x.pt")}, "Name either an assembled run"},
        {tinyVit("x", {"--phase", "FT", "--modules", at("m1.pth"), at("m1.pth")}), "cannot be module 0: it is module 1"},
        {tinyVit("x", {"--phase", "MT", "--module", "0", "--meta", at("m1.pth")}), "cannot be the meta model"},
        {tinyVit("x", {"--phase", "MT", "--module", "0"}), "schedule.meta_from must name the meta model"},
        {tinyVit("x", {"--phase", "FT", "--modules", at("m1.pth")}), "a place for each of the 2 modules"},
        {tinyVit("x", {"--phase", "MT", "--meta", at("run"), "--set", "model.hidden_size=64"}), "the model is 64 wide"},
        {{"fork", at("run"), "--at-stage", "1"}, "An assembled run is not forked"}};
    for (const auto& [command, why] : refused) {
        const auto said = call(command);
        EXPECT_EQ(said.status, 2) << why << " " << said.err;
        EXPECT_NE(said.err.find(why), std::string::npos) << said.err;
        EXPECT_FALSE(fs::exists(at("x")) || fs::exists(at("x.pt")));
    }
}

TEST_F(AssemblingCommands, AKillInsideAModuleCostsThatModuleAlone)
{
    const RunFolder straight(m_folder / "straight"), killed(m_folder / "killed");
    const std::vector<std::string> often{"--set", "checkpoints.every=5"};
    ASSERT_EQ(call(tinyVit("straight", often, "40")).status, 0);
    const auto second = killed.branch("module-1");
    CliProcess process(tinyVit("killed", often, "40"), {}, m_folder / "start");
    ASSERT_TRUE(eventually([&] { return !runs::storedCheckpoints(second).empty(); }, 60s)) << process.err();
    for (const auto pid : tests::processesIn(killed.root()))
        ::kill(pid, SIGKILL);
    EXPECT_NE(process.wait(15s), 0);
    const auto finished = call(tinyVit("killed", often, "40"));
    ASSERT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(shardsOf(straight, 120), shardsOf(killed, 120));
    EXPECT_FALSE(shardsOf(straight, 120).is_null());
    for (const auto* module : {"module-0", "module-1"})
        EXPECT_EQ(shardsOf(straight.branch(module), 80), shardsOf(killed.branch(module), 80)) << module;
    EXPECT_TRUE(fs::exists(second.scalarsFolder(2)) && !fs::exists(killed.branch("module-0").scalarsFolder(2)));
    expectAllReadable(killed);
}

TEST_F(AssemblingCommands, ModulesSideBySideComeToWhatTheyComeToInTurn)
{
    const std::vector<std::string> two{"--devices", "cpu:2", "--set", "checkpoints.every=5"};
    auto turns = two;
    turns.insert(turns.end(), {"--set", "schedule.at_once=1"});
    const RunFolder beside(m_folder / "beside"), turn(m_folder / "turn");
    CliProcess process(tinyVit("beside", two, "30"), {}, m_folder / "start");
    runs::RunFollower follower(beside.root());
    EXPECT_TRUE(eventually(
        [&] {
            return follower.poll(), std::ranges::count(follower.branchStatus(), runs::RunState::Training, &runs::BranchStatus::state) == 2;
        },
        60s));
    EXPECT_EQ(process.wait(120s), 0) << process.err();
    const auto inTurn = call(tinyVit("turn", turns, "30"));
    ASSERT_EQ(inTurn.status, 0) << inTurn.err;
    EXPECT_FALSE(shardsOf(beside, 90).is_null());
    EXPECT_EQ(shardsOf(beside, 90), shardsOf(turn, 90));
    for (const auto* module : {"module-0", "module-1"}) {
        EXPECT_EQ(shardsOf(beside.branch(module), 60), shardsOf(turn.branch(module), 60)) << module;
        expectAllReadable(beside.branch(module));
    }
    expectAllReadable(beside);
    follower.poll();
    EXPECT_EQ(follower.progress().fraction, 1.0);
    for (const auto& each : follower.branchStatus()) {
        EXPECT_EQ(each.state, runs::RunState::Finished) << each.name;
        EXPECT_EQ(each.device, "cpu");
        EXPECT_EQ(each.attempt, 1);
    }
}

TEST_F(AssemblingCommands, ModulesSideBySideGoOnExactlyAfterAKillInEveryPhase)
{
    const std::vector<std::string> two{"--devices", "cpu:2", "--set", "checkpoints.every=5"};
    const RunFolder straight(m_folder / "straight"), killed(m_folder / "killed");
    ASSERT_EQ(call(tinyVit("straight", two, "40")).status, 0);
    const auto first = killed.branch("module-0"), second = killed.branch("module-1");
    const auto has = [](const RunFolder& folder, std::int64_t step) {
        return [folder, step] {
            const auto stored = runs::storedCheckpoints(folder);
            return !stored.empty() && stored.back().step >= step;
        };
    };
    // Inside the meta model, twice inside the modules (once a worker of theirs alone), and inside the whole model.
    const std::pair<std::function<bool()>, bool> moments[] = {
        {has(killed, 10), true}, {has(first, 50), true}, {has(second, 60), false}, {has(killed, 90), true}};
    for (const auto& [there, whole] : moments) {
        CliProcess process(tinyVit("killed", two, "40"), {}, m_folder / "start");
        ASSERT_TRUE(eventually(there, 60s)) << process.err();
        for (const auto pid : tests::processesIn(killed.root()))
            if (whole || pid != process.pid()) {
                ::kill(pid, SIGKILL);
                if (!whole)
                    break;
            }
        EXPECT_NE(process.wait(60s), -1);
    }
    const auto finished = call(tinyVit("killed", two, "40"));
    ASSERT_EQ(finished.status, 0) << finished.err;
    EXPECT_FALSE(shardsOf(straight, 120).is_null());
    EXPECT_EQ(shardsOf(straight, 120), shardsOf(killed, 120));
    for (const auto* module : {"module-0", "module-1"}) {
        EXPECT_EQ(shardsOf(straight.branch(module), 80), shardsOf(killed.branch(module), 80)) << module;
        expectAllReadable(killed.branch(module));
    }
}

TEST_F(AssemblingCommands, OneModuleIsPausedAndStarted)
{
    const std::vector<std::string> one{"--set", "checkpoints.every=5"};
    const RunFolder straight(m_folder / "straight"), run(m_folder / "run");
    ASSERT_EQ(call(tinyVit("straight", one, "60")).status, 0);
    CliProcess process(tinyVit("run", one, "60"), {}, m_folder / "start");
    ASSERT_TRUE(eventually([&] { return !runs::storedCheckpoints(run.branch("module-0")).empty(); }, 60s)) << process.err();
    const auto paused = call({"control", run.root().string(), "pause", "--module", "0", "--wait"});
    EXPECT_EQ(paused.status, 0) << paused.err;
    EXPECT_EQ(process.wait(120s), 0) << process.err();
    EXPECT_EQ(stateOf(run), runs::RunState::Paused);
    EXPECT_FALSE(shardsOf(run.branch("module-1"), 120).is_null()) << "it got the device";
    EXPECT_EQ(call({"control", run.root().string(), "start", "--module", "0"}).status, 0);
    const auto finished = call(tinyVit("run", one, "60"));
    ASSERT_EQ(finished.status, 0) << finished.err;
    EXPECT_FALSE(shardsOf(straight, 180).is_null());
    EXPECT_EQ(shardsOf(straight, 180), shardsOf(run, 180));
}

} // namespace espalier
