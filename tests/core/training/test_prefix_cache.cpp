// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/models/pixels.h"
#include "core/plan/forecast.h"
#include "core/plan/strategy.h"
#include "core/runs/follower.h"
#include "core/runs/scalars.h"
#include "core/training/prefix_cache.h"
#include "tests/core/tensors/tensor_support.h"
#include "tests/core/training/ranks_run.h"

#include <torch/torch.h>

namespace espalier::training {
namespace fs = std::filesystem;
namespace {

/// A ViT of which the last two blocks train, then the head alone; images are mirrored at times.
config::RunConfig frozenVit(std::int64_t steps, const std::string& trainable = "blocks:2-3+head;head")
{
    auto config = tinyConfig(steps);
    config.data.gardenTrain = 11;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 4, .numHeads = 2, .numClasses = 10};
    config.schedule = config::StagesSchedule{.stages = 2, .trainable = trainable};
    config.training.warmupSteps = 0;
    config.training.learningRate = 1e-3;
    config.training.reportEvery = 1;
    config.evaluation.images = 40;
    return config;
}

config::RunConfig without(config::RunConfig config)
{
    config.training.prefixCache = 0;
    return config;
}

/// Images of the garden, of which one cannot be read.
class OneBroken final : public data::Dataset {
public:
    OneBroken(std::shared_ptr<const data::Dataset> all, std::int64_t broken) : m_all(std::move(all)), m_broken(broken) {}
    std::int64_t size() const override { return m_all->size(); }
    int side() const override { return m_all->side(); }
    const std::vector<std::string>& classNames() const override { return m_all->classNames(); }
    std::int32_t label(std::int64_t index) const override { return m_all->label(index); }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        if (index == m_broken)
            return Error{ErrorCode::Format, "This image ends early.", {}};
        return m_all->read(index, hwc, label);
    }
    std::string nameOf(std::int64_t index) const override { return m_all->nameOf(index); }
    std::string description() const override { return m_all->description(); }
    std::string fingerprint() const override { return m_all->fingerprint(); }

private:
    std::shared_ptr<const data::Dataset> m_all;
    std::int64_t m_broken;
};

/// What a stage would train with.
struct Frozen {
    config::RunConfig config;
    plan::Prefix prefix;
    std::shared_ptr<const data::Dataset> images;
    Trainee trainee;

    Frozen(std::int64_t count, std::int64_t broken = -1) : config(frozenVit(1'000'000))
    {
        config.data.gardenTrain = count;
        const auto plan = plan::makeStrategy(config, {count})->begin();
        EXPECT_TRUE(plan) << plan.error().message;
        prefix = plan::prefixOf(config, plan->stages.front(), count);
        images = std::make_shared<OneBroken>(*data::open(config.data, data::Split::Train, {}, {}), broken);
        trainee = *makeTrainee(config, at::kCPU);
    }
    std::shared_ptr<const data::LatentSet> kept(const std::shared_ptr<parallel::ProcessGroup>& group, const Log& log = {}) const
    {
        runs::WorkerLink link;
        auto set = computePrefix({config, prefix, *images, *trainee.model, at::kCPU, *group, link, 0, log});
        EXPECT_TRUE(set) << set.error().message;
        return *set;
    }
    std::vector<float> valuesOf(const data::LatentSet& set, std::int64_t index, bool mirrored) const
    {
        std::vector<float> values(static_cast<std::size_t>(set.layout().values()));
        std::int32_t label = -1;
        EXPECT_TRUE(set.readLatents(index, mirrored, values, label));
        EXPECT_EQ(label, images->label(index));
        return values;
    }
    at::Tensor computed(std::int64_t index, bool mirrored) const
    {
        const at::NoGradGuard noGrad;
        auto bytes = at::empty({1, 16, 16, 3}, at::kByte);
        std::int32_t label = 0;
        EXPECT_TRUE(images->read(index, {bytes.data_ptr<std::uint8_t>(), 16 * 16 * 3}, label));
        auto seen = at::empty({1, 3, 16, 16});
        models::PixelReader(config.model, at::kCPU).read(mirrored ? bytes.flip(2) : bytes, seen);
        tensors::Path path;
        path.until = prefix.blocks;
        return trainee.model->forward({seen, {}, {}, {}}, path, {}).flatten();
    }
};

std::string logOf(const runs::RunFolder& folder)
{
    const auto text = readFile(folder.logFile(), 1 << 20);
    return text ? *text : "";
}

} // namespace

TEST(PrefixCache, HoldsEveryImageAndItsMirrorImage)
{
    at::set_num_threads(1);
    const Frozen frozen(40, 5); // one group, and a second that is filled up
    std::string said;
    const auto set = frozen.kept(parallel::ProcessGroup::alone(), [&](LogLevel, std::string_view text) { said += text; });
    EXPECT_EQ(set->layout().values(), 17 * 32);
    EXPECT_EQ(set->layout().bytes() * 2 * 40, frozen.prefix.bytes);
    for (const std::int64_t index : {0, 4, 31, 32, 39})
        for (const bool mirrored : {false, true}) // in a batch of another size, so that it is rounded otherwise
            tests::expectClose(at::tensor(frozen.valuesOf(*set, index, mirrored)), frozen.computed(index, mirrored), 1e-5, 1e-5,
                               std::to_string(index));
    std::vector<float> values(17 * 32);
    std::int32_t label = 0;
    EXPECT_EQ(set->readLatents(5, false, values, label).error().code, ErrorCode::Format);
    EXPECT_NE(said.find("is passed over: This image ends early."), std::string::npos) << said;
}

TEST(PrefixCache, RanksShareTheWorkAndHoldTheSameBits)
{
    const std::int64_t count = 2 * 16 * kPrefixGroup + 40; // three shards on two ranks
    tests::onRanks(2, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
        at::set_num_threads(1);
        const Frozen frozen(count, 600);
        const auto shared = frozen.kept(group), own = frozen.kept(parallel::ProcessGroup::alone());
        for (std::int64_t index = 0; index < count; ++index)
            if (index != 600 && frozen.valuesOf(*shared, index, index % 2 == 0) != frozen.valuesOf(*own, index, index % 2 == 0))
                return "Image " + std::to_string(index) + " is another on rank " + std::to_string(group->rank());
        std::vector<float> values(17 * 32);
        std::int32_t label = 0;
        return shared->readLatents(600, false, values, label) ? "All ranks know of an image that cannot be read." : "";
    });
}

class PrefixRun : public TinyRun {
protected:
    /// Trains with what is kept and without, and compares the losses of `steps` steps.
    void trainsAlike(const runs::RunFolder& with, const runs::RunFolder& plain, const config::RunConfig& config, std::size_t steps,
                     double relative, double absolute)
    {
        for (const auto& [folder, how] : {std::pair{with, config}, std::pair{plain, without(config)}}) {
            const auto ended = train(folder, how);
            ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
        }
        runs::RunFollower left(with.root()), right(plain.root());
        left.poll(), right.poll();
        const auto *a = left.curve(runs::tags::kLoss), *b = right.curve(runs::tags::kLoss);
        ASSERT_TRUE(a && b);
        ASSERT_EQ(a->size(), steps);
        ASSERT_EQ(b->size(), steps);
        for (std::size_t i = 0; i < steps; ++i)
            EXPECT_NEAR(a->point(i).value, b->point(i).value, relative * b->point(i).value + absolute) << "step " << a->point(i).step;
    }
};

TEST_F(PrefixRun, TrainsAsWithoutAndCostsLess)
{
    const auto config = frozenVit(24);
    const auto with = makeRun("with", config), plain = makeRun("plain", without(config));
    ASSERT_NO_FATAL_FAILURE(trainsAlike(with, plain, config, 24, 1e-6, 1e-6));
    const auto trained = *tensors::readWeights(with.checkpointFolder(24), "raw"),
               wanted = *tensors::readWeights(plain.checkpointFolder(24), "raw");
    for (const auto& [name, value] : wanted)
        EXPECT_TRUE(at::allclose(value, trained.at(name), 1e-3, 1e-5)) << name; // Adam divides small differences by small numbers
    // Each stage fills anew: after two blocks, then after all four.
    const auto log = logOf(with);
    EXPECT_NE(log.find("Kept: the output of the first 2 frozen blocks for 11 images and their mirror images, 47.9 kB of memory"),
              std::string::npos)
        << log;
    EXPECT_NE(log.find("Kept: the output of the first 4 frozen blocks for 11 images and their mirror images, 2.8 kB of memory"),
              std::string::npos)
        << log;
    EXPECT_NE(logOf(plain).find("Not kept: the output of the first 2 frozen blocks. training.prefix_cache is 0."), std::string::npos);
    // The steps and the filling are both counted.
    const auto plan = plan::makeStrategy(config, {11})->begin();
    ASSERT_TRUE(plan) << plan.error().message;
    double flops = 0.0;
    for (const auto& stage : plan->stages)
        flops += *plan::forecast(stage, 0.0, plan::prefixOf(config, stage, 11)).flops;
    EXPECT_NEAR(manifestOf(with, 24).counters.flops, flops, 1e-9 * flops);
    EXPECT_LT(manifestOf(with, 24).counters.flops, 0.75 * manifestOf(plain, 24).counters.flops);
}

TEST_F(PrefixRun, BlocksInHalfPrecisionAreKeptUnrounded)
{
    auto config = frozenVit(8);
    config.training.precision = config::Precision::Bf16;
    // A product in bfloat16 rounds at 2^-9, and in other batches otherwise.
    trainsAlike(makeRun("with", config), makeRun("plain", without(config)), config, 8, 0.0, 2e-3);
}

TEST_F(PrefixRun, IsNotUsedWithAugmentationAndSaysWhy)
{
    auto config = frozenVit(8);
    config.data.augment.crop = config::RandomCrop::Padded;
    const auto folder = makeRun("augmented", config);
    ASSERT_TRUE(train(folder, config));
    const auto log = logOf(folder);
    EXPECT_NE(log.find("Not kept: the output of the first 2 frozen blocks. data.augment.crop cuts images anew in every epoch."),
              std::string::npos)
        << log;
    EXPECT_EQ(log.find("Kept:"), std::string::npos);
    const auto other = makeRun("other", without(config));
    ASSERT_TRUE(train(other, without(config)));
    expectEqualShards(folder, other, 8);
}

TEST_F(PrefixRun, GoesOnExactlyFromEveryStep)
{
    auto config = frozenVit(8);
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 100;
    const auto straight = makeRun("straight", config);
    ASSERT_TRUE(train(straight, config));
    goesOnFromEveryStep(straight, config, 8); // counters too: what is computed again is counted once
}

TEST_F(PrefixRun, LeavesWhileFillingWhenAsked)
{
    const auto config = frozenVit(8);
    const auto run = makeRun("run", config), straight = makeRun("straight", config);
    runs::WorkerLink link;
    link.requestStop();
    const auto ended = train(run, config, parallel::ProcessGroup::alone(), &link);
    ASSERT_TRUE(ended) << ended.error().message;
    EXPECT_EQ(*ended, runs::EndedHow::Stopped);
    EXPECT_FALSE(fs::exists(run.checkpointFolder(0)));
    ASSERT_TRUE(train(run, config));
    ASSERT_TRUE(train(straight, config));
    expectEqualShards(straight, run, 8);
}

class PrefixRanks : public RanksRun {};

TEST_F(PrefixRanks, TwoAndThreeTrainLikeOne)
{
    auto config = frozenVit(3, "head;blocks:2-3+head");
    config.training.batchSize = config.data.gardenTrain = 600; // two shards, which the first stage sees once: it keeps nothing
    config.data.flip = false;
    expectTheSame(config);
}

} // namespace espalier::training
