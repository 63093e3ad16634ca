// SPDX-License-Identifier: Apache-2.0
// The commands of runs that grow: fork, search, --at-stage, --stage, inspect.
#include "tests/app/worker/real_run.h"

#include "core/runs/library.h"

namespace espalier {

class GrowingCommands : public RealRuns {
protected:
    std::vector<std::string> tinyDit(const RunFolder& run, const std::vector<const char*>& schedule,
                                     const std::vector<std::string>& more) const
    {
        std::vector<std::string> flags;
        const auto set = [&](const char* setting) {
            flags.emplace_back("--set");
            flags.emplace_back(setting);
        };
        for (const auto* setting : {"model.kind=dit", "model.patch_size=2", "model.hidden_size=32", "model.num_heads=2", "model.depth=3",
                                    "model.num_classes=10", "training.steps=18", "checkpoints.every=0", "samples.every=9"})
            set(setting);
        for (const auto* setting : schedule)
            set(setting);
        flags.insert(flags.end(), more.begin(), more.end());
        return trainInto(run, flags);
    }
    /// Three stages that are searched, of a DiT that is told which one it is in.
    std::vector<std::string> searching(const RunFolder& run, const std::vector<std::string>& more = {}) const
    {
        return tinyDit(run,
                       {"model.num_stages=3", "schedule.kind=autoprog-zero", "schedule.stages=3", "schedule.side_start=0.5",
                        "search.cost=analytic", "search.rounds=1", "search.batch=4"},
                       more);
    }
    /// Depth 1, 2, 3.
    std::vector<std::string> byHand(const RunFolder& run, const std::vector<std::string>& more = {}) const
    {
        return tinyDit(run, {"schedule.kind=stages", "schedule.stages=3", "schedule.depth=1,2,3"}, more);
    }
    Json inspected(const RunFolder& run) const { return call({"inspect", run.root().string(), "--json"}).json(); }
};

TEST_F(GrowingCommands, AForkThatChangesNothingEndsLikeItsParent)
{
    const RunFolder run(m_folder / "parent"), fork(m_folder / "child");
    const auto trained = call(byHand(run));
    ASSERT_EQ(trained.status, 0) << trained.err;
    const auto forked = call({"fork", run.root().string(), "--at-stage", "1", "--name", "child", "--quiet"});
    ASSERT_EQ(forked.status, 0) << forked.err;
    EXPECT_EQ(stateOf(fork), runs::RunState::Finished);
    EXPECT_EQ(shardsOf(run, 18), shardsOf(fork, 18));
    EXPECT_FALSE(shardsOf(run, 18).is_null());
    const auto said = inspected(fork);
    EXPECT_EQ(said["forked_from"]["name"], "parent");
    EXPECT_EQ(said["forked_from"]["step"], 12);
    expectAllReadable(fork);
}

TEST_F(GrowingCommands, AForkMayEndOtherwise)
{
    const RunFolder run(m_folder / "parent"), fork(m_folder / "deeper");
    ASSERT_EQ(call(byHand(run)).status, 0);
    const auto refused = call({"fork", run.root().string(), "--at-stage", "0", "--name", "deeper", "--schedule.depth=2,2,3", "--no-start"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find("schedule.depth"), std::string::npos) << refused.err;
    EXPECT_FALSE(fs::exists(fork.root()));
    const auto made = call(
        {"fork", run.root().string(), "--at-stage", "0", "--name", "deeper", "--model.depth=4", "--schedule.depth=1,2,4", "--no-start"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(stateOf(fork), runs::RunState::Paused);
    const auto trained = call({"train", "--resume", fork.root().string(), "--quiet"});
    ASSERT_EQ(trained.status, 0) << trained.err;
    EXPECT_EQ(stateOf(fork), runs::RunState::Finished);
    EXPECT_EQ(stateOf(run), runs::RunState::Finished);
    for (const auto& [stage, blocks] : {std::pair{"0", 1}, {"1", 2}, {"2", 4}}) {
        const auto file = (m_folder / "stage.safetensors").string();
        const auto exported = call({"export", fork.root().string(), "--at-stage", stage, "--out", file});
        ASSERT_EQ(exported.status, 0) << exported.err;
        EXPECT_EQ(call({"inspect", file, "--json"}).out.find("blocks." + std::to_string(blocks) + "."), std::string::npos) << stage;
        EXPECT_NE(call({"inspect", file, "--json"}).out.find("blocks." + std::to_string(blocks - 1) + "."), std::string::npos) << stage;
    }
    EXPECT_EQ(call({"export", fork.root().string(), "--at-stage", "5", "--out", "x"}).status, 2);
}

TEST_F(GrowingCommands, ASearchAloneIsWhatTheTrainingWouldHaveFound)
{
    const RunFolder straight(m_folder / "straight"), searched(m_folder / "searched");
    const auto trained = call(searching(straight));
    ASSERT_EQ(trained.status, 0) << trained.err;
    auto arguments = searching(searched, {"--json"});
    arguments.front() = "search";
    const auto found = call(arguments);
    ASSERT_EQ(found.status, 0) << found.err;
    const auto candidates = found.json()["search"]["candidates"];
    ASSERT_GE(candidates.size(), 2u) << found.out;
    EXPECT_EQ(found.json()["search"]["complete"], true);
    EXPECT_EQ(stateOf(searched), runs::RunState::Paused);
    const auto again = call({"search", searched.root().string()});
    EXPECT_EQ(again.status, 2);
    EXPECT_NE(again.err.find("nothing to search now"), std::string::npos) << again.err;

    const auto resumed = call({"train", "--resume", searched.root().string(), "--quiet"});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(shardsOf(straight, 18), shardsOf(searched, 18));
    const auto stages = inspected(straight)["stages"];
    ASSERT_EQ(stages.size(), 3u);
    EXPECT_EQ(stages[0]["search"]["candidates"], candidates);
    EXPECT_EQ(stages[0]["actual"]["steps"], 6);
    EXPECT_LT(stages[0]["trained"].get<std::int64_t>(), stages[2]["trained"].get<std::int64_t>());
    EXPECT_NE(call({"inspect", straight.root().string()}).out.find("chosen"), std::string::npos);
    runs::RunFollower follower(straight.root());
    int searches = 0;
    for (const auto& event : follower.poll().events)
        searches += runs::eventAs<runs::Searched>(event).has_value();
    EXPECT_EQ(searches, 2);
}

TEST_F(GrowingCommands, StagesDrawOtherImages)
{
    const RunFolder run(m_folder / "run");
    ASSERT_EQ(call(searching(run)).status, 0);
    const auto drawn = [&](std::vector<std::string> more) {
        std::vector<std::string> all{"sample", "--checkpoint", run.root().string(), "--num", "2", "--steps", "2", "--json"};
        all.insert(all.end(), more.begin(), more.end());
        const auto result = call(all);
        EXPECT_EQ(result.status, 0) << result.err;
        return result.json();
    };
    const auto first = drawn({"--stage", "0"}), last = drawn({});
    EXPECT_NE(first["recipe"]["sampler"].get<std::string>().find("stage 0"), std::string::npos);
    EXPECT_NE(first["folder"], last["folder"]);
    EXPECT_EQ(drawn({"--at-stage", "0"})["recipe"]["step"], 6);
    EXPECT_EQ(drawn({"--at-stage", "2"})["recipe"]["step"], 18);
    const auto none = call({"sample", "--checkpoint", run.root().string(), "--stage", "3", "--num", "1"});
    EXPECT_EQ(none.status, 2);
    EXPECT_NE(none.err.find("sampler.stage must be"), std::string::npos) << none.err;
}

TEST_F(GrowingCommands, ADryRunSaysEveryStage)
{
    auto arguments = byHand(RunFolder(m_folder / "never"), {"--dry-run", "--json"});
    const auto said = call(arguments);
    ASSERT_EQ(said.status, 0) << said.err;
    const auto stages = said.json()["stages"];
    ASSERT_EQ(stages.size(), 3u);
    EXPECT_EQ(stages[1]["forecast"]["steps"], 6);
    EXPECT_LT(stages[0]["forecast"]["flops"].get<double>(), stages[2]["forecast"]["flops"].get<double>());
    EXPECT_FALSE(fs::exists(m_folder / "never"));
}

} // namespace espalier
