// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/data/erasing.h"
#include "core/formats/image_enhance.h"
#include "core/formats/png.h"
#include "core/runs/confusion.h"
#include "core/runs/follower.h"
#include "core/training/batch_upload.h"
#include "core/training/classification_objective.h"
#include "tests/core/tensors/tensor_support.h"
#include "tests/core/training/ranks_run.h"

#include <torch/torch.h>

namespace espalier::training {
namespace fs = std::filesystem;
using namespace espalier::tests;
namespace {

Json recipe()
{
    return parseJson(*readFile(goldenFolder() / "vit" / "recipe.json"));
}

/// Its scores are one parameter.
class Scores final : public models::Model {
public:
    explicit Scores(const at::Tensor& values) { m_scores = register_parameter("scores", values.clone()); }
    std::string kind() const override { return "scores"; }
    models::ImageShape image() const override { return {3, 8, 8}; }
    at::Tensor forward(const tensors::Batch&, const tensors::Path&, const tensors::Draws&) override { return m_scores; }
    at::Tensor m_scores;
};

at::Tensor smoothed(const std::vector<std::int64_t>& labels, double smoothing, std::int64_t classes)
{
    auto targets = at::empty({static_cast<std::int64_t>(labels.size()), classes});
    for (std::size_t i = 0; i < labels.size(); ++i)
        data::softTarget(labels[i], labels[i], 1.0, smoothing,
                         {targets.data_ptr<float>() + i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes)});
    return targets;
}

} // namespace

TEST(ClassificationGolden, LossesAndGradientsAreThePublishedOnes)
{
    const auto file = goldenFolder() / "vit" / "recipe.safetensors";
    ESPALIER_NEED_GOLDEN(file);
    const auto golden = readGoldenTensors(file);
    const auto document = recipe();
    const auto& losses = document.at("losses");
    const auto shape = losses.at("shape").get<std::vector<std::int64_t>>();
    const auto labels = document.at("mix").at("labels").get<std::vector<std::int64_t>>();
    const std::map<std::string, at::Tensor> targets{{"soft_target", golden.at("mix.mixup.target")},
                                                    {"label_smoothing_0.1", smoothed(labels, 0.1, shape[1])},
                                                    {"label_smoothing_0.3", smoothed(labels, 0.3, shape[1])},
                                                    {"cross_entropy", {}}};
    for (const auto& [name, target] : targets) {
        Scores model(3 * inputTensor("input:logits", shape));
        ClassificationObjective objective;
        const auto terms =
            objective(model, {.x = at::zeros({4, 3, 8, 8}), .t = {}, .labels = at::tensor(labels), .targets = target}, {}, {});
        terms.loss.backward();
        EXPECT_NEAR(terms.loss.item<double>(), losses.at(name).get<double>(), 2e-6 + 1e-6 * losses.at(name).get<double>()) << name;
        EXPECT_NEAR(terms.perSample.mean().item<double>(), terms.loss.item<double>(), 1e-6) << name;
        expectClose(model.m_scores.grad(), golden.at("losses." + name + ".gradient"), 1e-6, 0, name);
    }
}

TEST(ClassificationGolden, ImagesAreMixedAsPublished)
{
    const auto file = goldenFolder() / "vit" / "recipe.safetensors";
    ESPALIER_NEED_GOLDEN(file);
    const auto golden = readGoldenTensors(file);
    const auto document = recipe();
    const auto& mix = document.at("mix");
    const auto shape = mix.at("shape").get<std::vector<std::int64_t>>();
    for (const auto& [name, wanted] : mix.at("cases").items()) {
        data::Mix how{.lambda = wanted.at("lam_drawn"), .cut = wanted.at("cutmix"), .box = {}};
        if (how.cut)
            how.box = data::cutBox(8, 8, how.lambda, wanted.at("centre_y_x")[1], wanted.at("centre_y_x")[0]);
        // Twice the images in two groups: each is mixed among itself.
        const auto one = inputTensor(mix.at("input"), shape);
        auto images = at::cat({one, one}).contiguous(at::MemoryFormat::ChannelsLast);
        mixInGroups(images, std::vector<data::Mix>{how, how});
        expectClose(images.narrow(0, 0, 4), golden.at("mix." + name + ".x"), 1e-6, 0, name); // lambda is a float there
        expectClose(images.narrow(0, 4, 4), golden.at("mix." + name + ".x"), 1e-6, 0, name + ", second group");
    }
}

TEST(BatchUpload, ErasesInTheScaleOfNormalisedImages)
{
    config::RunConfig config;
    config.seed = 5;
    config.data.augment.erase = 1.0;
    config.data.augment.labelSmoothing = 0.2;
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 8, .depth = 1, .numHeads = 1, .numClasses = 3};
    BatchUpload upload({3, 8, 8}, 3, config, 2, at::kCPU, 1);
    std::vector<std::uint8_t> bytes(2 * 8 * 8 * 3);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 7);
    std::vector<std::int32_t> labels{2, 0};
    std::vector<formats::PixelBox> erased{{1, 2, 3, 4}, {}};
    data::HostBatch batch{.images = bytes, .labels = labels, .erased = erased, .mixes = {}, .firstSlot = 6, .micro = 0, .cursor = {3, 40}};
    const auto got = upload(batch, {});
    for (std::size_t i = 0; i < 2; ++i) {
        std::vector<float> chw(8 * 8 * 3);
        formats::normalise(std::span(bytes).subspan(i * chw.size(), chw.size()), formats::kImageNetMean, formats::kImageNetDeviation, chw);
        if (i == 0)
            data::erase(chw, 8, erased[0], 5, 3, 46);
        EXPECT_TRUE(at::equal(got.x[static_cast<std::int64_t>(i)], at::tensor(chw).view({3, 8, 8}))) << i;
    }
    expectClose(got.targets, at::tensor({0.2f / 3, 0.2f / 3, 0.8f + 0.2f / 3, 0.8f + 0.2f / 3, 0.2f / 3, 0.2f / 3}).view({2, 3}), 1e-7, 0,
                "targets");
    EXPECT_TRUE(at::equal(got.labels, at::tensor({std::int64_t{2}, std::int64_t{0}})));
}

/// A ViT with everything of the recipe that draws.
config::RunConfig tinyVit(std::int64_t steps)
{
    auto config = tinyConfig(steps);
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 24, .depth = 2, .numHeads = 2, .numClasses = 10, .dropPath = 0.3};
    config.training.batchSize = 12;
    config.training.ema.decays = {0.9};
    config.data.augment.mixup = 0.8;
    config.data.augment.cutmix = 1.0;
    config.data.augment.mixGroup = 2;
    config.data.augment.erase = 0.5;
    config.data.augment.operations = 2;
    config.data.augment.labelSmoothing = 0.1;
    config.evaluation.images = 40;
    return config;
}

class VitRun : public TinyRun {};

TEST_F(VitRun, LearnsABatchByHeartAndSaysHowWell)
{
    auto config = tinyVit(80);
    config.model = config::VitConfig{.patchSize = 4, .hiddenSize = 32, .depth = 2, .numHeads = 2, .numClasses = 10};
    config.data.augment = {};
    config.data.gardenTrain = 20;
    config.data.gardenTest = 30;
    config.data.flip = false;
    config.training.batchSize = 20;
    config.training.warmupSteps = 0;
    config.training.learningRate = 3e-3;
    config.evaluation.every = 40;
    config.samples.every = 20; // a classifier draws nothing, whatever the setting says
    const auto folder = makeRun("heart", config);
    const auto ended = train(folder, config);
    ASSERT_TRUE(ended) << ended.error().message << ended.error().detail;
    runs::RunFollower follower(folder.root());
    follower.poll();
    const auto loss = follower.curve(runs::tags::kLoss);
    ASSERT_NE(loss, nullptr);
    EXPECT_NEAR(loss->point(0).value, std::log(10.0), 0.5); // an untrained network knows nothing
    EXPECT_LT(loss->last().value, 0.2);
    EXPECT_TRUE(fs::is_empty(folder.samplesFolder()));
    const auto& evaluations = follower.evaluations();
    ASSERT_EQ(evaluations.size(), 2u);
    const auto& last = evaluations.back().evaluated;
    EXPECT_EQ(last.metric, "top1");
    EXPECT_EQ(last.step, 80);
    EXPECT_NEAR(*last.floor, 10.0, 1e-9);
    EXPECT_GE(last.extra.at("top5").get<double>(), last.value);
    EXPECT_FALSE(evaluations.front().evaluated.extra.contains("confusion"));
    const auto table = runs::confusionFromCsv(*readFile(folder.root() / last.extra.at("confusion").get<std::string>()));
    ASSERT_TRUE(table) << table.error().message;
    std::int64_t all = 0, right = 0;
    for (std::size_t i = 0; i < 10; ++i)
        for (std::size_t j = 0; j < 10; ++j) {
            all += table->at(i, j);
            right += i == j ? table->at(i, j) : 0;
        }
    EXPECT_EQ(all, 30);
    EXPECT_NEAR(100.0 * static_cast<double>(right) / 30, last.value, 1e-9);
    const auto top1 = follower.curve(runs::tags::kTop1);
    ASSERT_NE(top1, nullptr);
    EXPECT_EQ(top1->last().value, last.value);
}

TEST_F(VitRun, WithoutTestImagesItTrainsAndSaysWhatIsMissing)
{
    auto config = tinyVit(2);
    config.data.source = config::DataSource::Folder;
    config.data.path = (m_root / "images").string();
    config.data.augment = {};
    config.training.batchSize = 4;
    config.evaluation.every = 1;
    std::get<config::VitConfig>(config.model).numClasses = 2;
    const std::vector<std::uint8_t> grey(16 * 16 * 3, 128);
    for (const auto* file : {"a/1.png", "a/2.png", "b/3.png", "b/4.png"}) {
        fs::create_directories((m_root / "images" / file).parent_path());
        ASSERT_TRUE(formats::writePng(m_root / "images" / file, {16, 16, 3, grey}));
    }
    const auto folder = makeRun("lonely", config);
    const auto ended = train(folder, config);
    ASSERT_TRUE(ended) << ended.error().message;
    int said = 0;
    for (const auto& event : runs::RunFollower(folder.root()).poll().events)
        if (const auto warned = runs::eventAs<runs::Warned>(event))
            said += warned->message.find("no test images") != std::string::npos ? 1 : 0;
    EXPECT_EQ(said, 2);
}

TEST_F(VitRun, GoesOnExactly)
{
    auto config = tinyVit(6), first = config;
    first.training.steps = 3;
    const auto straight = makeRun("straight", config), broken = makeRun("broken", config);
    ASSERT_TRUE(train(straight, config));
    ASSERT_TRUE(train(broken, first));
    config.evaluation.every = 3;
    ASSERT_TRUE(train(broken, config));
    expectEqualShards(straight, broken, 6);
}

class VitRanks : public RanksRun {};

TEST_F(VitRanks, TwoAndThreeTrainLikeOne)
{
    expectTheSame(tinyVit(3));
}

} // namespace espalier::training
