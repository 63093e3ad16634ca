// SPDX-License-Identifier: Apache-2.0
// A U-Net assembled from its levels, and averages in place of the weights that go on.
#include "tests/core/training/tiny_run.h"

#include "core/base/files.h"
#include "core/plan/assembled.h"

#include <ATen/ATen.h>

namespace espalier::training {
namespace fs = std::filesystem;
namespace {

/// Two levels of two blocks; three steps a phase: the meta model ends at step 3, modules at 6, the whole model at 9.
config::RunConfig tinyLevels(config::AssembledSchedule schedule = {})
{
    auto config = tinyConfig(0);
    config.model = config::UNetConfig{
        .hidChannels = 32, .chMultipliers = {1, 2}, .numResBlocks = 2, .applyAttn = {false, true}, .dropRate = 0.1, .numClasses = 10};
    config.training.warmupSteps = 1;
    config.training.ema.decays = {0.9};
    for (auto* phase : {&schedule.pt, &schedule.mt, &schedule.ft})
        phase->steps = 3;
    config.schedule = std::move(schedule);
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 1000;
    return config;
}

config::AssembledSchedule& phasesOf(config::RunConfig& config)
{
    return std::get<config::AssembledSchedule>(config.schedule);
}

tensors::TensorMap tensorsAt(const runs::RunFolder& folder, std::int64_t step, const std::string& which = "raw")
{
    auto weights = tensors::readWeights(folder.checkpointFolder(step), which);
    EXPECT_TRUE(weights) << weights.error().message;
    return weights ? *weights : tensors::TensorMap();
}

/// The module of two that a parameter belongs to; -1: none, what every block listens to.
int levelOf(const std::string& name)
{
    const auto begins = [&](const char* start) { return name.starts_with(start); };
    if (begins("in_conv") || begins("out_conv") || begins("downsamples.level_0") || begins("upsamples.level_0"))
        return 0;
    return begins("middle") || begins("downsamples.level_1") || begins("upsamples.level_1") ? 1 : -1;
}

} // namespace

class AssembledUNet : public TinyRun {
protected:
    std::string module(const runs::RunFolder& meta, std::int64_t number)
    {
        return trained("module-" + std::to_string(number),
                       tinyLevels({.phase = config::Phases::Modules, .module = number, .metaFrom = meta.root().string()}))
            .root()
            .string();
    }
};

TEST_F(AssembledUNet, TrainsItsLevelsInsideAMetaModelAndAllOfThemTogether)
{
    auto config = tinyLevels();
    phasesOf(config).ft.learningRate = 0.0; // so that it is still what it was made of
    const auto folder = trained("whole", config);
    const auto meta = tensorsAt(folder, 3), whole = tensorsAt(folder, 9), averages = tensorsAt(folder, 9, "ema");
    const tensors::TensorMap inside[] = {tensorsAt(folder.branch("module-0"), 6), tensorsAt(folder.branch("module-1"), 6)};
    for (const auto& each : inside) { // a block more on the way down and one on the way up
        EXPECT_GT(each.size(), meta.size());
        EXPECT_GT(whole.size(), each.size());
    }
    for (const auto& [name, value] : whole) {
        const auto module = levelOf(name);
        const auto& from = module < 0 ? meta.at(name) : inside[module].at(name);
        EXPECT_TRUE(at::equal(value, from)) << name;
        EXPECT_TRUE(at::equal(averages.at(name), from)) << name << ": averages begin anew with each phase";
    }
    for (const int module : {0, 1})
        for (const auto& [name, value] : inside[module]) {
            const bool itsOwn = levelOf(name) == module, same = meta.contains(name) && meta.at(name).sizes() == value.sizes();
            if (!itsOwn) {
                EXPECT_TRUE(same && at::equal(value, meta.at(name))) << name << " of module " << module << " is the meta model's";
            } else if (same && value.dim() > 1) {
                EXPECT_FALSE(at::equal(value, meta.at(name))) << name << " of module " << module << " began anew";
            }
        }
    const auto about = manifestOf(folder.branch("module-1"), 6).about;
    EXPECT_EQ(about["assembling"]["module"], 1);
    EXPECT_EQ(about["assembling"]["division"], (Json{1, 2}));
    EXPECT_EQ(about["config"]["model"]["level_blocks"], (Json{1, 2}));
    EXPECT_FALSE(manifestOf(folder, 9).about["config"]["model"].contains("level_blocks"));
}

TEST_F(AssembledUNet, EveryPhaseGoesOnExactlyFromEveryStep)
{
    const auto root = m_root;
    const auto in = [&](const char* name) {
        m_root = root / name;
        fs::create_directories(m_root);
    };
    const auto phase = [&](const char* name, config::AssembledSchedule schedule) {
        SCOPED_TRACE(name);
        in(name);
        const auto config = tinyLevels(std::move(schedule));
        const auto straight = trained("straight", config);
        goesOnFromEveryStep(straight, config, 3);
        return straight.root().string();
    };
    using enum config::Phases;
    const auto meta = phase("PT", {.phase = Meta});
    const auto first = phase("MT0", {.phase = Modules, .module = 0, .metaFrom = meta});
    const auto last = phase("MT1", {.phase = Modules, .module = 1, .metaFrom = meta, .mt = {.dataShare = 0.6}});
    phase("FT", {.phase = Assembled, .moduleFiles = first + ";" + last});
    // And all in one run: inside a module, the other one done.
    in("all");
    const auto config = tinyLevels();
    const auto straight = trained("straight", config);
    auto quiet = config;
    quiet.checkpoints.every = 0;
    for (const std::int64_t step : {4, 5}) {
        SCOPED_TRACE(step);
        const auto broken = brokenOff(straight, config, 3);
        for (const auto& [branch, there] : {std::pair{"module-0", std::int64_t{6}}, {"module-1", step}}) {
            fs::create_directories(broken.branch(branch).checkpointsFolder());
            fs::copy(straight.branch(branch).checkpointFolder(there), broken.branch(branch).checkpointFolder(there),
                     fs::copy_options::recursive);
        }
        const auto resumed = train(broken, quiet);
        ASSERT_TRUE(resumed) << resumed.error().message << resumed.error().detail;
        expectEqualShards(straight, broken, 9);
        expectEqualShards(straight.branch("module-1"), broken.branch("module-1"), 6);
        EXPECT_FALSE(fs::exists(broken.branch("module-0").eventsFile())) << "what has ended is not trained again";
        fs::remove_all(broken.root());
    }
    m_root = root;
}

TEST_F(AssembledUNet, WhatDoesNotBelongIsRefusedByName)
{
    using enum config::Phases;
    const auto meta = trained("meta", tinyLevels({.phase = Meta}));
    const auto one = module(meta, 1), at = runs::RunFolder(one).checkpointFolder(3).string();
    const auto order = refusal("order", tinyLevels({.phase = Assembled, .moduleFiles = at + ";" + at}));
    EXPECT_NE(order.find("cannot be module 0: it is module 1"), std::string::npos) << order;
    const auto itself = refusal("itself", tinyLevels({.phase = Assembled, .moduleFiles = meta.checkpointFolder(3).string() + ";" + at}));
    EXPECT_NE(itself.find("cannot be module 0: its modules have 1, 1 blocks, and 2, 1 are needed"), std::string::npos) << itself;
    auto wide = tinyLevels({.phase = Modules, .metaFrom = meta.root().string()});
    std::get<config::UNetConfig>(wide.model).hidChannels = 64;
    const auto width = refusal("wide", wide);
    EXPECT_NE(width.find("schedule.meta_from"), std::string::npos) << width;
    EXPECT_NE(width.find("it is 32 channels wide, times 1, 2 in its levels, and the model is 64 channels wide"), std::string::npos)
        << width;
    auto deeper = tinyLevels({.phase = Modules, .metaFrom = meta.root().string()});
    auto& unet = std::get<config::UNetConfig>(deeper.model);
    unet.chMultipliers = {1, 2, 2};
    unet.applyAttn = {false, true, false};
    const auto levels = refusal("levels", deeper);
    EXPECT_NE(levels.find("its modules have 1, 1 blocks, and 1, 1, 1 are needed"), std::string::npos) << levels;
    auto other = tinyLevels({.phase = Modules, .metaFrom = meta.root().string()});
    std::get<config::UNetConfig>(other.model).applyAttn = {false, false};
    const auto attention = refusal("attention", other);
    EXPECT_NE(attention.find("differs from"), std::string::npos) << attention;
}

TEST_F(AssembledUNet, LevelsOfAMetaModelThatWasTrainedAsAPlainOneAreTaken)
{
    auto plain = tinyConfig(3);
    plain.model = tinyLevels().model;
    std::get<config::UNetConfig>(plain.model).numResBlocks = 1;
    const auto meta = trained("plain", plain);
    const auto run = trained("run", tinyLevels({.phase = config::Phases::Modules, .module = 0, .metaFrom = meta.root().string()}));
    EXPECT_TRUE(at::equal(tensorsAt(run, 3).at("middle.0.conv1.weight"), tensorsAt(meta, 3).at("middle.0.conv1.weight")));
}

TEST_F(AssembledUNet, AveragesGoOnWhereTheyAreNamed)
{
    const auto unet = tinyLevels({.weights = "ema:0.9"}).model;
    const config::ModelConfig vit = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10};
    struct Case {
        const char* name;
        config::ModelConfig model;
        std::int64_t modules;
        const char* ofFirst;  // a parameter of module 0
        const char* ofSecond; // one of module 1, with the same name in every network
    };
    for (const auto& [name, model, modules, ofFirst, ofSecond] : {Case{"unet", unet, 0, "in_conv.weight", "middle.0.conv1.weight"},
                                                                  Case{"vit", vit, 2, "blocks.0.mlp.fc1.weight", "head.weight"}}) {
        SCOPED_TRACE(name);
        auto config = tinyLevels({.modules = modules, .weights = "ema:0.9"});
        config.model = model;
        config.training.ema.decays = {0.1, 0.9}; // not the first one, and the other not so slow that both still warm up alike
        phasesOf(config).ft.learningRate = 0.0;
        const auto folder = trained(name, config);
        const auto first = folder.branch("module-0"), second = folder.branch("module-1");
        const auto came = [](const char* parameter, const tensors::TensorMap& to, const runs::RunFolder& from, std::int64_t step) {
            EXPECT_TRUE(at::equal(to.at(parameter), tensorsAt(from, step, "ema:0.9").at(parameter))) << parameter;
            for (const auto* other : {"raw", "ema:0.1"})
                EXPECT_FALSE(at::equal(to.at(parameter), tensorsAt(from, step, other).at(parameter))) << parameter << " " << other;
        };
        came(ofSecond, tensorsAt(first, 6), folder, 3); // the meta model around module 0
        came(ofFirst, tensorsAt(second, 6), folder, 3);
        came(ofFirst, tensorsAt(folder, 9), first, 6);
        came(ofSecond, tensorsAt(folder, 9), second, 6);
    }
}

} // namespace espalier::training
