// SPDX-License-Identifier: Apache-2.0
#include "tests/core/data/fake_dataset.h"
#include "tests/core/models/tiny_autoencoder.h"
#include "tests/core/training/tiny_run.h"
#include "tests/support/ranks.h"

#include "core/formats/npy.h"
#include "core/generation/latent_builder.h"
#include "core/plan/search_results.h"
#include "core/runs/follower.h"
#include "core/training/latent_preparation.h"
#include "core/training/latent_upload.h"

namespace espalier::training {
namespace {

namespace fs = std::filesystem;

class LatentTraining : public TinyRun {
protected:
    void SetUp() override
    {
        TinyRun::SetUp();
        ::setenv("ESPALIER_LIBRARY", (m_root / "runs").c_str(), 1);
        tests::writeTinyAutoencoder(m_root / "vae");
    }
    void TearDown() override
    {
        TinyRun::TearDown();
        ::unsetenv("ESPALIER_LIBRARY");
    }
    /// A DiT on 2 × 2 latents of the garden.
    config::RunConfig latentConfig(std::int64_t steps) const
    {
        auto config = tinyConfig(steps);
        config.latents.enabled = true;
        config.latents.vae = (m_root / "vae").string();
        config.model =
            config::DitConfig{.patchSize = 1, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = 10, .classDropoutProb = 0.3};
        return config;
    }
    static std::string refusal(const Result<runs::EndedHow>& ended)
    {
        EXPECT_FALSE(ended);
        return ended ? "" : ended.error().message;
    }
    std::vector<fs::path> caches() const
    {
        std::vector<fs::path> found;
        std::error_code none;
        for (const auto& entry : fs::directory_iterator(m_root / "data" / "latents", none))
            found.push_back(entry.path());
        return found;
    }
};

TEST_F(LatentTraining, GoesOnExactlyAndIsDrawnFrom)
{
    auto config = latentConfig(10), first = config;
    first.training.steps = 4;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    const auto trained = train(straight, config);
    ASSERT_TRUE(trained) << trained.error().message << trained.error().detail;
    ASSERT_EQ(caches().size(), 1u); // in the data folder, for all runs
    EXPECT_TRUE(fs::exists(caches().front() / "manifest.json"));
    ASSERT_TRUE(train(broken, first));
    config.samples.every = 5;
    config.samples.count = 4;
    config.evaluation.every = 10;
    const auto ended = train(broken, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    expectEqualShards(straight, broken, 10);
    EXPECT_TRUE(fs::exists(broken.samplesFolder(0, 10) / "ema.png"));
    runs::RunFollower follower(broken.root());
    const auto changes = follower.poll();
    int evaluations = 0;
    for (const auto& event : changes.events)
        if (const auto evaluated = runs::eventAs<runs::Evaluated>(event)) {
            ++evaluations;
            EXPECT_EQ(evaluated->recipe["latents"]["decode"], "whole");
        }
    EXPECT_EQ(evaluations, 1);
    // The checkpoint says whose latents its weights draw.
    const auto about = manifestOf(broken, 10).about;
    EXPECT_EQ(about["latents"]["vae"], (m_root / "vae" / "diffusion_pytorch_model.safetensors").string());
    EXPECT_EQ(about["latents"]["encoder_sha256"].get<std::string>().size(), 64u);
}

TEST_F(LatentTraining, SeesWhatTheSettingsSay)
{
    const auto config = latentConfig(1);
    auto means = config;
    means.latents.sampled = false;
    std::vector<float> values(2 * 8 * 4);
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(i % 32 < 16 ? i : 2 * std::log(0.5)); // deviations of 0.5
    std::vector<std::int32_t> labels(2);
    const data::HostBatch batch{.images = {}, .latents = values, .labels = labels, .erased = {}, .mixes = {}};
    const auto draws = tensors::Draws::at(5, 7, 3, 2);
    const auto seen = [&](const config::RunConfig& how) {
        LatentUpload upload(how, 2, at::kCPU);
        upload.copy(batch);
        auto images = at::empty({2, 4, 2, 2});
        upload.see(images, draws);
        return images;
    };
    const auto mean = at::stack({at::arange(16), at::arange(32, 48)}).view({2, 4, 2, 2}).to(at::kFloat);
    tests::expectClose(seen(means), mean * 0.18215, 1e-6, 1e-6, "means");
    tests::expectClose(seen(config), (mean + 0.5 * draws.normal(Stream::Posterior, {4, 2, 2})) * 0.18215, 1e-6, 1e-6, "samples");
}

TEST_F(LatentTraining, RanksShareTheEncodingAndTrainLikeOne)
{
    auto config = latentConfig(3);
    config.data.gardenTrain = 600; // three shards
    config.training.optimizer = config::OptimizerKind::Sgd;
    config.training.learningRate = 0.05;
    config.training.momentum = 0.0;
    config.training.gradNorm = 0.0;
    const auto onTwo = [&](const runs::RunFolder& run) {
        tests::onRanks(2, [&](std::shared_ptr<parallel::ProcessGroup> group) -> std::string {
            at::set_num_threads(1);
            const auto ended = train(run, config, group);
            return ended ? "" : ended.error().message + " " + ended.error().detail;
        });
    };
    config.latents.when = config::EncodeWhen::Stage;
    onTwo(makeRun("late", config));
    ASSERT_EQ(caches().size(), 1u);
    fs::remove_all(m_root / "data");
    config.latents.when = config::EncodeWhen::Start;
    const auto two = makeRun("two", config);
    onTwo(two);
    ASSERT_EQ(caches().size(), 1u);
    const auto one = makeRun("one", config);
    ASSERT_TRUE(train(one, config)); // from the same cache
    const auto left = *tensors::readWeights(one.checkpointFolder(3), "raw"), right = *tensors::readWeights(two.checkpointFolder(3), "raw");
    for (const auto& [name, value] : left)
        EXPECT_TRUE(at::allclose(value, right.at(name), 1e-4, 1e-6)) << name;
}

TEST_F(LatentTraining, AnotherAutoencoderIsRefusedByName)
{
    auto config = latentConfig(2);
    const auto run = makeRun("run", config);
    ASSERT_TRUE(train(run, config));
    config.training.steps = 4;
    tests::writeOtherAutoencoder(m_root / "other", "encoder.");
    config.latents.vae = (m_root / "other").string();
    EXPECT_NE(refusal(train(run, config)).find("is not the one that these weights were trained with"), std::string::npos);
    tests::writeOtherAutoencoder(m_root / "mse", "decoder."); // other images of the same latents
    config.latents.vae = (m_root / "mse").string();
    EXPECT_TRUE(train(run, config));
    config.latents.vae = (m_root / "gone").string();
    EXPECT_NE(refusal(train(run, config)).find("latents.vae: There is no file or folder"), std::string::npos);
}

TEST_F(LatentTraining, LeavesWhileEncodingWhenAsked)
{
    auto config = latentConfig(2);
    const auto run = makeRun("run", config);
    runs::WorkerLink link;
    link.requestStop();
    const auto ended = train(run, config, parallel::ProcessGroup::alone(), &link);
    ASSERT_TRUE(ended) << ended.error().message;
    EXPECT_EQ(*ended, runs::EndedHow::Stopped);
    EXPECT_FALSE(fs::exists(run.checkpointFolder(0)));
    ASSERT_TRUE(train(run, config));
    EXPECT_TRUE(fs::exists(run.checkpointFolder(2)));
}

TEST_F(LatentTraining, EncodesEverySideBeforeTheFirstStep)
{
    auto config = latentConfig(4);
    config.schedule = config::StagesSchedule{.stages = 2, .side = {8, 16}};
    const auto begin = [&](const config::RunConfig& how, const std::string& name) { // and away before the first step
        runs::WorkerLink link;
        TrainingSession::Request request{makeRun(name, how), how, at::kCPU, parallel::ProcessGroup::alone(), std::nullopt};
        request.searchOnly = true;
        auto session = TrainingSession::open(request, link, {});
        ASSERT_TRUE(session) << session.error().message;
        ASSERT_TRUE((*session)->run({}));
        EXPECT_EQ((*session)->state().counters.step, 0);
    };
    auto late = config;
    late.latents.when = config::EncodeWhen::Stage;
    begin(late, "late");
    EXPECT_TRUE(caches().empty());
    begin(config, "early");
    ASSERT_EQ(caches().size(), 2u);
    for (const auto& cache : caches())
        EXPECT_TRUE(fs::exists(cache / "manifest.json"));
    fs::remove_all(m_root / "data");
    const auto run = makeRun("run", config);
    ASSERT_TRUE(train(run, config));
    const auto clock = manifestOf(run, 4).clock;
    EXPECT_GT(clock["encoding_seconds"].get<double>(), 0.0) << "and that is no training";
}

TEST_F(LatentTraining, WhatCannotBeEncodedLaterIsSaidBeforeTheFirstStep)
{
    auto config = latentConfig(4);
    const auto codec = *generation::LatentCodec::open(config, at::kCPU, {});
    const auto broken = std::make_shared<const tests::FakeDataset>(3, std::set<std::int64_t>{0, 1, 2});
    const auto refused = checkLatents({{config, broken, nullptr}}, *codec);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "The images that latents of 16 pixels are made of cannot be read. This image ends early.");
    const auto some = std::make_shared<const tests::FakeDataset>(3, std::set<std::int64_t>{0});
    EXPECT_TRUE(checkLatents({{config, some, nullptr}}, *codec)) << "one that is broken stops nothing";
    auto large = config;
    large.data.side = 1024; // of 2^27 images: 128 TiB
    const auto many = std::make_shared<const tests::FakeDataset>(std::int64_t{1} << 27);
    const auto full = checkLatents({{config, some, nullptr}, {large, many, nullptr}}, *codec);
    ASSERT_FALSE(full);
    EXPECT_TRUE(full.error().message.starts_with("The latents of all 2 sides of this schedule need ")) << full.error().message;
}

TEST_F(LatentTraining, AutoProgSearchesAmongSidesAndDepths)
{
    auto config = latentConfig(8);
    config.data.side = 32;
    std::get<config::DitConfig>(config.model).depth = 4;
    config.schedule = config::AutoProgSchedule{.stages = 2, .sideStart = 0.5, .depthStart = 0.5};
    config.search = {.cost = config::SearchCost::Analytic, .rounds = 1, .share = 0.75, .batches = 1, .batch = 8};
    config.checkpoints.every = 1;
    config.checkpoints.keepLast = 100;
    const auto straight = makeRun("straight", config);
    const auto ended = train(straight, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    EXPECT_EQ(caches().size(), 2u) << "16 and 32 pixels";
    const auto plan = *plan::planFromText(*readFile(straight.planFile(), 1 << 20));
    ASSERT_EQ(plan.stages.front().window.size(), 4u);
    const auto found = plan::searchResults(plan, plan.stages.front(), config);
    ASSERT_TRUE(found && found->complete);
    EXPECT_EQ(found->candidates[1].name, "r16_l4");
    EXPECT_EQ(found->candidates[3].name, "r32_l4");
    EXPECT_NE(found->candidates[1].loss, found->candidates[3].loss);
    goesOnFromEveryStep(straight, config, 8);
}

TEST_F(LatentTraining, ARehearsalEncodesNothing)
{
    const auto config = latentConfig(5);
    runs::WorkerLink link;
    auto session = TrainingSession::open({{}, config, at::kCPU, parallel::ProcessGroup::alone(), 1}, link, {});
    ASSERT_TRUE(session) << session.error().message;
    ASSERT_TRUE((*session)->run({}));
    EXPECT_TRUE(caches().empty());
}

TEST_F(LatentTraining, TakesTheFoldersOfFastDit)
{
    auto config = latentConfig(4);
    config.data.source = config::DataSource::Features;
    config.data.path = (m_root / "features").string();
    config.data.flip = false;
    for (const auto* part : {"imagenet256_features", "imagenet256_labels"})
        fs::create_directories(m_root / "features" / part);
    for (std::int64_t i = 0; i < 24; ++i) {
        const auto values = tests::goldenInput("input:" + std::to_string(i), {1, 4, 2, 2});
        auto latents = formats::npyHeaderText(formats::kNpyFloat32, std::vector<std::int64_t>{1, 4, 2, 2});
        latents.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
        const std::int64_t label = i % 10;
        auto labels = formats::npyHeaderText(formats::kNpyInt64, std::vector<std::int64_t>{1});
        labels.append(reinterpret_cast<const char*>(&label), sizeof label);
        ASSERT_TRUE(writeFileAtomically(m_root / "features" / "imagenet256_features" / (std::to_string(i) + ".npy"), latents));
        ASSERT_TRUE(writeFileAtomically(m_root / "features" / "imagenet256_labels" / (std::to_string(i) + ".npy"), labels));
    }
    auto first = config;
    first.training.steps = 2;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    const auto trained = train(straight, config);
    ASSERT_TRUE(trained) << trained.error().message << trained.error().detail;
    ASSERT_TRUE(train(broken, first));
    config.samples.every = 4;
    config.samples.count = 2;
    ASSERT_TRUE(train(broken, config));
    expectEqualShards(straight, broken, 4);
    EXPECT_TRUE(fs::exists(broken.samplesFolder(0, 4) / "ema.png"));
    EXPECT_TRUE(caches().empty());
    std::get<config::DitConfig>(config.model).numClasses = 5;
    EXPECT_NE(refusal(train(makeRun("fewer", config), config)).find("but model.num_classes is 5"), std::string::npos);
}

} // namespace
} // namespace espalier::training
