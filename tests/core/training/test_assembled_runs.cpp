// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/ranks_run.h"

#include "core/plan/assembled.h"
#include "core/plan/module_source.h"
#include "core/runs/follower.h"
#include "core/runs/retention.h"

#include <torch/torch.h>

#include <functional>

namespace espalier::training {
namespace fs = std::filesystem;
namespace {

/// Two modules of two blocks each, three steps a phase: the meta model ends at step 3, modules at 6, the whole model at 9.
config::RunConfig tinyAssembled(config::AssembledSchedule schedule = {})
{
    auto config = tinyConfig(0);
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10, .dropPath = 0.1};
    config.training.warmupSteps = 1;
    config.training.ema.decays = {0.9};
    schedule.modules = 2;
    for (auto* phase : {&schedule.pt, &schedule.mt, &schedule.ft})
        phase->steps = 3;
    config.schedule = std::move(schedule);
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 1000;
    return config;
}

plan::Plan planOf(const runs::RunFolder& folder)
{
    const auto text = readFile(folder.planFile(), 1 << 20);
    EXPECT_TRUE(text);
    auto plan = plan::planFromText(*text);
    EXPECT_TRUE(plan) << plan.error().message;
    return *plan;
}

tensors::TensorMap weightsOf(const runs::RunFolder& folder, std::int64_t step, const std::string& which = "raw")
{
    auto weights = tensors::readWeights(folder.checkpointFolder(step), which);
    EXPECT_TRUE(weights) << weights.error().message;
    return weights ? *weights : tensors::TensorMap();
}

/// The tensor that `name` of the whole model was in a network of two modules where module k begins at `begin`.
std::string nameInside(const std::string& name, std::size_t module, std::int64_t begin)
{
    if (!name.starts_with("blocks."))
        return name;
    const auto dot = name.find('.', 7);
    const auto block = std::stoll(name.substr(7, dot - 7));
    return "blocks." + std::to_string(block - static_cast<std::int64_t>(2 * module) + begin) + name.substr(dot);
}

/// The module of two that a parameter of the whole model belongs to.
std::size_t moduleOf(const std::string& name)
{
    if (name.starts_with("blocks."))
        return std::stoll(name.substr(7)) / 2;
    return name.starts_with("head.") || name.starts_with("norm.") ? 1 : 0;
}

} // namespace

class AssembledRun : public TinyRun {};

TEST_F(AssembledRun, TrainsAMetaModelModulesInsideItAndAllOfThemTogether)
{
    auto config = tinyAssembled();
    std::get<config::AssembledSchedule>(config.schedule).ft.learningRate = 0.0; // so that it is still what it was made of
    const auto folder = trained("whole", config);
    const auto plan = planOf(folder);
    EXPECT_EQ(plan.ledger.size(), 4u);
    EXPECT_EQ(plan::endOf(plan, "module-1")->steps, 6);
    EXPECT_EQ(plan::endOf(plan, "assembled")->steps, 9);
    const auto meta = weightsOf(folder, 3), whole = weightsOf(folder, 9), averages = weightsOf(folder, 9, "ema");
    const tensors::TensorMap inside[] = {weightsOf(folder.branch("module-0"), 6), weightsOf(folder.branch("module-1"), 6)};
    for (const auto& [name, value] : whole) {
        const auto module = moduleOf(name);
        const auto& from = inside[module].at(nameInside(name, module, module == 0 ? 0 : 1));
        EXPECT_TRUE(at::equal(value, from)) << name;
        EXPECT_TRUE(at::equal(averages.at(name), from)) << name << ": averages begin anew with each phase";
    }
    // Of the meta model nothing is left, and inside it everything stayed as it was.
    const std::pair<std::size_t, std::map<std::string, std::string>> frozen[] = {
        {0, {{"blocks.2.mlp.fc1.weight", "blocks.1.mlp.fc1.weight"}, {"head.bias", "head.bias"}, {"norm.weight", "norm.weight"}}},
        {1, {{"blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight"}, {"cls_token", "cls_token"}, {"pos_embed", "pos_embed"}}}};
    for (const auto& [module, names] : frozen)
        for (const auto& [name, there] : names)
            EXPECT_TRUE(at::equal(inside[module].at(name), meta.at(there))) << module << " " << name;
    for (const auto& [name, value] : meta)
        EXPECT_FALSE(at::equal(value, whole.at(name)) && value.numel() > 64) << name;
    const auto about = manifestOf(folder.branch("module-1"), 6).about;
    EXPECT_EQ(about["assembling"]["module"], 1);
    EXPECT_EQ(about["assembling"]["division"], (Json{1, 2}));
    // Stages are told in the run, curves lie in their branches.
    runs::RunFollower run(folder.root()), branch(folder.branch("module-0").root());
    run.poll();
    branch.poll();
    EXPECT_EQ(run.stages().size(), 4u);
    EXPECT_EQ(branch.stages().size(), 1u);
    ASSERT_NE(branch.curve(runs::tags::kLoss), nullptr);
    EXPECT_EQ(branch.curve(runs::tags::kLoss)->point(0).step, 6);
    EXPECT_EQ(run.curve(runs::tags::kLoss)->size(), 2u) << "of the meta model and of the whole one";
    // Work adds up, however it is spread.
    const auto flops = [&](const char* id) { return plan::endOf(plan, id)->flops; };
    EXPECT_DOUBLE_EQ(plan::beginOf(plan, plan.stages.back())->flops, flops("module-0") + flops("module-1") - flops("meta"));
    EXPECT_GT(flops("assembled"), flops("module-0") + flops("module-1") - flops("meta"));
}

TEST_F(AssembledRun, GoesOnExactlyFromEveryStepOfEveryPhase)
{
    auto config = tinyAssembled();
    std::get<config::AssembledSchedule>(config.schedule).mt.dataShare = 0.6;
    const auto straight = trained("straight", config);
    auto quiet = config;
    quiet.checkpoints.every = 0;
    int number = 0;
    const auto take = [&](const runs::RunFolder& to, const std::string& branch, std::int64_t step) {
        fs::create_directories(to.branch(branch).checkpointsFolder());
        fs::copy(straight.branch(branch).checkpointFolder(step), to.branch(branch).checkpointFolder(step), fs::copy_options::recursive);
    };
    const auto check = [&](const std::string& what, const std::function<void(const runs::RunFolder&)>& fill,
                           const std::vector<std::string>& trainedAnew) {
        SCOPED_TRACE(what);
        const auto broken = makeRun("broken" + std::to_string(number++), config);
        fs::copy_file(straight.planFile(), broken.planFile());
        fill(broken);
        const auto resumed = train(broken, quiet);
        ASSERT_TRUE(resumed) << resumed.error().message << resumed.error().detail;
        expectEqualShards(straight, broken, 9);
        std::vector<std::string> written;
        for (const auto* branch : {"module-0", "module-1"}) {
            if (fs::exists(broken.branch(branch).eventsFile()))
                written.push_back(branch);
            if (fs::exists(broken.branch(branch).checkpointFolder(6)))
                expectEqualShards(straight.branch(branch), broken.branch(branch), 6);
        }
        EXPECT_EQ(written, trainedAnew) << "what has ended is not trained again";
        EXPECT_EQ(planOf(straight).stages, planOf(broken).stages);
    };
    const std::vector<std::string> both{"module-0", "module-1"};
    check("nothing", [&](const auto&) {}, both);
    for (std::int64_t step = 1; step <= 3; ++step)
        check("meta " + std::to_string(step), [&](const auto& to) { take(to, "", step); }, both);
    for (std::int64_t step = 4; step <= 6; ++step) {
        check(
            "module 0 " + std::to_string(step), [&](const auto& to) { take(to, "", 3), take(to, "module-0", step); },
            step == 6 ? std::vector<std::string>{"module-1"} : both);
        check(
            "module 1 " + std::to_string(step),
            [&](const auto& to) { take(to, "", 3), take(to, "module-0", 6), take(to, "module-1", step); },
            step == 6 ? std::vector<std::string>{} : std::vector<std::string>{"module-1"});
    }
    for (std::int64_t step = 7; step <= 8; ++step) // what the whole model was made of is needed no more
        check("whole " + std::to_string(step), [&](const auto& to) { take(to, "", step); }, {});
}

TEST_F(AssembledRun, AModuleThatWasBegunGoesOnThoughAnotherIsNotDone)
{
    const auto config = tinyAssembled();
    const auto straight = trained("straight", config);
    // Module 1 was trained before module 0, as on another machine.
    const auto mixed = makeRun("mixed", config);
    auto plan = planOf(straight);
    std::erase_if(plan.ledger, [](const auto& each) { return each.id == "module-0" || each.id == "assembled"; });
    ASSERT_TRUE(writeFileAtomically(mixed.planFile(), plan::toJson(plan).dump()));
    for (const auto& [branch, step] : {std::pair{"", 3}, {"module-1", 6}}) {
        fs::create_directories(mixed.branch(branch).checkpointsFolder());
        fs::copy(straight.branch(branch).checkpointFolder(step), mixed.branch(branch).checkpointFolder(step), fs::copy_options::recursive);
    }
    const auto ended = train(mixed, config);
    ASSERT_TRUE(ended) << ended.error().message;
    expectEqualShards(straight, mixed, 9);
    EXPECT_FALSE(fs::exists(mixed.branch("module-1").eventsFile()));
}

TEST_F(AssembledRun, IsJoinedFromRunsOfItsModules)
{
    const auto meta = trained("meta", tinyAssembled({.phase = config::Phases::Meta}));
    std::string files;
    std::vector<runs::RunFolder> modules;
    for (const std::int64_t k : {0, 1}) {
        modules.push_back(trained("module" + std::to_string(k),
                                  tinyAssembled({.phase = config::Phases::Modules, .module = k, .metaFrom = meta.root().string()})));
        EXPECT_TRUE(fs::exists(modules.back().checkpointFolder(3)) && !fs::exists(modules.back().branchesFolder()));
        files += (k == 0 ? "" : ";") + modules.back().root().string();
    }
    auto last = tinyAssembled({.phase = config::Phases::Assembled, .moduleFiles = files});
    std::get<config::AssembledSchedule>(last.schedule).ft.learningRate = 0.0;
    const auto whole = weightsOf(trained("whole", last), 3);
    for (const auto& [name, value] : whole) {
        const auto module = moduleOf(name);
        EXPECT_TRUE(at::equal(value, weightsOf(modules[module], 3).at(nameInside(name, module, module == 0 ? 0 : 1)))) << name;
    }
    // One of them trained here, the other taken from there; and a whole run as the source of a module.
    auto mixed = tinyAssembled({.metaFrom = meta.root().string(), .moduleFiles = ";" + modules[1].root().string()});
    std::get<config::AssembledSchedule>(mixed.schedule).ft.learningRate = 0.0;
    const auto swapped = trained("swapped", mixed);
    EXPECT_TRUE(at::equal(weightsOf(swapped, 6).at("head.weight"), whole.at("head.weight")));
    EXPECT_FALSE(fs::exists(swapped.branch("module-1").root()));
    auto again =
        tinyAssembled({.phase = config::Phases::Assembled, .moduleFiles = swapped.root().string() + ";" + modules[1].root().string()});
    std::get<config::AssembledSchedule>(again.schedule).ft.learningRate = 0.0;
    EXPECT_TRUE(at::equal(weightsOf(trained("again", again), 3).at("blocks.1.attn.qkv.weight"),
                          weightsOf(swapped.branch("module-0"), 3).at("blocks.1.attn.qkv.weight")));
}

TEST_F(AssembledRun, WhatDoesNotBelongIsRefusedByName)
{
    const auto meta = trained("meta", tinyAssembled({.phase = config::Phases::Meta}));
    const auto one = trained("one", tinyAssembled({.phase = config::Phases::Modules, .module = 1, .metaFrom = meta.root().string()}));
    const auto files = one.root().string() + ";" + one.root().string();
    EXPECT_NE(refusal("order", tinyAssembled({.phase = config::Phases::Assembled, .moduleFiles = files})).find("has no stage module-0"),
              std::string::npos);
    const auto at = one.checkpointFolder(3).string();
    const auto order = refusal("place", tinyAssembled({.phase = config::Phases::Assembled, .moduleFiles = at + ";" + at}));
    EXPECT_NE(order.find("cannot be module 0: it is module 1"), std::string::npos) << order;
    auto wide = tinyAssembled({.phase = config::Phases::Modules, .metaFrom = meta.root().string()});
    std::get<config::VitConfig>(wide.model).hiddenSize = 64;
    const auto width = refusal("wide", wide);
    EXPECT_NE(width.find("schedule.meta_from"), std::string::npos) << width;
    EXPECT_NE(width.find("it is 32 wide, patches of 4, and the model is 64 wide"), std::string::npos) << width;
    const auto division =
        refusal("deep", tinyAssembled({.metaBlocks = 2, .phase = config::Phases::Modules, .metaFrom = meta.root().string()}));
    EXPECT_NE(division.find("its modules have 1, 1 blocks, and 2, 2 are needed"), std::string::npos) << division;
    EXPECT_NE(refusal("gone", tinyAssembled({.phase = config::Phases::Modules, .metaFrom = "/nowhere"})).find("no run, checkpoint or file"),
              std::string::npos);
    // The meta model itself is no module.
    const auto itself =
        refusal("itself", tinyAssembled({.phase = config::Phases::Assembled, .moduleFiles = meta.checkpointFolder(3).string() + ";" + at}));
    EXPECT_NE(itself.find("cannot be module 0"), std::string::npos) << itself;
}

TEST_F(AssembledRun, ADitIsAssembledToo)
{
    auto config = tinyAssembled();
    config.model = config::DitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10};
    const auto folder = trained("dit", config);
    const auto meta = weightsOf(folder, 3), inside = weightsOf(folder.branch("module-0"), 6);
    EXPECT_TRUE(at::equal(meta.at("t_embedder.mlp.0.weight"), inside.at("t_embedder.mlp.0.weight")));
    EXPECT_FALSE(at::equal(meta.at("blocks.0.mlp.fc1.weight"), inside.at("blocks.0.mlp.fc1.weight")));
}

/// Branches that train apart, as worker processes of a supervisor do: each in a session of its own.
class AssembledApart : public AssembledRun {
protected:
    static Result<runs::EndedHow> trainLane(const runs::RunFolder& folder, const config::RunConfig& config, const std::string& branch,
                                            int devices = 0)
    {
        runs::WorkerLink link;
        TrainingSession::Request request{folder, config, at::kCPU, parallel::ProcessGroup::alone(), std::nullopt};
        request.branch = branch;
        request.devices = devices;
        auto session = TrainingSession::open(std::move(request), link, {});
        return session ? (*session)->run({}) : Result<runs::EndedHow>(session.error());
    }
    /// What the supervisor does with what a branch says at its end.
    static void keep(const runs::RunFolder& folder, const std::string& branch, std::int64_t step)
    {
        auto plan = planOf(folder);
        const auto manifest = manifestOf(folder.branch(branch), step);
        plan.ledger.push_back(plan::stageFinished(branch, {.steps = manifest.counters.step,
                                                           .images = manifest.counters.images,
                                                           .seconds = manifest.clock["training_seconds"],
                                                           .flops = manifest.counters.flops}));
        ASSERT_TRUE(writeFileAtomically(folder.planFile(), plan::toJson(plan).dump()));
    }
    runs::RunFolder trainedApart(const std::string& name, const config::RunConfig& config, int devices = 0)
    {
        const auto folder = makeRun(name, config);
        const auto run = trainLane(folder, config, "", devices);
        EXPECT_TRUE(run && *run == runs::EndedHow::Waits) << (run ? "" : run.error().message);
        EXPECT_FALSE(fs::exists(folder.branchesFolder()));
        for (const auto* branch : {"module-1", "module-0"}) { // in any order
            const auto before = *readFile(folder.planFile());
            const auto events = *readFile(folder.eventsFile());
            const auto module = trainLane(folder, config, branch, devices);
            EXPECT_TRUE(module && *module == runs::EndedHow::Finished) << (module ? "" : module.error().message);
            EXPECT_EQ(*readFile(folder.planFile()), before) << "it writes in its own folder alone";
            EXPECT_EQ(*readFile(folder.eventsFile()), events);
            keep(folder, branch, 6);
        }
        const auto whole = trainLane(folder, config, "", devices);
        EXPECT_TRUE(whole && *whole == runs::EndedHow::Finished) << (whole ? "" : whole.error().message);
        return folder;
    }
};

TEST_F(AssembledApart, ComeToTheSameBytesAsInTurn)
{
    const auto config = tinyAssembled();
    const auto turn = trained("turn", config), apart = trainedApart("apart", config);
    expectEqualShards(turn, apart, 9);
    for (const auto* branch : {"module-0", "module-1"}) {
        expectEqualShards(turn.branch(branch), apart.branch(branch), 6);
        runs::RunFollower follower(apart.branch(branch).root());
        follower.poll();
        EXPECT_EQ(follower.stages().size(), 1u);
        EXPECT_EQ(follower.attempt(), 1);
        EXPECT_EQ(follower.progress().ofSteps, 6) << "where it ends, on its own axis";
        EXPECT_EQ(follower.devices(), "cpu");
    }
    // One that broke off goes on in its own folder.
    fs::remove_all(apart.branch("module-1").checkpointFolder(6));
    fs::remove_all(apart.branch("module-1").checkpointFolder(5));
    auto plan = planOf(apart);
    std::erase_if(plan.ledger, [](const auto& each) { return each.id != "meta"; });
    ASSERT_TRUE(writeFileAtomically(apart.planFile(), plan::toJson(plan).dump()));
    const auto again = trainLane(apart, config, "module-1");
    ASSERT_TRUE(again) << again.error().message;
    expectEqualShards(turn.branch("module-1"), apart.branch("module-1"), 6);
    EXPECT_TRUE(fs::exists(apart.branch("module-1").scalarsFolder(2)));
}

TEST_F(AssembledApart, TakeABatchInAsManyPassesAsAllDevicesOfTheRunWould)
{
    auto config = tinyAssembled();
    const auto apart = makeRun("apart", config), other = makeRun("other", config);
    config.training.microBatch = config.training.batchSize / 2;
    const auto passes = trained("passes", config);
    config.training.microBatch = 0;
    for (const auto& [folder, devices] : {std::pair{apart, 2}, {other, 0}}) {
        fs::create_directories(folder.checkpointsFolder());
        fs::copy(passes.checkpointFolder(3), folder.checkpointFolder(3), fs::copy_options::recursive);
        auto plan = planOf(passes);
        std::erase_if(plan.ledger, [](const auto& each) { return each.id != "meta"; });
        ASSERT_TRUE(writeFileAtomically(folder.planFile(), plan::toJson(plan).dump()));
        const auto module = trainLane(folder, config, "module-0", devices);
        ASSERT_TRUE(module) << module.error().message;
    }
    expectEqualShards(passes.branch("module-0"), apart.branch("module-0"), 6);
    EXPECT_NE(manifestOf(passes.branch("module-0"), 6).files.front().sha256, manifestOf(other.branch("module-0"), 6).files.front().sha256);
}

class AssembledRanks : public RanksRun {};

TEST_F(AssembledRanks, TrainTheSameGraph)
{
    const auto config = tinyAssembled();
    const auto folder = makeRun("ranks", config);
    tests::onRanks(2, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
        at::set_num_threads(1);
        const auto ended = train(folder, config, group);
        return ended ? "" : ended.error().message + " " + ended.error().detail;
    });
    EXPECT_TRUE(fs::exists(folder.checkpointFolder(9)));
    EXPECT_TRUE(fs::exists(folder.branch("module-1").checkpointFolder(6)));
}

} // namespace espalier::training
