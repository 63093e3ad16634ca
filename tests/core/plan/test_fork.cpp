// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/plan/fork.h"
#include "core/plan/search_results.h"
#include "core/plan/strategy.h"

#include <gtest/gtest.h>

namespace espalier::plan {
namespace {

config::RunConfig configOf(const Json& overlay)
{
    const auto config = config::read(overlay);
    EXPECT_TRUE(config) << config.error().message;
    return config ? *config : config::RunConfig{};
}

/// Three stages of 10 steps, of which two have ended.
Json byHand()
{
    return {{"data", {{"side", 24}}},
            {"model", {{"kind", "vit"}, {"patch_size", 6}, {"hidden_size", 32}, {"num_heads", 2}, {"depth", 6}, {"num_classes", 10}}},
            {"training", {{"steps", 30}, {"batch_size", 8}}},
            {"schedule", {{"kind", "stages"}, {"stages", 3}, {"depth", {2, 4, 6}}}}};
}

Plan planned(const config::RunConfig& config, const std::vector<Measurement>& ledger)
{
    const auto plan = planOf(*makeStrategy(config, {100}), ledger);
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? *plan : Plan{};
}

std::vector<Measurement> twoEnded()
{
    return {stageFinished("stage-00", {10, 80, 1.0, 1e9}), stageFinished("stage-01", {20, 160, 2.5, 3e9})};
}

Json with(Json overlay, std::initializer_list<const char*> settings)
{
    for (const auto* setting : settings)
        EXPECT_TRUE(config::applySetting(overlay, setting)) << setting;
    return overlay;
}

} // namespace

TEST(Fork, TakesWhatWasMeasuredUpToTheEndOfTheStage)
{
    const auto config = configOf(byHand());
    const auto parent = planned(config, twoEnded());
    const auto early = forkAt(parent, config, config, 0);
    ASSERT_TRUE(early) << early.error().message;
    EXPECT_EQ(early->stage, "stage-00");
    EXPECT_EQ(early->step, 10);
    ASSERT_EQ(early->plan.ledger.size(), 1u);
    EXPECT_EQ(makeStrategy(config, {100})->ready(early->plan), std::vector<Request>{TrainStage{"stage-01"}});
    const auto late = forkAt(parent, config, config, 1);
    ASSERT_TRUE(late) << late.error().message;
    EXPECT_EQ(late->plan.ledger, parent.ledger);
}

TEST(Fork, ALaterStageMayBecomeAnother)
{
    const auto before = configOf(byHand());
    const auto after = configOf(with(byHand(), {"model.depth=8", "schedule.depth=2,4,8"}));
    const auto fork = forkAt(planned(before, twoEnded()), before, after, 1);
    ASSERT_TRUE(fork) << fork.error().message;
    EXPECT_EQ(std::get<config::VitConfig>(fork->plan.stages[2].shape.model).depth, 8);
    EXPECT_TRUE(forkAt(planned(before, twoEnded()), before, configOf(with(byHand(), {"training.steps=60"})), 1))
        << "the length of the whole may change whenever a run goes on";
}

TEST(Fork, NamesTheSettingThatMadeThePast)
{
    const auto before = configOf(byHand());
    const auto parent = planned(before, twoEnded());
    const auto refused = [&](std::initializer_list<const char*> settings, int index) {
        const auto fork = forkAt(parent, before, configOf(with(byHand(), settings)), index);
        return fork ? std::string("accepted") : fork.error().detail;
    };
    EXPECT_EQ(refused({"schedule.depth=2,5,6"}, 1), "schedule.depth");
    EXPECT_EQ(refused({"schedule.depth=2,5,6"}, 0), "accepted");
    EXPECT_EQ(refused({"seed=3"}, 0), "seed");
    EXPECT_EQ(refused({"model.hidden_size=64"}, 0), "model.hidden_size");
    EXPECT_EQ(refused({"training.learning_rate=0.1"}, 0), "training.learning_rate");
    EXPECT_EQ(refused({"samples.count=9"}, 1), "accepted");
    const auto fork = forkAt(parent, before, configOf(with(byHand(), {"schedule.depth=2,5,6"})), 1);
    ASSERT_FALSE(fork);
    EXPECT_EQ(fork.error().message, "schedule.depth decides how the stages up to 1 were trained, which a fork takes as they are. Leave it, "
                                    "or fork at an earlier stage.");
}

TEST(Fork, AStageThatHasNotEndedOrIsNoneIsRefused)
{
    const auto config = configOf(byHand());
    const auto parent = planned(config, twoEnded());
    EXPECT_EQ(forkAt(parent, config, config, 2).error().message, "Stage 2 has not ended yet; there is nothing to go on from.");
    EXPECT_EQ(forkAt(parent, config, config, 7).error().message, "There is no stage 7: this run has stages 0 to 2.");
    EXPECT_EQ(forkAt(parent, config, config, -1).error().code, ErrorCode::Usage);
}

TEST(Fork, ForgetsTheSearchBehindTheStage)
{
    auto overlay = byHand();
    overlay["schedule"] = {{"kind", "autoprog-zero"}, {"stages", 3}};
    overlay["search"] = {{"rounds", 1}};
    const auto config = configOf(overlay);
    auto plan = planned(config, {});
    const auto strategy = makeStrategy(config, {100});
    const auto measure = [&](const std::string& stage) {
        const auto rows = findStage(plan, stage)->window.size();
        std::vector<std::vector<double>> table;
        for (std::size_t i = 0; i < rows; ++i)
            table.push_back({-static_cast<double>(i), 1.0 + static_cast<double>(i), 2.0 + static_cast<double>(i)});
        plan = strategy->apply(plan, {stage + ":score-0", table, true});
    };
    ASSERT_FALSE(plan.stages[0].window.empty());
    measure("stage-00");
    plan = strategy->apply(plan, stageFinished("stage-00", {10, 80, 1.0, 1e9}));
    ASSERT_FALSE(findStage(plan, "stage-01")->window.empty());
    measure("stage-01");
    ASSERT_EQ(plan.ledger.size(), 3u);
    const auto fork = forkAt(plan, config, config, 0);
    ASSERT_TRUE(fork) << fork.error().message;
    EXPECT_EQ(fork->plan.ledger.size(), 2u);
    EXPECT_EQ(fork->plan.stages[0], plan.stages[0]) << "what the search chose is kept";
    const auto other = forkAt(plan, config, configOf([&] {
                                  auto changed = overlay;
                                  changed["search"]["time_weight"] = 0.0;
                                  changed["search"]["ntk_weight"] = 0.0;
                                  return changed;
                              }()),
                              0);
    ASSERT_FALSE(other) << "another vote would have chosen another size";
    EXPECT_TRUE(other.error().detail.starts_with("search.")) << other.error().detail;
}

TEST(SearchResults, AreThoseOfTheVote)
{
    auto overlay = byHand();
    overlay["schedule"] = {{"kind", "autoprog-zero"}, {"stages", 3}};
    overlay["search"] = {{"rounds", 2}};
    const auto config = configOf(overlay);
    auto plan = planned(config, {});
    const auto strategy = makeStrategy(config, {100});
    const auto stage = plan.stages[0];
    ASSERT_GE(stage.window.size(), 2u);
    EXPECT_FALSE(searchResults(plan, stage, config));
    std::vector<std::vector<double>> table(stage.window.size(), {-5.0, 1.0, 3.0});
    table[1] = {-1.0, 9.0, 1.0}; // best in everything
    plan = strategy->apply(plan, {"stage-00:score-0", table, true});
    const auto half = searchResults(plan, stage, config);
    ASSERT_TRUE(half);
    EXPECT_FALSE(half->complete);
    EXPECT_FALSE(half->candidates[1].chosen);
    plan = strategy->apply(plan, {"stage-00:score-1", table, true});
    const auto found = searchResults(plan, plan.stages[0], config);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->complete);
    EXPECT_FALSE(found->trained);
    EXPECT_TRUE(found->candidates[1].chosen);
    EXPECT_EQ(found->candidates[1].zico, 9.0);
    EXPECT_LT(found->candidates[1].total, found->candidates[0].total);
    EXPECT_EQ(found->candidates[1].name, stage.window[1].name);
    EXPECT_EQ(plan.stages[0].side == 0 ? plan.stages[0].shape.side : plan.stages[0].side, stage.window[1].side);
}

TEST(SearchResults, OfAnotherSearchAreNone)
{
    auto overlay = byHand();
    overlay["schedule"] = {{"kind", "autoprog-zero"}, {"stages", 3}};
    const auto config = configOf(overlay);
    auto plan = planned(config, {});
    plan.ledger.push_back({"stage-00:score-0", {{1.0}}, true});
    EXPECT_FALSE(searchResults(plan, plan.stages[0], config));
}

} // namespace espalier::plan
