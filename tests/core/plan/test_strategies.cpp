// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/plan/chain.h"
#include "core/plan/forecast.h"
#include "core/plan/search_cost.h"
#include "core/plan/stage_config.h"
#include "core/plan/stages.h"
#include "core/plan/strategy.h"

#include "core/base/philox.h"
#include "core/config/config.h"
#include "core/shapes/cost.h"
#include "core/shapes/parameters.h"
#include "tests/support/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace espalier::plan {
namespace {

config::RunConfig vit(std::int64_t steps = 100)
{
    config::RunConfig config;
    config.data.side = 32;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 12, .numHeads = 2, .numClasses = 10, .dropPath = 0.1};
    config.data.augment.operations = 2;
    config.data.augment.erase = 0.25;
    config.training.steps = steps;
    config.training.batchSize = 8;
    config.training.ema.decays = {0.99, 0.999};
    return config;
}

config::RunConfig dit(std::int64_t steps = 100)
{
    auto config = vit(steps);
    config.data.augment = {};
    config.model = config::DitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 12, .numHeads = 2, .numClasses = 10, .numStages = 4};
    return config;
}

config::RunConfig unet(std::int64_t steps = 100)
{
    auto config = vit(steps);
    config.data.augment = {};
    config.model = config::UNetConfig{.hidChannels = 32, .chMultipliers = {1, 2, 2}, .numResBlocks = 2, .applyAttn = {false, true, false}};
    return config;
}

Result<Plan> begun(const config::RunConfig& config)
{
    return makeStrategy(config, {1000})->begin();
}

std::string refusal(const config::RunConfig& config)
{
    const auto plan = begun(config);
    return plan ? "none" : plan.error().message;
}

std::int64_t depthOfStage(const Stage& stage)
{
    return std::get<config::VitConfig>(stage.shape.model).depth;
}

std::int64_t stepsOf(const Plan& plan)
{
    std::int64_t steps = 0;
    for (const auto& stage : plan.stages)
        steps += *stage.length.steps;
    return steps;
}

/// A measurement that answers a request with numbers that depend on a seed alone.
Measurement answerTo(const Plan& plan, const Request& request, Progress& progress, std::uint64_t seed)
{
    const auto drawn = [&](std::uint64_t row, std::uint32_t column) {
        const auto words = philox({{column, static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(plan.ledger.size()), 0}}, seed);
        return 0.1 + uniformOf(words.word[0], words.word[1]);
    };
    if (const auto* train = std::get_if<TrainStage>(&request)) {
        const auto& stage = *findStage(plan, train->stage);
        progress.steps += *stage.length.steps;
        progress.images += *stage.length.steps * stage.globalBatch;
        progress.seconds += 1.0;
        return stageFinished(train->stage, progress);
    }
    const bool probe = std::holds_alternative<ProbeLoss>(request);
    const auto& id = probe ? std::get<ProbeLoss>(request).stage : std::get<ZeroShot>(request).stage;
    Measurement measurement{probe ? std::get<ProbeLoss>(request).id : std::get<ZeroShot>(request).id, {}, false};
    for (std::uint64_t row = 0; row < findStage(plan, id)->window.size(); ++row) {
        measurement.table.push_back({drawn(row, 0), drawn(row, 1)});
        if (!probe)
            measurement.table.back().push_back(drawn(row, 2));
    }
    return measurement;
}

/// Follows a plan to its end, looking at every state on the way.
Plan followed(const config::RunConfig& config, std::uint64_t seed)
{
    const auto strategy = makeStrategy(config, {1000});
    auto plan = strategy->begin();
    EXPECT_TRUE(plan) << plan.error().message;
    if (!plan)
        return {};
    const auto total = stepsOf(*plan);
    Progress progress;
    for (int turn = 0; turn < 200; ++turn) {
        const auto checked = check(*plan);
        EXPECT_TRUE(checked) << checked.error().message;
        const auto back = planFromText(toJson(*plan).dump());
        EXPECT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, *plan);
        EXPECT_EQ(stepsOf(*plan), total) << "searching is part of the training, not more of it";
        const auto again = planOf(*strategy, plan->ledger);
        EXPECT_TRUE(again);
        EXPECT_EQ(*again, *plan) << "all that is known is in the ledger";
        const auto ready = strategy->ready(*plan);
        if (ready.empty())
            return *plan;
        const auto answer = answerTo(*plan, ready.front(), progress, seed);
        *plan = strategy->apply(*plan, answer);
        EXPECT_EQ(strategy->apply(*plan, answer), *plan) << "answered once";
    }
    ADD_FAILURE() << "it never ends";
    return *plan;
}

TEST(StagesSchedule, SharesOutTheLengthAndGrows)
{
    auto config = vit(101);
    config.schedule =
        config::StagesSchedule{.stages = 3, .depth = {6, 9, 12}, .side = {16, 24, 32}, .drop = {0.0, 0.05, 0.1}, .randAugment = {4, 6, 9}};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->stages.size(), 3u);
    EXPECT_EQ(plan->stages[0].length.steps, 33);
    EXPECT_EQ(plan->stages[1].length.steps, 34);
    EXPECT_EQ(plan->stages[2].length.steps, 34);
    EXPECT_EQ(depthOfStage(plan->stages[1]), 9);
    EXPECT_EQ(sideOf(plan->stages[0]), 16);
    EXPECT_EQ(plan->stages[1].weights.size(), 11u) << "embed, head and nine blocks";
    const auto of = configOf(config, plan->stages[0]);
    EXPECT_EQ(of.data.side, 16);
    EXPECT_EQ(of.data.augment.padding, 2) << "half of 4";
    EXPECT_EQ(std::get<config::VitConfig>(of.model).grid, 8) << "the table stays that of 32 pixels";
    EXPECT_EQ(of.data.augment.magnitude, 4.0);
    EXPECT_EQ(configOf(config, plan->stages[2]).data.side, 32);
    // What a configuration says has the parameters that the stage has.
    EXPECT_EQ(shapes::parameterCount(shapes::shapeOf(of)), forecast(plan->stages[0]).parameters);
    EXPECT_LT(forecast(plan->stages[0]).flopsPerImage * 6.0, forecast(plan->stages[2]).flopsPerImage);
    followed(config, 1);
}

TEST(StagesSchedule, MogrowTakesTheSlowestAverage)
{
    auto config = vit();
    config.schedule = config::StagesSchedule{.stages = 2, .depth = {8, 12}, .growth = config::GrowthOperator::MoGrow};
    const auto all = begun(config);
    for (const auto& source : all->stages[1].weights)
        EXPECT_EQ(source.weights, "ema:0.999");
    std::get<config::StagesSchedule>(config.schedule).growNewOnly = true;
    std::multiset<std::string> kinds;
    const auto copies = begun(config);
    for (const auto& source : copies->stages[1].weights)
        kinds.insert(source.weights);
    EXPECT_EQ(kinds.count("ema:0.999"), 4u) << "the copies";
    EXPECT_EQ(kinds.count("raw"), 10u);
}

TEST(StagesSchedule, RefusesWithOneSentenceThatNamesTheStage)
{
    const auto with = [](config::RunConfig config, config::StagesSchedule schedule) {
        config.schedule = std::move(schedule);
        return refusal(config);
    };
    EXPECT_EQ(with(vit(), {.stages = 2, .depth = {12, 8}}), "schedule.depth: stage 1 has 8 blocks after 12: a model can only grow.");
    EXPECT_EQ(with(vit(), {.stages = 2, .depth = {4, 8}}),
              "schedule.depth: stage 1 is the last and must be the whole model, 12 blocks; it has 8.");
    EXPECT_EQ(with(vit(), {.stages = 2, .depth = {14, 12}}), "schedule.depth: stage 0 has 14 blocks, and the whole model has 12.");
    EXPECT_EQ(with(vit(), {.stages = 2, .side = {18, 32}}),
              "schedule.side: stage 0 asks for 18 pixels, and its model takes multiples of 4 for its patches.");
    EXPECT_EQ(with(vit(), {.stages = 2, .side = {4, 32}}), "schedule.side: stage 0 asks for 4 pixels; images have at least 8.");
    EXPECT_EQ(with(vit(), {.stages = 2, .side = {32, 16}}), "schedule.side: stage 1 has 16 pixels after 32: a model can only grow.");
    EXPECT_NE(with(vit(), {.stages = 2, .trainable = "blocks:10-14;all"}).find("schedule.trainable: stage 0 trains what does not exist."),
              std::string::npos);
    EXPECT_NE(with(vit(), {.stages = 2, .trainable = "middle;all"}).find("stage 0 trains what does not exist."), std::string::npos);
    EXPECT_NE(with(vit(), {.stages = 2, .trainable = "all"}).find("of each of the 2 stages"), std::string::npos);
    EXPECT_NE(with(vit(), {.stages = 2, .trainable = "blocks:x;all"}).find("cannot be read"), std::string::npos);
    EXPECT_NE(with(vit(1), {.stages = 2}).find("Stage 0 would have no step"), std::string::npos);
    auto latents = dit();
    latents.latents.enabled = true;
    latents.data.side = 256;
    EXPECT_EQ(with(latents, {.stages = 2, .side = {120, 256}}),
              "schedule.side: stage 0 asks for 120 pixels, and its model takes multiples of 32 for its patches.");
    EXPECT_NE(with(unet(), {.stages = 2, .levels = {1, 3}, .side = {18, 32}}).find("none"), std::string::npos)
        << "one level takes any side";
    EXPECT_NE(with(unet(), {.stages = 2, .side = {18, 32}}).find("multiples of 4 for its levels"), std::string::npos);
}

TEST(StagesSchedule, ReadsPartsAsTheyAreWritten)
{
    for (const char* text : {"all", "head", "head+blocks:0-3", "blocks:2", "embed+blocks:1-1"}) {
        const auto parts = partsFromText(text);
        ASSERT_TRUE(parts) << text;
        const auto again = partsFromText(textOf(*parts));
        ASSERT_TRUE(again) << text;
        EXPECT_EQ(*again, *parts) << text;
    }
    for (const char* text : {"", "+", "blocks:", "blocks:3-1", "blocks:-1", "blocks:9999999999999999999", ":3"})
        EXPECT_FALSE(partsFromText(text)) << text;
}

TEST(AutoProg, SearchesBeforeEveryStageButTheLast)
{
    auto config = vit(1000);
    config.schedule = config::AutoProgSchedule{.sideMultiple = 8};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->stages.size(), 7u);
    const auto& search = plan->stages[0];
    EXPECT_EQ(search.id, "stage-00-search");
    EXPECT_EQ(search.role, Stage::Role::Supernet);
    EXPECT_EQ(depthOfStage(search), 12);
    EXPECT_EQ(search.length.steps, 20) << "8 % of 250";
    std::vector<std::string> names;
    for (const auto& candidate : search.window)
        names.push_back(candidate.name);
    EXPECT_EQ(names,
              (std::vector<std::string>{"r16_l6", "r16_l10", "r16_l12", "r24_l6", "r24_l10", "r24_l12", "r32_l6", "r32_l10", "r32_l12"}));
    EXPECT_EQ(search.strengths.randAugment, 9) << "as at the end";
    EXPECT_EQ(plan->stages[1].strengths.randAugment, 4);
    EXPECT_EQ(plan->stages[1].optimizer, config::Carry::Reset);
    const auto requests = makeStrategy(config, {1000})->ready(*plan);
    EXPECT_EQ(std::get<ProbeLoss>(requests.front()).at, 0.5) << "two rounds: only the last one decides";
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        const auto end = followed(config, seed);
        EXPECT_EQ(depthOfStage(end.stages.back()), 12);
        EXPECT_EQ(sideOf(end.stages.back()), 32);
        std::int64_t depth = 0, side = 0;
        for (const auto& stage : end.stages) {
            if (stage.role == Stage::Role::Supernet)
                continue;
            EXPECT_GE(depthOfStage(stage), depth);
            EXPECT_GE(sideOf(stage), side);
            depth = depthOfStage(stage);
            side = sideOf(stage);
        }
    }
}

TEST(AutoProg, WithoutASearchGrowsEvenly)
{
    for (auto config : {vit(400), dit(400), unet(400)}) {
        config.schedule = config::AutoProgSchedule{};
        config.search.enabled = false;
        const auto end = followed(config, 3);
        EXPECT_EQ(end.stages.size(), 4u);
    }
    auto config = vit();
    config.schedule = config::AutoProgSchedule{.depthStart = 0.25};
    EXPECT_NE(refusal(config).find("schedule.depth_start: stage 0 would search from 3 to 12 blocks"), std::string::npos);
}

TEST(AutoProg, AUNetSearchesAmongSidesAtTheBlocksOfItsStage)
{
    auto config = unet(1000);
    config.schedule = config::AutoProgSchedule{};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    const auto& search = plan->stages[0];
    std::vector<std::string> names;
    for (const auto& candidate : search.window) {
        names.push_back(candidate.name);
        EXPECT_TRUE(candidate.keepBlock.empty()) << "levels cannot be skipped";
    }
    EXPECT_EQ(names, (std::vector<std::string>{"r16_l1", "r28_l1", "r32_l1"})) << "of 16, 20, 28 and 32, as the published window is";
    EXPECT_EQ(depthOf(search.shape.model), 1);
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        const auto end = followed(config, seed);
        std::int64_t side = 0;
        for (const auto& stage : end.stages) {
            const auto blocks = stage.index == 0 ? 1 : 2; // evenly, whatever is chosen: 1, 4/3, 5/3, 2, rounded
            EXPECT_EQ(depthOf(stage.shape.model), blocks) << stage.id;
            if (stage.role != Stage::Role::Train)
                continue;
            EXPECT_GE(sideOf(stage), side);
            side = sideOf(stage);
            if (!stage.window.empty()) {
                EXPECT_EQ(stage.weights, carriedOver(searchId(stage.index))) << "the supernet is what was measured";
            }
        }
        EXPECT_EQ(side, 32);
    }
    config.schedule = config::AutoProgSchedule{.sideStart = 1.0};
    EXPECT_EQ(refusal(config),
              "search.enabled: no stage has anything to choose from, because schedule.side_start leaves one size for each; "
              "lower it, or set search.enabled to false.");
    auto transformer = vit();
    transformer.schedule = config::AutoProgSchedule{.sideStart = 1.0, .depthStart = 1.0};
    EXPECT_NE(refusal(transformer).find("schedule.side_start and schedule.depth_start leave"), std::string::npos);
}

TEST(StagesSchedule, ALevelOfAUNetGrowsToItsOwnBlocks)
{
    auto config = unet();
    std::get<config::UNetConfig>(config.model).levelBlocks = {1, 3, 2};
    config.schedule = config::StagesSchedule{.stages = 3, .levels = {2, 3, 3}, .blocks = {1, 2, 3}};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    const auto blocks = [&](std::size_t stage) {
        return config::blocksOfLevels(std::get<config::UNetConfig>(plan->stages[stage].shape.model));
    };
    EXPECT_EQ(blocks(0), (std::vector<std::int64_t>{1, 1}));
    EXPECT_EQ(blocks(1), (std::vector<std::int64_t>{1, 2, 2}));
    EXPECT_EQ(plan->stages[2].shape.model, config.model);
}

TEST(StagesSchedule, AUNetGrowsInLevelsAndBlocks)
{
    auto config = unet(400);
    config.schedule = config::StagesSchedule{.stages = 4, .levels = {1, 2, 3, 3}, .blocks = {1, 1, 1, 2}, .side = {8, 16, 32, 32}};
    const auto end = followed(config, 1);
    ASSERT_EQ(end.stages.size(), 4u);
    EXPECT_EQ(std::get<config::UNetConfig>(end.stages[1].shape.model).chMultipliers, (std::vector<std::int64_t>{1, 2}));
    std::int64_t before = 0;
    for (const auto& stage : end.stages) {
        const auto parameters = forecast(stage).parameters;
        EXPECT_GT(parameters, before) << stage.id;
        EXPECT_EQ(parameters, shapes::parameterCount(shapes::shapeOf(configOf(config, stage)))) << stage.id;
        before = parameters;
    }
}

TEST(Sides, AreAllThatARunCanComeTo)
{
    auto config = dit(1000);
    config.schedule = config::AutoProgZeroSchedule{};
    const auto strategy = makeStrategy(config, {1000});
    auto plan = *strategy->begin();
    EXPECT_EQ(strategy->sides(plan), (std::vector<std::int64_t>{8, 16, 24, 32})) << "a search may choose any";
    Progress progress;
    while (!findMeasurement(plan, "stage-02"))
        plan = strategy->apply(plan, answerTo(plan, strategy->ready(plan).front(), progress, 1));
    EXPECT_EQ(strategy->sides(plan), (std::vector<std::int64_t>{32})) << "what has ended needs nothing";
    config = vit(100);
    config.schedule = config::StagesSchedule{.stages = 3, .side = {16, 16, 32}};
    const auto written = makeStrategy(config, {1000});
    EXPECT_EQ(written->sides(*written->begin()), (std::vector<std::int64_t>{16, 32}));
    config.schedule = config::AutoProgSchedule{.sideMultiple = 8};
    const auto searched = makeStrategy(config, {1000});
    EXPECT_EQ(searched->sides(*searched->begin()), (std::vector<std::int64_t>{16, 24, 32}));
}

TEST(SearchCost, IsWhatMeasuringComputes)
{
    auto config = vit(1000);
    config.schedule = config::AutoProgSchedule{.sideMultiple = 8};
    config.search.batches = 5;
    const auto strategy = makeStrategy(config, {1000});
    const auto plan = *strategy->begin();
    const auto& supernet = plan.stages[0];
    const auto probes = strategy->searches(supernet);
    ASSERT_EQ(probes.size(), 5u);
    // By hand: five forward passes of eight images for each candidate; the first probe also times four passes forward and back.
    double forward = 0.0;
    for (const auto& candidate : supernet.window) {
        auto shape = supernet.shape;
        shape.side = candidate.side;
        std::get<config::VitConfig>(shape.model).depth = std::ranges::count(candidate.keepBlock, true);
        forward += shapes::forwardFlops(shape);
    }
    EXPECT_DOUBLE_EQ(searchFlops(probes[1], supernet, config.search), 5 * 8 * forward);
    EXPECT_DOUBLE_EQ(searchFlops(probes[0], supernet, config.search), (5 * 8 + 4 * 8 * 3) * forward);
    EXPECT_DOUBLE_EQ(searchFlops(probes[1], supernet, config.search, 6), 5 * 6 * forward) << "a set of six images";
    config.search.cost = config::SearchCost::Analytic;
    EXPECT_DOUBLE_EQ(searchFlops(probes[0], supernet, config.search), 5 * 8 * forward) << "nothing is timed";

    config = dit(1000);
    config.schedule = config::AutoProgZeroSchedule{};
    const auto zero = makeStrategy(config, {1000});
    const auto begun = *zero->begin();
    const auto& stage = begun.stages[0];
    const auto rounds = zero->searches(stage);
    // Two kernels and two batches of ZiCo forward and back, of 16 images, and seven timed passes.
    double both = 0.0;
    for (const auto& candidate : stage.window)
        both += costOf(stage, candidate);
    EXPECT_DOUBLE_EQ(searchFlops(rounds[0], stage, config.search), 16 * (2 + 2 + 7) * both);
    config.search.cost = config::SearchCost::Analytic;
    EXPECT_DOUBLE_EQ(searchFlops(rounds[0], stage, config.search), 16 * (2 + 2) * both);
    EXPECT_EQ(searchFlops(TrainStage{stage.id}, stage, config.search), 0.0);
    // Gradients that do not fit into memory at once take more passes, each forward and back.
    EXPECT_EQ(kernelPasses(std::vector<std::int64_t>{3, 4, 2, 20, 1, 1}, 2, 14), (std::vector<std::size_t>{2, 1, 1, 2}));
    auto large = stage;
    large.shape.model = config::DitConfig{.patchSize = 2, .hiddenSize = 1152, .depth = 28, .numHeads = 16, .numClasses = 1000};
    EXPECT_GT(kernelCostOf(large, {}, 16), 10.0 * costOf(large, {})) << "675 million weights of 16 images are twenty times 2 GiB";
}

TEST(AutoProgZero, UnfreezesAndGrowsByAtMostANotch)
{
    for (const auto& base : {dit(400), vit(400), unet(400)}) {
        auto config = base;
        config.schedule = config::AutoProgZeroSchedule{.sideStart = 0.5};
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
            const auto end = followed(config, seed);
            ASSERT_EQ(end.stages.size(), 4u);
            EXPECT_TRUE(end.stages.back().trainable.empty());
            EXPECT_EQ(end.stages.back().side, 0);
            std::set<std::int64_t> sides;
            const auto even = begun(config);
            for (const auto& stage : even->stages)
                sides.insert(sideOf(stage));
            for (std::size_t k = 1; k < 4; ++k) {
                const auto before = sideOf(end.stages[k - 1]), now = sideOf(end.stages[k]);
                EXPECT_GE(now, before);
                EXPECT_GE(forecast(end.stages[k]).trained, forecast(end.stages[k - 1]).trained) << "what trains goes on training";
                const auto notches = std::distance(sides.lower_bound(before), sides.lower_bound(now));
                EXPECT_TRUE(notches <= 1 || k == 3) << "the last stage is the whole model, however far it is";
            }
            for (const auto& stage : end.stages)
                EXPECT_EQ(stage.sid, std::holds_alternative<config::DitConfig>(config.model) ? stage.index : -1);
        }
    }
    auto config = dit(400);
    config.schedule = config::AutoProgZeroSchedule{.sideStart = 0.25};
    const auto plan = begun(config);
    std::vector<std::string> names;
    for (const auto& candidate : plan->stages[0].window)
        names.push_back(candidate.name);
    EXPECT_EQ(names, (std::vector<std::string>{"r8_l1", "r8_l2", "r16_l1", "r16_l2"}));
    config.data.side = 16; // a quarter would be fewer pixels than images may have
    EXPECT_EQ(sideOf(begun(config)->stages[0]), 8);
    // Less trains, and it costs less.
    const auto& first = plan->stages[0];
    EXPECT_LT(forecast(first).trained, forecast(plan->stages[3]).trained);
    EXPECT_LT(costOf(first, {{}, 0, {}, first.trainable}), costOf(first, {{}, 0, {}, {}}));
}

TEST(AutoProgZero, TheNumbersOfTrainedParametersOfEverySizeAreThePublishedOnes)
{
    const auto text = readFile(tests::goldenFolder() / "progressive" / "zero.json");
    ASSERT_TRUE(text);
    int compared = 0;
    const auto rows = Json::parse(*text)["trainable"];
    for (const auto& row : rows) {
        const auto name = row["model"].get<std::string>(); // "DiT-B/4"
        config::DitConfig model{.patchSize = name.back() - '0', .learnSigma = true, .numClasses = 1000, .numStages = 4};
        for (const auto& [size, width, depth, heads] :
             {std::tuple{"S", 384, 12, 6}, {"B", 768, 12, 12}, {"L", 1024, 24, 16}, {"XL", 1152, 28, 16}})
            if (name.starts_with(fmt::format("DiT-{}/", size))) {
                model.hiddenSize = width;
                model.depth = depth;
                model.numHeads = heads;
            }
        config::RunConfig config;
        config.latents.enabled = true;
        config.data.side = 256;
        config.training.steps = 1000;
        config.training.batchSize = 8;
        config.model = model;
        config.schedule = config::AutoProgZeroSchedule{.sideMultiple = 32};
        config.search.enabled = false;
        config.recipe.strict = true;
        const auto plan = begun(config);
        ASSERT_TRUE(plan) << plan.error().message;
        const auto cost = forecast(plan->stages[row["level"].get<std::size_t>() - 1]);
        EXPECT_EQ(cost.trained, row["parameters"].get<std::int64_t>()) << row;
        EXPECT_EQ(shapes::trainedCount(plan->stages[0].shape), row["total"].get<std::int64_t>()) << row;
        ++compared;
    }
    EXPECT_GE(compared, 12);
}

TEST(AutoProgZero, TheNumbersOfTrainedParametersAreThePublishedOnes)
{
    config::RunConfig config;
    config.latents.enabled = true;
    config.data.side = 256;
    config.training.steps = 240000;
    config.training.batchSize = 256;
    config.model = config::DitConfig{
        .patchSize = 2, .hiddenSize = 1152, .depth = 28, .numHeads = 16, .learnSigma = true, .numClasses = 1000, .numStages = 4};
    config.schedule = config::AutoProgZeroSchedule{.sideMultiple = 32};
    config.search.enabled = false;
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    const std::vector<std::int64_t> intended{172'832'288, 340'168'352, 507'504'416, 674'840'480}, sides{8, 16, 24, 32};
    for (std::size_t k = 0; k < 4; ++k) {
        EXPECT_EQ(forecast(plan->stages[k]).trained, intended[k]) << k;
        EXPECT_EQ(sideOf(plan->stages[k]), sides[k]) << k;
    }
    config.recipe.strict = true;
    const auto literal = begun(config);
    ASSERT_TRUE(literal) << literal.error().message;
    EXPECT_EQ(forecast(literal->stages[1]).trained, 483'599'264);
    EXPECT_EQ(forecast(literal->stages[2]).trained, 627'030'176);
}

TEST(PlanOf, AStageThatIsLongerNowGoesOnWhenItIsTheLast)
{
    auto config = vit(100);
    config.schedule = config::StagesSchedule{.stages = 2, .depth = {6, 12}};
    auto ledger = std::vector{stageFinished("stage-00", {50, 400, 1.0}), stageFinished("stage-01", {100, 800, 2.0})};
    const auto strategy = makeStrategy(config, {1000});
    EXPECT_TRUE(strategy->ready(*planOf(*strategy, ledger)).empty());
    config.training.steps = 120;
    const auto longer = makeStrategy(config, {1000});
    const auto plan = planOf(*longer, ledger);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(endOf(*plan, "stage-00")) << "what has ended stays so";
    EXPECT_EQ(longer->ready(*plan), std::vector<Request>{TrainStage{"stage-01"}});
}

} // namespace
} // namespace espalier::plan
