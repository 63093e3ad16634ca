// SPDX-License-Identifier: Apache-2.0
#include "core/formats/npz.h"
#include "core/runs/library.h"
#include "tests/app/worker/real_run.h"
#include "tests/support/golden.h"

#include <cmath>

namespace espalier {

/// The real worker with an Inception network whose weights are the golden fill: the numbers mean nothing, but they are numbers.
class FidRuns : public RealRuns {
protected:
    void SetUp() override
    {
        RealRuns::SetUp();
        const auto keys = tests::goldenFolder() / "metrics" / "inception_keys.json";
        ESPALIER_NEED_GOLDEN(keys);
        const auto text = readFile(keys);
        ASSERT_TRUE(text);
        std::vector<formats::SafetensorsItem> items;
        std::vector<std::vector<float>> values;
        const auto document = Json::parse(*text);
        for (const auto& key : document.at("module_state_dict")) {
            const auto name = key.at(0).get<std::string>();
            const auto shape = key.at(1).get<std::vector<std::int64_t>>();
            if (name.ends_with("num_batches_tracked"))
                continue;
            values.push_back(tests::goldenParameter(name, shape));
            if (name.ends_with("running_var")) // against dying out
                for (auto& value : values.back())
                    value *= 0.5f;
            items.push_back(formats::safetensorsItem(name, formats::DType::F32, shape, std::as_bytes(std::span(values.back()))));
        }
        ASSERT_TRUE(formats::writeSafetensors(m_weights, std::move(items), {}, Sync::No));
    }

    void writeImages(const fs::path& file, std::int64_t count, int shift) const
    {
        auto writer = formats::NpzWriter::create(file);
        ASSERT_TRUE(writer);
        std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count) * 16 * 16 * 3);
        for (std::size_t i = 0; i < pixels.size(); ++i)
            pixels[i] = static_cast<std::uint8_t>((i * i / 7 + i / 768 * 31 + static_cast<std::size_t>(shift)) % 256);
        ASSERT_TRUE(writer->beginImages("arr_0", 16, 16, 3, count));
        ASSERT_TRUE(writer->appendImages(pixels));
        ASSERT_TRUE(writer->endImages());
        ASSERT_TRUE(writer->finish());
    }

    fs::path m_weights = m_folder / "inception.safetensors";
};

TEST_F(FidRuns, TrainingFollowsFidAndACheckpointIsMeasured)
{
    const RunFolder run(m_folder / "run");
    const auto trained = call(trainInto(run, {"--set", "training.steps=4", "--set", "evaluation.every=4", "--set", "evaluation.images=16",
                                              "--set", "evaluation.metric=fid", "--set", "evaluation.features=" + m_weights.string()}));
    ASSERT_EQ(trained.status, 0) << trained.err;
    runs::RunFollower follower(run.root());
    follower.poll();
    ASSERT_EQ(follower.evaluations().size(), 1u);
    const auto followed = follower.evaluations().front().evaluated;
    EXPECT_EQ(followed.metric, "fid");
    EXPECT_GT(followed.value, *followed.floor);
    EXPECT_FALSE(followed.ceiling);
    EXPECT_EQ(followed.recipe.at("name"), "FID-16, EMA, DDIM-3, seed 1");
    const auto hash = sha256OfFile(m_weights);
    ASSERT_TRUE(hash);
    EXPECT_EQ(followed.recipe.at("features_sha256"), *hash);

    const auto measured = call({"evaluate", "--checkpoint", run.root().string(), "--num", "16", "--metrics", "fid,sfid,is,pr,kid",
                                "--features", m_weights.string(), "--json"});
    ASSERT_EQ(measured.status, 0) << measured.err;
    const auto numbers = measured.json();
    EXPECT_NEAR(numbers["fid"].get<double>(), followed.value, 1e-6 * followed.value) << "the same images as while it trained";
    EXPECT_NEAR(numbers["floor"].get<double>(), *followed.floor, 1e-6 * followed.value);
    for (const auto* name : {"sfid", "inception_score", "precision", "recall", "density", "coverage", "kid"})
        EXPECT_TRUE(std::isfinite(numbers.value(name, NAN))) << name << measured.out;
    EXPECT_EQ(numbers["reference_images"], 16);
    follower.poll();
    ASSERT_EQ(follower.evaluations().size(), 2u);
    EXPECT_EQ(follower.evaluations().back().evaluated.extra.at("sfid"), numbers["sfid"]);
    EXPECT_EQ(runs::summarize(run.root()).bestMetricName, "fid");
    // Two workers make the features of 16 images at a time in turn: the sums are taken in the same order.
    std::vector<Json> shared;
    for (const std::string devices : {"cpu", "cpu:2"}) {
        const auto done = call({"evaluate", "--checkpoint", run.root().string(), "--num", "24", "--metrics", "fid,sfid,is,pr,kid",
                                "--features", m_weights.string(), "--json", "--threads", "1", "--devices", devices});
        ASSERT_EQ(done.status, 0) << done.err;
        shared.push_back(done.json());
        shared.back().erase("event");
    }
    for (const auto* name : {"fid", "sfid", "inception_score", "precision", "recall", "kid"})
        EXPECT_EQ(shared[1][name], shared[0][name]) << name;
}

TEST_F(FidRuns, SetsOfImagesAreComparedAndTheInceptionScoreNeedsOne)
{
    const auto one = m_folder / "one.npz", other = m_folder / "other.npz";
    writeImages(one, 20, 0);
    writeImages(other, 12, 90);
    const auto same = call({"evaluate", "--images", one.string(), "--reference", one.string(), "--metrics", "fid,sfid,pr,kid", "--features",
                            m_weights.string(), "--json"});
    ASSERT_EQ(same.status, 0) << same.err;
    EXPECT_NEAR(same.json()["fid"].get<double>(), 0.0, 1e-6) << same.out;
    EXPECT_NEAR(same.json()["sfid"].get<double>(), 0.0, 1e-6) << same.out;
    EXPECT_EQ(same.json()["precision"], 1.0);
    EXPECT_EQ(same.json()["recall"], 1.0);
    const auto apart = call({"evaluate", "--images", one.string(), "--reference", other.string(), "--metrics", "fid,is", "--features",
                             m_weights.string(), "--json"});
    ASSERT_EQ(apart.status, 0) << apart.err;
    EXPECT_GT(apart.json()["fid"].get<double>(), 1e-3) << apart.out;
    EXPECT_EQ(apart.json()["images"], 20);
    EXPECT_EQ(apart.json()["reference_images"], 12);
    const auto alone = call({"evaluate", "--images", one.string(), "--metrics", "is", "--features", m_weights.string(), "--json"});
    ASSERT_EQ(alone.status, 0) << alone.err;
    EXPECT_EQ(alone.json()["inception_score"], apart.json()["inception_score"]);
    EXPECT_GE(alone.json()["inception_score"].get<double>(), 1.0);
}

TEST_F(FidRuns, StatisticsOfAReferenceStandForItsImages)
{
    const auto images = m_folder / "images.npz", statistics = m_folder / "statistics.npz";
    writeImages(images, 8, 0);
    auto writer = formats::NpzWriter::create(statistics);
    ASSERT_TRUE(writer);
    constexpr std::int64_t kPool = 2048;
    const std::vector<double> mean(kPool, 0.25);
    std::vector<double> covariance(kPool * kPool, 0.0);
    for (std::size_t i = 0; i < kPool; ++i)
        covariance[i * kPool + i] = 0.5;
    const std::int64_t square[] = {kPool, kPool};
    ASSERT_TRUE(writer->add("mu", std::span(square, 1), std::span<const double>(mean)));
    ASSERT_TRUE(writer->add("sigma", square, std::span<const double>(covariance)));
    ASSERT_TRUE(writer->finish());
    const auto measure = [&](const char* metrics) {
        return call({"evaluate", "--images", images.string(), "--reference", statistics.string(), "--metrics", metrics, "--features",
                     m_weights.string(), "--json"});
    };
    const auto fid = measure("fid,is");
    ASSERT_EQ(fid.status, 0) << fid.err;
    EXPECT_GT(fid.json()["fid"].get<double>(), 100.0) << fid.out; // the trace alone is 1024
    EXPECT_EQ(fid.json()["reference_images"], 0);
    const auto spatial = measure("fid,sfid"), rows = measure("pr");
    EXPECT_EQ(spatial.status, 2) << spatial.err;
    EXPECT_NE(spatial.err.find("mu_s"), std::string::npos) << spatial.err;
    EXPECT_EQ(rows.status, 2) << rows.err;
    EXPECT_NE(rows.err.find("arr_0"), std::string::npos) << rows.err;
}

TEST_F(FidRuns, AnotherFileThanTheNetworkIsRefusedAtOnce)
{
    const auto images = m_folder / "images.npz";
    writeImages(images, 4, 0);
    const float one[] = {1.0f};
    const auto wrong = m_folder / "wrong.safetensors";
    ASSERT_TRUE(
        formats::writeSafetensors(wrong, {formats::safetensorsItem("fc.bias", formats::DType::F32, {1}, std::as_bytes(std::span(one)))}));
    const auto measured =
        call({"evaluate", "--images", images.string(), "--reference", images.string(), "--metrics", "fid", "--features", wrong.string()});
    EXPECT_EQ(measured.status, 1);
    EXPECT_NE(measured.err.find("wrong.safetensors does not fit"), std::string::npos) << measured.err;
    const RunFolder run(m_folder / "run");
    const auto trained = call(trainInto(run, {"--set", "evaluation.metric=fid", "--set", "evaluation.features=" + wrong.string()}));
    EXPECT_EQ(trained.status, 1);
    EXPECT_NE(trained.err.find("evaluation.features"), std::string::npos) << trained.err;
}

} // namespace espalier
