// SPDX-License-Identifier: Apache-2.0
#include "core/data/latent_files.h"
#include "core/formats/image_decode.h"
#include "core/formats/png.h"
#include "tests/app/worker/real_run.h"
#include "tests/core/models/tiny_autoencoder.h"

namespace espalier {

/// The command line over the real worker, on latents of a tiny autoencoder.
class LatentRuns : public RealRuns {
protected:
    void SetUp() override
    {
        RealRuns::SetUp();
        tests::writeTinyAutoencoder(m_folder / "vae");
        const Json latents{
            {"seed", 7},
            {"devices", "cpu"},
            {"data", {{"side", 32}, {"garden_train", 100}, {"garden_test", 60}, {"workers", 1}}},
            {"latents", {{"enabled", true}, {"vae", (m_folder / "vae").string()}}},
            {"model", {{"kind", "dit"}, {"patch_size", 2}, {"hidden_size", 32}, {"depth", 2}, {"num_heads", 2}, {"num_classes", 10}}},
            {"diffusion", {{"timesteps", 50}}},
            {"training", {{"steps", 6}, {"batch_size", 6}, {"warmup_steps", 2}, {"report_every", 1}, {"threads", 1}}},
            {"checkpoints", {{"every", 3}}},
            {"samples", {{"every", 6}, {"count", 4}, {"sampler", {{"steps", 3}}}}},
            {"evaluation", {{"images", 32}, {"sampler", {{"steps", 3}}}}}};
        ASSERT_TRUE(writeFileAtomically(m_folder / "tiny.json", latents.dump()));
    }
    /// Class folders of small pictures.
    void writePictures(int count) const
    {
        auto image = formats::Image::ofSize(32, 32);
        for (int i = 0; i < count; ++i) {
            for (std::size_t k = 0; k < image.rgb.size(); ++k)
                image.rgb[k] = static_cast<std::uint8_t>(k * static_cast<std::size_t>(i + 3) / 5);
            const auto folder = m_folder / "pictures" / (i % 2 == 0 ? "a" : "b");
            fs::create_directories(folder);
            ASSERT_TRUE(writeFileAtomically(folder / (std::to_string(i) + ".png"), *formats::encodePng(image)));
        }
    }
    std::vector<std::string> cacheInto(const fs::path& cache) const
    {
        return {"cache-latents",
                "--data",
                (m_folder / "pictures").string(),
                "--vae",
                (m_folder / "vae").string(),
                "--side",
                "32",
                "--cache",
                cache.string(),
                "--devices",
                "cpu",
                "--json"};
    }
    static std::map<std::string, std::string> filesOf(const fs::path& folder)
    {
        std::map<std::string, std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(folder))
            if (entry.is_regular_file())
                files.emplace(fs::relative(entry.path(), folder).string(), *sha256OfFile(entry.path()));
        return files;
    }
};

TEST_F(LatentRuns, TrainSampleAndEvaluate)
{
    const RunFolder run(m_folder / "library" / "run");
    const auto trained = call(trainInto(run));
    ASSERT_EQ(trained.status, 0) << trained.err;
    EXPECT_TRUE(fs::exists(m_folder / "data" / "latents"));
    EXPECT_TRUE(fs::exists(run.samplesFolder(0, 6) / "ema.png"));

    const auto out = m_folder / "drawn";
    const auto drawn = call(
        {"sample", "--checkpoint", run.root().string(), "--num", "3", "--out", out.string(), "--device", "cpu", "--tile", "64", "--json"});
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    EXPECT_EQ(drawn.json()["recipe"]["latents"]["decode"], "tiles of 64 pixels, a quarter blended");
    EXPECT_EQ(formats::decodeImageFile(out / "00002.png")->width, 32);
    const auto measured = call({"evaluate", "--checkpoint", run.root().string(), "--num", "32", "--device", "cpu", "--json"});
    ASSERT_EQ(measured.status, 0) << measured.err;
    EXPECT_GT(measured.json()["fd"].get<double>(), 0.0);

    // The autoencoder moved: one sentence, and a flag that names it.
    fs::rename(m_folder / "vae", m_folder / "moved");
    const auto lost =
        call({"sample", "--checkpoint", run.root().string(), "--num", "2", "--out", (m_folder / "x").string(), "--device", "cpu"});
    EXPECT_EQ(lost.status, 1);
    EXPECT_NE(lost.err.find("latents.vae: There is no file or folder"), std::string::npos) << lost.err;
    const auto found = call({"sample", "--checkpoint", run.root().string(), "--num", "2", "--out", (m_folder / "x").string(), "--device",
                             "cpu", "--vae", (m_folder / "moved").string()});
    EXPECT_EQ(found.status, 0) << found.err;
    tests::writeOtherAutoencoder(m_folder / "other", "encoder.");
    const auto other = call({"sample", "--checkpoint", run.root().string(), "--num", "2", "--out", (m_folder / "y").string(), "--device",
                             "cpu", "--vae", (m_folder / "other").string()});
    EXPECT_EQ(other.status, 2);
    EXPECT_NE(other.err.find("is not the one that these weights were trained with"), std::string::npos) << other.err;
}

TEST_F(LatentRuns, WeightsAloneAreDrawnFromWithANamedAutoencoder)
{
    const RunFolder run(m_folder / "library" / "run");
    ASSERT_EQ(call(trainInto(run)).status, 0);
    const auto weights = (m_folder / "weights.pt").string(); // a bare state dict, as the published ones are
    const auto written = call({"export", run.root().string(), "--to", "pt", "--out", weights});
    ASSERT_EQ(written.status, 0) << written.err;
    std::vector<std::string> draw{"sample", "--checkpoint", weights, "--num", "2", "--timestep-respacing", "3", "--device", "cpu"};
    draw.insert(draw.end(), {"--out", (m_folder / "drawn").string()});
    const auto nameless = call(draw);
    EXPECT_EQ(nameless.status, 2);
    EXPECT_NE(nameless.err.find("Name one with --vae"), std::string::npos) << nameless.err;
    draw.insert(draw.end(), {"--vae", (m_folder / "vae").string()});
    const auto drawn = call(draw);
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    EXPECT_EQ(formats::decodeImageFile(m_folder / "drawn" / "00001.png")->width, 32);
}

TEST_F(LatentRuns, AMissingAutoencoderIsToldBeforeAnythingIsMade)
{
    const RunFolder run(m_folder / "library" / "run");
    const auto result = call(trainInto(run, {"--set", "latents.vae=/nowhere/vae"}));
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find("latents.vae: there is no file or folder /nowhere/vae"), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(run.root()));
}

TEST_F(LatentRuns, ACacheKilledAtAnyMomentIsGoneOnWith)
{
    writePictures(1100); // five shards
    const auto straight = call(cacheInto(m_folder / "straight"));
    ASSERT_EQ(straight.status, 0) << straight.err;
    const auto result = straight.json();
    EXPECT_EQ(result["images"], 1100);
    EXPECT_EQ(result["shards"], 5);
    EXPECT_TRUE(result["mirrored"]);

    std::mt19937 random(3);
    for (int round = 0; round < 6; ++round) {
        CliProcess process(cacheInto(m_folder / "killed"), {}, m_folder / "start");
        std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 900));
        auto victims = tests::childrenOf(process.pid());
        victims.push_back(process.pid());
        ::kill(victims[static_cast<std::size_t>(round) % victims.size()], SIGKILL);
        EXPECT_NE(process.wait(15s), -1);
        for (const auto child : victims)
            EXPECT_TRUE(eventually([&] { return ::kill(child, 0) != 0 || tests::isZombie(child); }, 10s));
    }
    const auto killed = call(cacheInto(m_folder / "killed"));
    ASSERT_EQ(killed.status, 0) << killed.err;
    EXPECT_EQ(filesOf(m_folder / "straight"), filesOf(m_folder / "killed"));
}

TEST_F(LatentRuns, EverySideOfAScheduleIsEncodedAtOnce)
{
    auto config = Json::parse(*readFile(m_folder / "tiny.json", 1 << 20));
    const std::int64_t side = config["data"].value("side", std::int64_t{32});
    config["schedule"] = {{"kind", "stages"}, {"stages", 2}, {"side", {side / 2, side}}};
    ASSERT_TRUE(writeFileAtomically(m_folder / "grows.json", config.dump()));
    const auto made = call({"cache-latents", "--config", (m_folder / "grows.json").string(), "--devices", "cpu", "--json"});
    ASSERT_EQ(made.status, 0) << made.err;
    const auto sides = made.json()["sides"];
    ASSERT_EQ(sides.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(sides[i]["side"], i == 0 ? side / 2 : side);
        EXPECT_TRUE(fs::exists(fs::path(sides[i]["folder"].get<std::string>()) / "manifest.json"));
    }
}

TEST_F(LatentRuns, WrongUseIsRefusedByName)
{
    const auto refused = [&](std::vector<std::string> more, const std::string& part) {
        std::vector<std::string> all{"cache-latents"};
        all.insert(all.end(), more.begin(), more.end());
        const auto result = call(all);
        EXPECT_EQ(result.status, 2) << part;
        EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    };
    refused({"--data", m_folder.string()}, "latents.vae must name the autoencoder");
    refused({"--vae", (m_folder / "vae").string()}, "data.path must name the folder of images");
    refused({"--data", m_folder.string(), "--vae", (m_folder / "vae").string(), "--side", "100"}, "data.side 100 must be a multiple of 8");
}

} // namespace espalier
