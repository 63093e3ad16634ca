// SPDX-License-Identifier: Apache-2.0
#include "core/plan/assembled.h"
#include "core/plan/forecast.h"
#include "core/plan/side_by_side.h"
#include "core/plan/stage_config.h"
#include "core/plan/strategy.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/shapes/parameters.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <set>

namespace espalier::plan {
namespace {

config::RunConfig vit(config::AssembledSchedule schedule = {}, std::int64_t depth = 8)
{
    config::RunConfig config;
    config.data.side = 16;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = depth, .numHeads = 2, .numClasses = 10, .dropPath = 0.2};
    config.training.steps = 80;
    config.training.batchSize = 8;
    config.schedule = std::move(schedule);
    return config;
}

Result<Plan> begun(const config::RunConfig& config, std::int64_t images = 1000)
{
    return makeStrategy(config, {images})->begin();
}

std::vector<StageId> readyIn(const config::RunConfig& config, const Plan& plan)
{
    std::vector<StageId> ids;
    for (const auto& request : makeStrategy(config, {1000})->ready(plan))
        ids.push_back(std::get<TrainStage>(request).stage);
    return ids;
}

std::vector<StageId> idsOf(const Plan& plan)
{
    std::vector<StageId> ids;
    for (const auto& stage : plan.stages)
        ids.push_back(stage.id);
    return ids;
}

const PartSource& sourceOf(const Stage& stage, const std::string& part, std::int64_t block)
{
    for (const auto& source : stage.weights)
        if (shapes::contains(source.to, part, block))
            return source;
    ADD_FAILURE() << part << " " << block;
    return stage.weights.front();
}

std::int64_t parametersIn(const shapes::ModelShape& shape, const shapes::PartRange& range)
{
    std::int64_t count = 0;
    for (const auto& parameter : shapes::parameterTable(shape))
        if (shapes::contains(range, parameter.part, parameter.block))
            count += parameter.elements();
    return count;
}

using From = PartSource::From;

TEST(Division, PartsOfModulesAreTheWholeNetwork)
{
    const auto unet = [](std::size_t levels) {
        return config::UNetConfig{.hidChannels = 32,
                                  .chMultipliers = std::vector<std::int64_t>(levels, 1),
                                  .applyAttn = std::vector<bool>(levels, true),
                                  .numClasses = 10};
    };
    for (const auto& division : {Division{1}, Division{2, 1}, Division{4, 3, 3}}) {
        for (const auto& model : {config::ModelConfig(config::VitConfig{}), config::ModelConfig(config::DitConfig{}),
                                  config::ModelConfig(unet(division.size()))}) {
            const bool vit = std::holds_alternative<config::VitConfig>(model);
            const shapes::ModelShape shape{3, vit ? 0 : 3, 16, withBlocks(model, division)};
            std::multiset<std::string> owned;
            for (std::size_t k = 0; k < division.size(); ++k)
                for (const auto& range : partsOfModule(model, division, k)) {
                    EXPECT_TRUE(shapes::checkRange(shape, range));
                    EXPECT_EQ(moduleOf(model, division, range), k);
                    for (auto& name : shapes::parametersOf(shape, range))
                        owned.insert(std::move(name));
                }
            if (!vit) {
                EXPECT_EQ(moduleOf(model, division, {"embed"}), std::nullopt);
                for (auto& name : shapes::parametersOf(shape, {"embed"}))
                    owned.insert(std::move(name));
            }
            const auto all = shapes::parametersOf(shape, {});
            EXPECT_EQ(owned, std::multiset<std::string>(all.begin(), all.end())) << shapes::describe(shape);
        }
    }
}

TEST(Assembled, IsAGraphWhoseModulesStandSideBySide)
{
    const auto config = vit();
    auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(idsOf(*plan), (std::vector<StageId>{"meta", "module-0", "module-1", "module-2", "module-3", "assembled"}));
    for (std::size_t k = 0; k < 4; ++k) {
        const auto& stage = plan->stages[k + 1];
        EXPECT_EQ(stage.branch, stage.id);
        EXPECT_EQ(stage.after, std::vector<StageId>{"meta"});
        EXPECT_EQ(stage.module, static_cast<std::int64_t>(k));
        EXPECT_EQ(depthOf(stage.shape.model), 5);
        EXPECT_EQ(stage.trainable, partsOfModule(config.model, stage.division, k));
        EXPECT_EQ(*stage.length.steps, 10);
        const auto first = static_cast<std::int64_t>(k);
        EXPECT_EQ(sourceOf(stage, "blocks", first).from, From::Fresh);
        EXPECT_EQ(sourceOf(stage, "blocks", first + 1).from, From::Fresh);
        EXPECT_EQ(sourceOf(stage, "embed", 0).from, k == 0 ? From::Fresh : From::Stage);
        EXPECT_EQ(sourceOf(stage, "head", 0).from, k == 3 ? From::Fresh : From::Stage);
        for (std::int64_t block = 0; block < 5; ++block)
            if (const auto& source = sourceOf(stage, "blocks", block); source.from == From::Stage) {
                EXPECT_EQ(source.which, "meta");
                EXPECT_EQ(source.range.begin, block < first ? block : block - 1);
            }
    }
    const auto& whole = plan->stages.back();
    EXPECT_EQ(whole.after.size(), 4u);
    EXPECT_EQ(sourceOf(whole, "embed", 0).which, "module-0");
    EXPECT_EQ(sourceOf(whole, "head", 0).which, "module-3");
    EXPECT_EQ(sourceOf(whole, "blocks", 5).which, "module-2");
    EXPECT_EQ(sourceOf(whole, "blocks", 5).range, (shapes::PartRange{"blocks", 2, 4}));
    EXPECT_EQ(*plan->stages[0].length.steps, 30) << "shares are 3 to 1 for each module to 1";
    EXPECT_EQ(*planFromText(toJson(*plan).dump()), *plan);

    const auto strategy = makeStrategy(config, {1000});
    EXPECT_EQ(readyIn(config, *plan), std::vector<StageId>{"meta"});
    *plan = strategy->apply(*plan, stageFinished("meta", {30, 240, 3.0, 30.0}));
    EXPECT_EQ(readyIn(config, *plan), (std::vector<StageId>{"module-0", "module-1", "module-2", "module-3"}));
    // In any order, and each when it is done.
    for (const auto* id : {"module-2", "module-0", "module-3"})
        *plan = strategy->apply(*plan, stageFinished(id, {40, 320, 4.0, 50.0}));
    EXPECT_EQ(readyIn(config, *plan), std::vector<StageId>{"module-1"});
    EXPECT_FALSE(beginOf(*plan, plan->stages.back()));
    *plan = strategy->apply(*plan, stageFinished("module-1", {41, 328, 4.5, 52.0}));
    EXPECT_EQ(readyIn(config, *plan), std::vector<StageId>{"assembled"});
    const auto begin = beginOf(*plan, plan->stages.back());
    ASSERT_TRUE(begin);
    EXPECT_EQ(begin->steps, 41) << "branches have their own steps: the longest counts";
    EXPECT_EQ(begin->images, 240 + 3 * 80 + 88);
    EXPECT_DOUBLE_EQ(begin->seconds, 3.0 + 3 * 1.0 + 1.5);
    EXPECT_DOUBLE_EQ(begin->flops, 30.0 + 3 * 20.0 + 22.0);
    EXPECT_EQ(*planOf(*strategy, plan->ledger), *plan);
    *plan = strategy->apply(*plan, stageFinished("assembled", {51, 600, 10.0, 200.0}));
    EXPECT_TRUE(readyIn(config, *plan).empty());
}

TEST(Assembled, ModulesMayBeUneven)
{
    const auto plan = begun(vit({.modules = 3, .division = {4, 3, 1}, .metaBlocks = 2}));
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(depthOf(plan->stages[0].shape.model), 6);
    EXPECT_EQ(plan->stages[1].division, (Division{4, 2, 2}));
    EXPECT_EQ(plan->stages[2].division, (Division{2, 3, 2}));
    EXPECT_EQ(plan->stages[3].division, (Division{2, 2, 1}));
    EXPECT_EQ(plan->stages[4].division, (Division{4, 3, 1}));
}

TEST(Assembled, PhasesAreTrainedAloneToo)
{
    const auto of = [](config::AssembledSchedule schedule) {
        const auto plan = begun(vit(std::move(schedule)));
        EXPECT_TRUE(plan) << plan.error().message;
        return *plan;
    };
    EXPECT_EQ(idsOf(of({.phase = config::Phases::Meta})), std::vector<StageId>{"meta"});
    const auto modules = of({.phase = config::Phases::Modules, .metaFrom = "/meta.pth"});
    EXPECT_EQ(modules.stages.size(), 4u);
    EXPECT_TRUE(modules.stages[0].after.empty());
    EXPECT_EQ(sourceOf(modules.stages[0], "head", 0).which, "/meta.pth");
    const auto one = of({.phase = config::Phases::Modules, .module = 2, .metaFrom = "/meta.pth"});
    EXPECT_EQ(idsOf(one), std::vector<StageId>{"module-2"});
    EXPECT_EQ(one.stages[0].branch, "") << "a run of one module is a run like any other";
    const auto last = of({.phase = config::Phases::Assembled, .moduleFiles = "/a;/b;/c;/d"});
    EXPECT_EQ(idsOf(last), std::vector<StageId>{"assembled"});
    EXPECT_EQ(sourceOf(last.stages[0], "blocks", 3).which, "/b");
    EXPECT_EQ(sourceOf(last.stages[0], "blocks", 3).range, (shapes::PartRange{"blocks", 1, 3}));
    // Some modules from elsewhere: the others are trained, and nothing where all are there.
    const auto mixed = of({.moduleFiles = "/a;;/c;"});
    EXPECT_EQ(idsOf(mixed), (std::vector<StageId>{"meta", "module-1", "module-3", "assembled"}));
    EXPECT_EQ(mixed.stages.back().after, (std::vector<StageId>{"module-1", "module-3"}));
    EXPECT_EQ(idsOf(of({.moduleFiles = "/a;/b;/c;/d"})), std::vector<StageId>{"assembled"});
    EXPECT_FALSE(begun(vit({.phase = config::Phases::Modules, .metaFrom = "/m", .moduleFiles = "/a;/b;/c;/d"})));
}

TEST(Assembled, ADitKeepsWhatMakesTheCondition)
{
    auto config = vit();
    config.model = config::DitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 8, .numHeads = 2};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(sourceOf(plan->stages[1], "embed", 0).which, "meta");
    EXPECT_EQ(plan->stages[1].trainable, (std::vector<shapes::PartRange>{{"blocks", 0, 2}}));
    EXPECT_EQ(sourceOf(plan->stages.back(), "embed", 0).which, "module-0");
}

TEST(Assembled, AUNetIsCutAtItsLevels)
{
    auto config = vit();
    config.model = config::UNetConfig{
        .hidChannels = 32, .chMultipliers = {1, 2, 2}, .numResBlocks = 3, .applyAttn = {false, true, false}, .numClasses = 10};
    auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(idsOf(*plan), (std::vector<StageId>{"meta", "module-0", "module-1", "module-2", "assembled"}));
    EXPECT_EQ(*planFromText(toJson(*plan).dump()), *plan);
    const auto shapeOf = [&](std::size_t stage) { return std::get<config::UNetConfig>(plan->stages[stage].shape.model); };
    EXPECT_EQ(config::blocksOfLevels(shapeOf(0)), (Division{1, 1, 1}));
    EXPECT_EQ(shapeOf(1).levelBlocks, (Division{3, 1, 1}));
    EXPECT_EQ(shapeOf(2).levelBlocks, (Division{1, 3, 1}));
    EXPECT_EQ(config::ModelConfig(shapeOf(4)), config.model) << "the whole model is that of the settings";
    using Ranges = std::vector<shapes::PartRange>;
    EXPECT_EQ(plan->stages[1].trainable, (Ranges{{"in_conv"}, {"downsamples", 0, 1}, {"upsamples", 0, 1}, {"out_conv"}}));
    EXPECT_EQ(plan->stages[2].trainable, (Ranges{{"downsamples", 1, 2}, {"upsamples", 1, 2}}));
    EXPECT_EQ(plan->stages[3].trainable, (Ranges{{"downsamples", 2, 3}, {"middle"}, {"upsamples", 2, 3}}));
    EXPECT_EQ(sourceOf(plan->stages[2], "downsamples", 1).from, From::Fresh);
    EXPECT_EQ(sourceOf(plan->stages[2], "embed", 0).which, "meta");
    EXPECT_EQ(sourceOf(plan->stages[2], "upsamples", 2).which, "meta");
    const auto& whole = plan->stages.back();
    EXPECT_EQ(sourceOf(whole, "out_conv", 0).which, "module-0");
    EXPECT_EQ(sourceOf(whole, "middle", 0).which, "module-2");
    EXPECT_EQ(sourceOf(whole, "upsamples", 1).which, "module-1");
    EXPECT_EQ(sourceOf(whole, "upsamples", 1).range, (shapes::PartRange{"upsamples", 1, 2}));
    EXPECT_EQ(sourceOf(whole, "embed", 0).which, "module-0") << "which has it from the meta model, as all of them";
    EXPECT_LT(forecast(plan->stages[2]).trained, forecast(plan->stages[2]).parameters);
    EXPECT_EQ(forecast(plan->stages[1]).trained + forecast(plan->stages[2]).trained + forecast(plan->stages[3]).trained +
                  parametersIn(whole.shape, {"embed"}),
              forecast(whole).parameters);

    // What a checkpoint carries is a configuration by itself, and a plan whose modules are no levels is refused.
    for (const auto& stage : plan->stages)
        EXPECT_TRUE(config::read(config::write(configOf(config, stage)))) << stage.id;
    plan->stages[2].division = {3, 1, 1};
    const auto broken = check(*plan);
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().message.find("its modules are not the levels"), std::string::npos) << broken.error().message;
}

TEST(Assembled, LevelsMayDiffer)
{
    auto config = vit({.metaBlocks = 2, .pt = {.steps = 1, .drop = 0.3}, .mt = {.steps = 1}, .ft = {.steps = 1}});
    config.model = config::UNetConfig{.hidChannels = 32, .chMultipliers = {1, 2}, .levelBlocks = {1, 4}, .applyAttn = {false, true}};
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->stages[1].division, (Division{1, 2})) << "a module may be smaller than that of the meta model";
    EXPECT_EQ(plan->stages[2].division, (Division{2, 4}));
    EXPECT_EQ(plan->stages[3].shape.model, config.model);
    EXPECT_EQ(std::get<config::UNetConfig>(plan->stages[0].shape.model).dropRate, 0.3);
}

TEST(Assembled, AShareOfTheImagesMakesShorterEpochs)
{
    auto config = vit({.pt = {.epochs = 2}, .mt = {.epochs = 3, .dataShare = 0.25}, .ft = {.epochs = 1}});
    config.training.steps = 0;
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(*plan->stages[0].length.images, 2000);
    EXPECT_EQ(*plan->stages[1].length.images, 3 * 248) << "31 whole batches of 250 images";
    EXPECT_EQ(imagesOf(plan->stages[1], 1000), 250);
    EXPECT_EQ(imagesOf(plan->stages[5], 1000), 1000);
    const auto few = begun(config, 20);
    ASSERT_FALSE(few);
    EXPECT_NE(few.error().message.find("more than the 5 training images of stage module-0"), std::string::npos) << few.error().message;
}

TEST(Assembled, WhatAPhaseHasOfItsOwnIsLaidOverTheRun)
{
    auto config = vit({.ft = {.steps = 5,
                              .batchSize = 16,
                              .microBatch = 4,
                              .learningRate = 0.5,
                              .warmupSteps = 0,
                              .warmupEpochs = 0,
                              .drop = 0.6,
                              .gradNorm = 1.0}});
    auto& schedule = std::get<config::AssembledSchedule>(config.schedule);
    schedule.pt.steps = schedule.mt.steps = 5;
    schedule.pt.drop = 0.0;
    config.training.warmupSteps = 7;
    config.training.gradNorm = 0.0;
    config.training.weightDecayOn = config::DecayOn::Matrices;
    config.recipe.strict = true;
    const auto plan = begun(config);
    ASSERT_TRUE(plan) << plan.error().message;
    const auto first = configOf(config, plan->stages.front()), module = configOf(config, plan->stages[1]),
               last = configOf(config, plan->stages.back());
    EXPECT_EQ(first.training.warmupSteps, 7);
    EXPECT_EQ(std::get<config::VitConfig>(first.model).dropPath, 0.0);
    EXPECT_EQ(std::get<config::VitConfig>(module.model).dropPath, 0.2) << "that of the model";
    EXPECT_EQ(last.training.warmupSteps, 0);
    EXPECT_EQ(last.training.batchSize, 16);
    EXPECT_EQ(last.training.microBatch, 4);
    EXPECT_EQ(last.training.gradNorm, 1.0);
    for (const auto& stage : plan->stages) {
        const auto alone = config::read(config::write(configOf(config, stage)));
        ASSERT_TRUE(alone) << alone.error().message;
        EXPECT_EQ(alone->training.steps, 5) << "what a checkpoint carries is a configuration by itself";
    }
    EXPECT_EQ(last.training.learningRate, 0.5 * config.training.learningRate);
    // The published optimizer of module 0 sees no exceptions.
    EXPECT_EQ(module.training.weightDecayOn, config::DecayOn::Tables);
    EXPECT_EQ(configOf(config, plan->stages[2]).training.weightDecayOn, config::DecayOn::Matrices);
    EXPECT_EQ(last.training.weightDecayOn, config::DecayOn::Matrices);
}

TEST(AssembledGolden, PresetsHoldThePublishedRecipe)
{
    const auto file = tests::goldenFolder() / "assembling/structure.json";
    ESPALIER_NEED_GOLDEN(file);
    const auto golden = Json::parse(*readFile(file, 64 << 20));
    const auto& recipe = golden.at("recipe");
    for (const auto& [preset, tag] : {std::pair{"vit-b-assembled", "base"}, {"vit-l-assembled", "large"}, {"vit-h-assembled", "huge"}}) {
        SCOPED_TRACE(preset);
        if (!golden.at("models").contains(tag))
            continue;
        auto overlay = config::findPreset(preset)->overlay;
        overlay["data"]["path"] = "/images";
        const auto config = config::read(overlay);
        ASSERT_TRUE(config) << config.error().message;
        const auto plan = begun(*config, 1281167);
        ASSERT_TRUE(plan) << plan.error().message;
        const auto& model = golden.at("models").at(tag);
        for (const auto& stage : plan->stages) {
            SCOPED_TRACE(stage.id);
            const std::string phase = stage.id == "meta" ? "PT" : stage.id == "assembled" ? "FT" : "MT";
            const auto& shape = model.at(phase == "MT" ? "MT_" + std::to_string(stage.module) : phase);
            EXPECT_EQ(stage.division, shape.at("divided_depths").get<Division>());
            const auto cost = forecast(stage);
            EXPECT_EQ(cost.parameters, shape.at("parameters"));
            EXPECT_EQ(cost.trained, shape.value("trained", shape.at("parameters").get<std::int64_t>()));
            EXPECT_NEAR(std::get<config::VitConfig>(stage.shape.model).dropPath, shape.at("drop_path_rates").back().get<double>(), 1e-7);
            const auto& wanted = recipe.at(phase);
            const auto own = configOf(*config, stage);
            EXPECT_EQ(*cost.steps, wanted.at("epochs").get<std::int64_t>() * wanted.at("imagenet_steps_per_epoch").get<std::int64_t>());
            EXPECT_EQ(own.training.microBatch, wanted.at("batch_size"));
            EXPECT_EQ(own.data.augment.mixGroup, wanted.at("batch_size"));
            EXPECT_EQ(own.training.batchSize, wanted.at("batch_size").get<std::int64_t>() * wanted.at("update_freq").get<std::int64_t>() *
                                                  wanted.at("gpus").get<std::int64_t>());
            EXPECT_EQ(own.training.warmupEpochs, wanted.at("warmup_epochs"));
            EXPECT_EQ(own.training.gradNorm, wanted.at("clip_grad").is_null() ? 0.0 : wanted.at("clip_grad").get<double>());
        }
        const auto& common = recipe.at("common");
        EXPECT_EQ(config->training.learningRate, common.at("lr"));
        EXPECT_EQ(config->training.learningRateBatch, common.at("lr_divisor"));
        EXPECT_EQ(config->training.weightDecay, common.at("weight_decay"));
        EXPECT_EQ(config->training.warmupLearningRate, common.at("warmup_lr"));
        EXPECT_EQ(config->training.minLearningRate, common.at("min_lr"));
        EXPECT_TRUE(config->training.ema.decays.empty());
    }
}

} // namespace

TEST(SideBySide, BranchesOpenWhenWhatTheyComeFromHasEnded)
{
    const auto config = vit();
    auto plan = *begun(config);
    EXPECT_TRUE(openBranches(plan).empty());
    plan.ledger.push_back(stageFinished("meta", {.steps = 10}));
    ASSERT_EQ(openBranches(plan).size(), 4u);
    plan.ledger.push_back(*measurementFromJson(toJson(stageFinished("module-1", {.steps = 20, .flops = 1.5}))));
    EXPECT_EQ(endOf(plan, "module-1")->flops, 1.5);
    ASSERT_EQ(openBranches(plan).size(), 3u);
    EXPECT_EQ(openBranches(plan)[1].branch, "module-2");
    EXPECT_FALSE(measurementFromJson(Json{{"id", 5}}));
    EXPECT_FALSE(measurementFromJson(Json()));
}

TEST(SideBySide, TakesAsLongAsTheFullestPlace)
{
    auto config = vit();
    auto plan = *begun(config);
    const std::vector<std::optional<double>> flops{8.0, 3.0, 2.0, 2.0, 1.0, 4.0}; // meta, four modules, the whole
    const auto on = [&](std::int64_t devices) { return *sideBySide(plan, config, devices, flops); };
    EXPECT_EQ(on(1).places, 1);
    EXPECT_DOUBLE_EQ(on(1).wallFlops, 20.0) << "in turn";
    EXPECT_DOUBLE_EQ(on(1).deviceFlops, 20.0);
    EXPECT_EQ(on(2).places, 2);
    EXPECT_DOUBLE_EQ(on(2).wallFlops, 4.0 + 4.0 + 2.0) << "3 and 1 beside 2 and 2";
    EXPECT_EQ(on(8).places, 4);
    EXPECT_DOUBLE_EQ(on(8).wallFlops, 1.0 + 3.0 + 0.5);
    EXPECT_DOUBLE_EQ(on(8).deviceFlops, 20.0) << "device time stays the sum";
    EXPECT_FALSE(on(2).wallSeconds);
    plan.ledger.push_back(stageFinished("meta", {.steps = 10, .seconds = 5.0, .flops = 8.0}));
    EXPECT_DOUBLE_EQ(*on(2).wallSeconds, 10.0 / (8.0 / (5.0 * 2)));
    auto& schedule = std::get<config::AssembledSchedule>(config.schedule);
    schedule.atOnce = 1;
    EXPECT_DOUBLE_EQ(on(2).wallFlops, 4.0 + 8.0 + 2.0);
    schedule.atOnce = 4; // packed: they share the devices
    EXPECT_EQ(on(2).places, 4);
    EXPECT_DOUBLE_EQ(on(2).wallFlops, 4.0 + 6.0 + 2.0);
    schedule.atOnce = 9;
    EXPECT_EQ(on(2).places, 4) << "no more than there are";
    EXPECT_FALSE(sideBySide(plan, config, 2, {1.0}));
    auto open = flops;
    open[2].reset();
    EXPECT_FALSE(sideBySide(plan, config, 2, open));
    config.schedule = config::PlainSchedule{};
    EXPECT_FALSE(sideBySide(*begun(config), config, 2, {1.0}));
}

} // namespace espalier::plan
