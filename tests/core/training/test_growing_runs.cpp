// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/ranks_run.h"

#include "core/plan/chain.h"
#include "core/plan/forecast.h"
#include "core/plan/search_cost.h"
#include "core/plan/search_results.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <set>

namespace espalier::training {
namespace fs = std::filesystem;

/// Runs whose model grows.
class GrowingRun : public TinyRun {
protected:
    static config::RunConfig tinyVit(std::int64_t steps)
    {
        auto config = tinyConfig(steps);
        config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10, .dropPath = 0.1};
        config.training.warmupSteps = 2;
        return config;
    }
    static config::RunConfig tinyDit(std::int64_t steps)
    {
        auto config = tinyConfig(steps);
        config.model = config::DitConfig{
            .patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10, .classDropoutProb = 0.3, .numStages = 3};
        config.training.warmupSteps = 0;
        return config;
    }
    static config::RunConfig byHand()
    {
        auto config = tinyVit(9);
        config.schedule = config::StagesSchedule{.stages = 3, .depth = {2, 3, 4}, .side = {8, 16, 16}, .drop = {0.0, 0.05, 0.1}};
        return config;
    }
    static config::RunConfig autoProg()
    {
        auto config = tinyVit(12);
        config.schedule = config::AutoProgSchedule{.stages = 3, .sideStart = 0.5, .depthStart = 0.5};
        // Three of the four steps of a stage, so that a run goes on inside a supernet too.
        config.search = {.cost = config::SearchCost::Analytic, .rounds = 1, .share = 0.75, .batches = 1, .batch = 8};
        return config;
    }
    static config::RunConfig zero()
    {
        auto config = tinyDit(9);
        config.schedule = config::AutoProgZeroSchedule{.stages = 3, .sideStart = 0.5};
        config.search = {.cost = config::SearchCost::Analytic, .rounds = 1, .batch = 4};
        return config;
    }

    static plan::Plan planOf(const runs::RunFolder& folder)
    {
        const auto text = readFile(folder.planFile(), 1 << 20);
        EXPECT_TRUE(text);
        auto plan = plan::planFromText(*text);
        EXPECT_TRUE(plan) << plan.error().message;
        return *plan;
    }
    static std::set<std::int64_t> boundaries(const runs::RunFolder& folder)
    {
        std::set<std::int64_t> steps;
        for (const auto& each : runs::storedCheckpoints(folder))
            if (each.keptForRun)
                steps.insert(each.step);
        return steps;
    }

    /// A run that goes on from any of its steps ends with the same bytes as one that never stopped.
    void expectExactFromEveryStep(config::RunConfig config, std::int64_t steps)
    {
        config.checkpoints.every = 1;
        config.checkpoints.keepLast = 1000;
        const auto straight = makeRun("straight", config);
        const auto ended = train(straight, config);
        ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
        ASSERT_TRUE(fs::exists(straight.checkpointFolder(steps)));
        goesOnFromEveryStep(straight, config, steps, [&](const runs::RunFolder& broken) {
            // Killed there, it knows what all searches took that are kept, those since the checkpoint too, and each once.
            EXPECT_NEAR(manifestOf(broken, steps).clock["searching_seconds"].get<double>(), plan::spentOnSearching(planOf(broken)).seconds,
                        1e-6);
            EXPECT_GE(plan::spentOnSearching(planOf(broken)).seconds, plan::spentOnSearching(planOf(straight)).seconds);
            EXPECT_EQ(planOf(straight).stages, planOf(broken).stages);
        });
    }

    /// Trains a whole network for two steps, and then `config`, which begins with its weights and grows. The run that did, and the file.
    std::pair<runs::RunFolder, tensors::TensorMap> growsFromAFileOf(const config::RunConfig& whole, config::RunConfig& config)
    {
        const auto source = makeRun("source", whole);
        EXPECT_TRUE(train(source, whole));
        config.init.from = source.checkpointFolder(2).string();
        config.init.weights = "raw";
        const auto folder = makeRun("grown", config);
        const auto ended = train(folder, config);
        EXPECT_TRUE(ended) << ended.error().message << ended.error().detail;
        return {folder, *tensors::readWeights(source.checkpointFolder(2), "raw")};
    }
    static std::vector<std::string> warningsOf(const runs::RunFolder& folder)
    {
        std::vector<std::string> warnings;
        runs::RunFollower follower(folder.root());
        for (const auto& event : follower.poll().events)
            if (const auto warned = runs::eventAs<runs::Warned>(event))
                warnings.push_back(warned->message);
        return warnings;
    }
};

TEST_F(GrowingRun, GrowsAsWrittenByHand)
{
    const auto folder = makeRun("hand", byHand());
    const auto ended = train(folder, byHand());
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    // Every boundary is kept, as the model that it is.
    EXPECT_EQ(boundaries(folder), (std::set<std::int64_t>{3, 6}));
    for (const auto& [step, depth] : {std::pair{3, 2}, {6, 3}, {9, 4}}) {
        const auto config = config::read(manifestOf(folder, step).about["config"]);
        ASSERT_TRUE(config) << config.error().message;
        EXPECT_EQ(std::get<config::VitConfig>(config->model).depth, depth);
        const auto weights = tensors::readWeights(folder.checkpointFolder(step), "ema");
        ASSERT_TRUE(weights);
        EXPECT_EQ(weights->contains("blocks." + std::to_string(depth - 1) + ".norm1.weight"), true);
        EXPECT_EQ(weights->contains("blocks." + std::to_string(depth) + ".norm1.weight"), false);
        EXPECT_EQ(weights->at("pos_embed").size(1), 17) << "the table is the one of the whole model at every stage";
    }
    const auto plan = planOf(folder);
    ASSERT_EQ(plan.stages.size(), 3u);
    EXPECT_EQ(plan::endOf(plan, "stage-01")->steps, 6);
    EXPECT_LT(plan::endOf(plan, "stage-00")->flops * 2, plan::endOf(plan, "stage-01")->flops);
    runs::RunFollower follower(folder.root());
    follower.poll();
    EXPECT_EQ(follower.stages().size(), 3u);
}

TEST_F(GrowingRun, ByHandGoesOnExactlyFromEveryStep)
{
    expectExactFromEveryStep(byHand(), 9);
}

TEST_F(GrowingRun, AutoProgGoesOnExactlyFromEveryStep)
{
    expectExactFromEveryStep(autoProg(), 12);
}

TEST_F(GrowingRun, AutoProgZeroGoesOnExactlyFromEveryStep)
{
    expectExactFromEveryStep(zero(), 9);
}

TEST_F(GrowingRun, AUNetGrowsInLevelsAndBlocks)
{
    auto config = tinyConfig(6);
    std::get<config::UNetConfig>(config.model).numResBlocks = 2;
    config.schedule = config::StagesSchedule{.stages = 3, .levels = {1, 2, 2}, .blocks = {1, 1, 2}, .side = {8, 16, 16}};
    expectExactFromEveryStep(config, 6);
    const runs::RunFolder folder(m_root / "straight");
    for (const auto& stage : planOf(folder).stages) { // what was built is what the plan says
        const auto end = plan::endOf(planOf(folder), stage.id)->steps;
        std::int64_t built = 0;
        const auto weights = *tensors::readWeights(folder.checkpointFolder(end), "raw");
        for (const auto& [name, value] : weights)
            built += value.numel();
        EXPECT_EQ(built, plan::forecast(stage).parameters) << stage.id;
    }
}

TEST_F(GrowingRun, AUNetSearchesAmongSides)
{
    auto config = tinyConfig(8);
    config.schedule = config::AutoProgSchedule{.stages = 2, .sideStart = 0.5, .depthStart = 1.0};
    config.search = {.cost = config::SearchCost::Analytic, .rounds = 1, .share = 0.5, .batches = 1, .batch = 8};
    expectExactFromEveryStep(config, 8);
    const auto plan = planOf(runs::RunFolder(m_root / "straight"));
    ASSERT_EQ(plan.stages.size(), 3u);
    ASSERT_EQ(plan.stages[0].window.size(), 2u);
    const auto found = plan::searchResults(plan, plan.stages[0], config);
    ASSERT_TRUE(found && found->complete);
    EXPECT_NE(found->candidates[0].loss, found->candidates[1].loss);
}

TEST_F(GrowingRun, WhatASearchTookIsKeptWithWhatItFound)
{
    auto config = zero();
    config.search.cost = config::SearchCost::Measured;
    const auto folder = makeRun("search", config);
    const Log quiet = [](LogLevel, std::string_view) {};
    const auto searchAlone = [&](bool asked) { // and away: there is no checkpoint
        runs::WorkerLink link;
        TrainingSession::Request request{folder, config, at::kCPU, parallel::ProcessGroup::alone(), std::nullopt};
        request.searchOnly = true;
        auto session = TrainingSession::open(request, link, quiet);
        ASSERT_TRUE(session) << session.error().message;
        if (asked)
            link.requestStop();
        ASSERT_TRUE((*session)->run({}));
    };
    searchAlone(true);
    const auto left = planOf(folder).left.seconds;
    EXPECT_GT(left, 0.0) << "left before it was done";
    EXPECT_TRUE(planOf(folder).ledger.empty());
    searchAlone(false);
    const auto searched = planOf(folder);
    ASSERT_EQ(searched.ledger.size(), 1u);
    EXPECT_EQ(searched.left, plan::Spent{});
    EXPECT_GT(searched.ledger[0].spent.seconds, left);
    ASSERT_TRUE(train(folder, config));
    const auto plan = planOf(folder);
    const auto spent = plan::spentOnSearching(plan);
    EXPECT_GT(spent.seconds, searched.ledger[0].spent.seconds);
    EXPECT_NEAR(manifestOf(folder, 9).clock["searching_seconds"].get<double>(), spent.seconds, 1e-6);
    EXPECT_NEAR(plan::endOf(plan, plan.stages.back().id)->searchSeconds, spent.seconds, 1e-6);
    // Operations as they were forecast.
    const auto strategy = plan::makeStrategy(config, {config.data.gardenTrain});
    double flops = 0.0;
    for (const auto& stage : plan.stages)
        for (const auto& request : strategy->searches(stage)) {
            const auto measured = plan::searchFlops(request, stage, config.search, config.data.gardenTrain);
            EXPECT_GT(measured, 0.0);
            EXPECT_NEAR(plan::findMeasurement(plan, plan::idOf(request))->spent.flops / measured, 1.0, 1e-12);
            flops += measured;
        }
    EXPECT_NEAR(plan::endOf(plan, plan.stages.back().id)->searchFlops / flops, 1.0, 1e-12);
}

TEST_F(GrowingRun, OperationsOfASupernetsProbesAreThoseForecast)
{
    for (const auto cost : {config::SearchCost::Analytic, config::SearchCost::Measured})
        for (const std::int64_t batches : {1, 3}) {
            auto config = autoProg();
            config.search.cost = cost;
            config.search.batches = batches;
            config.search.batch = 0;
            const auto folder = makeRun(fmt::format("probes-{}-{}", static_cast<int>(cost), batches), config);
            ASSERT_TRUE(train(folder, config));
            const auto plan = planOf(folder);
            const auto strategy = plan::makeStrategy(config, {config.data.gardenTrain});
            for (const auto& stage : plan.stages)
                for (const auto& request : strategy->searches(stage))
                    EXPECT_NEAR(plan::findMeasurement(plan, plan::idOf(request))->spent.flops /
                                    plan::searchFlops(request, stage, config.search, config.data.gardenTrain),
                                1.0, 1e-12)
                        << plan::idOf(request);
        }
}

TEST_F(GrowingRun, AShallowFirstStageBeginsWithSomeBlocksOfADeepFile)
{
    auto config = tinyVit(4);
    config.schedule = config::StagesSchedule{.stages = 2, .depth = {2, 4}, .trainable = "head;all"}; // what is frozen stays as it was taken
    const auto [folder, file] = growsFromAFileOf(tinyVit(2), config);
    const auto first = *tensors::readWeights(folder.checkpointFolder(2), "raw");
    std::int64_t compared = 0;
    for (const auto& [name, value] : first)
        if (name.starts_with("blocks.")) { // 2 blocks grow to 0 0 1 1: the firsts of each are 0 and 2
            auto there = name;
            if (name.starts_with("blocks.1."))
                there[7] = '2';
            EXPECT_TRUE(at::equal(value, file.at(there))) << name;
            ++compared;
        } else if (name == "pos_embed" || name.starts_with("patch_embed")) {
            EXPECT_TRUE(at::equal(value, file.at(name))) << name;
        }
    EXPECT_EQ(compared, 24);
    const auto warnings = warningsOf(folder);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_TRUE(warnings[0].starts_with(fmt::format("24 of the {} tensors of ", file.size()))) << warnings[0];
    EXPECT_NE(warnings[0].find("are not used: stage 0 is smaller, and later stages grow from it."), std::string::npos);
    // A file of the first stage's own depth is taken over whole, and so is one by a run that does not grow.
    auto again = config;
    again.init.from = folder.checkpointFolder(2).string();
    again.training.steps = 2;
    const auto own = makeRun("own", again);
    ASSERT_TRUE(train(own, again));
    const auto taken = *tensors::readWeights(own.checkpointFolder(1), "raw");
    EXPECT_TRUE(at::equal(taken.at("blocks.1.attn.qkv.weight"), first.at("blocks.1.attn.qkv.weight")));
    auto plain = tinyVit(2);
    std::get<config::VitConfig>(plain.model).depth = 2;
    plain.init = config.init;
    const auto refused = train(makeRun("plain", plain), plain);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("belongs to no part of this model"), std::string::npos) << refused.error().message;
}

TEST_F(GrowingRun, ASmallFirstStageOfAUNetBeginsWithWhatHasItsPlaceAndSize)
{
    auto config = tinyConfig(4);
    config.schedule = config::StagesSchedule{.stages = 2, .levels = {1, 2}, .trainable = "out_conv;all"};
    const auto [folder, file] = growsFromAFileOf(tinyConfig(2), config);
    std::int64_t taken = 0, had = 0;
    const auto first = *tensors::readWeights(folder.checkpointFolder(2), "raw");
    for (const auto& [name, value] : first)
        if (const auto there = file.find(name); there != file.end() && there->second.sizes() == value.sizes()) {
            ++had;
            taken += at::equal(value, there->second) ? 1 : 0;
            EXPECT_TRUE(at::equal(value, there->second) || name.starts_with("out_conv")) << name;
        }
    EXPECT_GT(taken, 20);
    const auto warnings = warningsOf(folder);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_TRUE(warnings[0].starts_with(fmt::format("{} of the {} tensors of ", static_cast<std::int64_t>(file.size()) - had, file.size())))
        << warnings[0];
}

TEST_F(GrowingRun, WhatIsFrozenKeepsEveryBit)
{
    auto config = tinyVit(6);
    config.schedule = config::StagesSchedule{.stages = 2, .trainable = "head+blocks:3-3;all"};
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 100;
    const auto folder = makeRun("frozen", config);
    const auto ended = train(folder, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    const auto first = *tensors::readWeights(folder.checkpointFolder(1), "raw"),
               third = *tensors::readWeights(folder.checkpointFolder(3), "raw"),
               last = *tensors::readWeights(folder.checkpointFolder(6), "raw");
    for (const auto& [name, value] : first) {
        const bool trained = name.starts_with("blocks.3.") || name.starts_with("head.") || name.starts_with("norm.");
        EXPECT_EQ(at::equal(value, third.at(name)), !trained) << name;
        EXPECT_FALSE(at::equal(value, last.at(name))) << name;
    }
}

TEST_F(GrowingRun, ASearchKeepsWhatItMeasuredAndTheVoteIsRepeatable)
{
    const auto a = makeRun("a", autoProg()), b = makeRun("b", autoProg());
    ASSERT_TRUE(train(a, autoProg()));
    ASSERT_TRUE(train(b, autoProg()));
    const auto first = planOf(a), second = planOf(b);
    EXPECT_EQ(first.stages, second.stages);
    std::size_t scores = 0;
    for (const auto& measurement : first.ledger) {
        const auto* again = plan::findMeasurement(second, measurement.id);
        ASSERT_NE(again, nullptr) << measurement.id;
        if (plan::findStage(first, measurement.id))
            continue;
        ++scores;
        EXPECT_EQ(measurement.table, again->table) << "with analytic cost a search comes out the same";
        EXPECT_EQ(measurement.spent.flops, again->spent.flops);
        for (const auto& row : measurement.table)
            EXPECT_TRUE(std::isfinite(row[0])) << measurement.id;
    }
    EXPECT_GE(scores, 2u);
}

TEST_F(GrowingRun, MeasuringChangesNothingButTheTime)
{
    auto config = zero();
    config.search.cost = config::SearchCost::Measured;
    config.training.steps = 3; // one step a stage
    const auto folder = makeRun("timed", config);
    const auto ended = train(folder, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    const auto plan = planOf(folder);
    for (const auto& measurement : plan.ledger)
        if (!plan::findStage(plan, measurement.id)) {
            EXPECT_TRUE(measurement.wallClock);
            for (const auto& row : measurement.table)
                EXPECT_GT(row[2], 0.0);
        }
    EXPECT_GT(manifestOf(folder, 3).clock["searching_seconds"].get<double>(), 0.0);
}

class GrowingRanks : public RanksRun {};

TEST_F(GrowingRanks, DecideTheSameAndTrainTheSame)
{
    auto config = tinyConfig(6);
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10};
    config.schedule = config::AutoProgSchedule{.stages = 2, .sideStart = 0.5, .depthStart = 0.5};
    config.search = {.cost = config::SearchCost::Analytic, .rounds = 1, .share = 0.5, .batches = 1, .batch = 8};
    const auto folder = makeRun("ranks", config);
    tests::onRanks(2, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
        at::set_num_threads(1);
        const auto ended = train(folder, config, group);
        return ended ? "" : ended.error().message + " " + ended.error().detail;
    });
    EXPECT_TRUE(fs::exists(folder.checkpointFolder(6)));
}

} // namespace espalier::training
