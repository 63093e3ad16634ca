// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/formats/png.h"
#include "core/formats/safetensors.h"
#include "core/generation/generator.h"
#include "core/generation/latent_builder.h"
#include "tests/core/data/fake_dataset.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/core/models/tiny_autoencoder.h"

#include <ATen/Parallel.h>

#include <mutex>

namespace espalier::generation {
namespace {

using namespace espalier::tests;

/// Images whose pixels are the golden input of their number; some of them broken.
class Pictures final : public data::Dataset {
public:
    explicit Pictures(std::int64_t size, std::set<std::int64_t> broken = {}) : m_size(size), m_broken(std::move(broken)) {}
    std::int64_t size() const override { return m_size; }
    int side() const override { return 16; }
    const std::vector<std::string>& classNames() const override { return m_names; }
    std::int32_t label(std::int64_t index) const override { return static_cast<std::int32_t>(index % 2); }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        ++reads;
        if (m_broken.contains(index))
            return Error{ErrorCode::Format, "This image ends early.", {}};
        const auto values = goldenInput("input:" + std::to_string(index), {16, 16, 3});
        for (std::size_t i = 0; i < hwc.size(); ++i)
            hwc[i] = static_cast<std::uint8_t>(std::clamp(128.0f + 60.0f * values[i], 0.0f, 255.0f));
        label = this->label(index);
        return Done{};
    }
    std::string nameOf(std::int64_t index) const override { return "image-" + std::to_string(index); }
    std::string description() const override { return "pictures"; }
    std::string fingerprint() const override { return "pictures " + std::to_string(m_size); }
    mutable std::atomic<int> reads{0};

private:
    std::int64_t m_size;
    std::set<std::int64_t> m_broken;
    std::vector<std::string> m_names{"a", "b"};
};

class Latents : public testing::Test {
protected:
    void SetUp() override
    {
        at::set_num_threads(1);
        writeTinyAutoencoder(m_scratch.path() / "vae");
        m_config.data.side = 16;
        m_config.latents.enabled = true;
        m_config.latents.vae = (m_scratch.path() / "vae").string();
        m_codec = codecOf(m_config);
    }
    static std::shared_ptr<const LatentCodec> codecOf(const config::RunConfig& config)
    {
        auto codec = LatentCodec::open(config, at::kCPU, {});
        EXPECT_TRUE(codec) << codec.error().message;
        return *codec;
    }
    /// A cache with shards of four images.
    LatentWork work(std::shared_ptr<const Pictures> pictures) const
    {
        LatentWork work{.dataset = pictures, .codec = m_codec, .folder = m_scratch.path() / "cache"};
        work.description = describeLatents(m_config, *pictures, *m_codec);
        work.description.shardImages = 4;
        work.log = [this](LogLevel, std::string_view text) {
            const std::lock_guard lock(m_mutex);
            m_said += std::string(text) + "\n";
        };
        return work;
    }
    static at::Tensor imageOf(const Pictures& pictures, std::int64_t index)
    {
        auto image = at::empty({1, 16, 16, 3}, at::kByte);
        std::int32_t label = 0;
        EXPECT_TRUE(pictures.read(index, {image.data_ptr<std::uint8_t>(), 768}, label));
        return image;
    }
    static std::map<std::string, std::string> filesOf(const std::filesystem::path& folder)
    {
        std::map<std::string, std::string> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            files.emplace(entry.path().filename().string(), *sha256OfFile(entry.path()));
        return files;
    }

    const ScratchFolder m_scratch;
    config::RunConfig m_config;
    std::shared_ptr<const LatentCodec> m_codec;
    mutable std::mutex m_mutex;
    mutable std::string m_said;
};

TEST_F(Latents, OfTheCacheAreThoseOfEncodingEachImageAndItsMirrorImage)
{
    const auto pictures = std::make_shared<Pictures>(10);
    const auto about = work(pictures);
    const auto prepared = prepareLatents(about, {});
    ASSERT_TRUE(prepared) << prepared.error().message;
    const auto cache = data::openLatentCache(about.folder, about.description);
    ASSERT_TRUE(cache) << cache.error().message;
    const auto values = static_cast<std::size_t>((*cache)->layout().values());
    for (std::int64_t i = 0; i < 10; ++i)
        for (const bool mirrored : {false, true}) {
            std::vector<float> read(values);
            std::int32_t label = -1;
            ASSERT_TRUE((*cache)->readLatents(i, mirrored, read, label));
            EXPECT_EQ(label, i % 2);
            const auto image = imageOf(*pictures, i);
            const auto direct = m_codec->encode(mirrored ? image.flip(2).contiguous() : image);
            // Of a batch of four and of one: equal to rounding.
            expectClose(tensorOf(read, direct.sizes()), direct, 1e-5, 1e-5, "image " + std::to_string(i));
        }
    const auto files = filesOf(about.folder);
    EXPECT_EQ(files.size(), 6u); // three shards, cache.json, manifest.json and lock
    // All is there: nothing is decoded again.
    const int reads = pictures->reads;
    ASSERT_TRUE(prepareLatents(about, {}));
    EXPECT_EQ(pictures->reads, reads);
    EXPECT_EQ(filesOf(about.folder), files);
}

TEST_F(Latents, WithoutFlipsMirrorImagesAreNotMade)
{
    m_config.data.flip = false;
    const auto pictures = std::make_shared<Pictures>(4);
    const auto about = work(pictures);
    ASSERT_TRUE(prepareLatents(about, {}));
    const auto shard = formats::SafetensorsReader::open(about.folder / data::shardFile(0));
    ASSERT_TRUE(shard);
    EXPECT_EQ(shard->entries().size(), 2u);
    EXPECT_TRUE(data::openLatentCache(about.folder, about.description));
}

TEST_F(Latents, AreGoneOnWithAfterAStop)
{
    const auto pictures = std::make_shared<Pictures>(14);
    auto straight = work(pictures), stopped = straight;
    straight.folder = m_scratch.path() / "straight";
    ASSERT_TRUE(prepareLatents(straight, {}));
    std::stop_source stop;
    stopped.progress = [&](const char* what, std::int64_t done, std::int64_t) {
        if (std::string_view(what) == "encoding latents" && done >= 8)
            stop.request_stop();
    };
    const auto ended = prepareLatents(stopped, stop.get_token());
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::Cancelled);
    EXPECT_TRUE(std::filesystem::exists(stopped.folder / data::shardFile(0)));
    EXPECT_FALSE(std::filesystem::exists(stopped.folder / data::shardFile(3)));
    EXPECT_FALSE(std::filesystem::exists(stopped.folder / "manifest.json"));
    // A kill between a shard and its note: that shard is made once more.
    std::filesystem::copy_file(straight.folder / data::shardFile(3), stopped.folder / data::shardFile(3));
    stopped.progress = {};
    const int reads = pictures->reads;
    ASSERT_TRUE(prepareLatents(stopped, {}));
    EXPECT_LT(pictures->reads - reads, 14);
    EXPECT_EQ(filesOf(stopped.folder), filesOf(straight.folder));
}

TEST_F(Latents, AreBegunByRankZeroAlone)
{
    // Rank 0 clears away what a kill left half written, so no other rank may write before it has.
    const auto pictures = std::make_shared<Pictures>(4);
    auto about = work(pictures);
    int turns = 0;
    const auto claimed = [&] { return std::filesystem::exists(about.folder / "cache.json"); };
    about.ranks = {1, 2, [&](std::vector<std::int64_t>& values) {
                       if (++turns == 1) {
                           EXPECT_FALSE(claimed()) << "while rank 0 waits for its turn";
                       } else {
                           EXPECT_FALSE(claimed()) << "before rank 0 did";
                           values.front() = 1; // it could not
                       }
                   }};
    const auto ended = prepareLatents(about, {});
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ErrorCode::Lost);
    EXPECT_EQ(turns, 2) << "and nobody waits for it";
    const auto rest = about.folder / ".cache.json.1.part"; // of a kill
    ASSERT_TRUE(writeFileAtomically(rest, "{"));
    about.ranks = {};
    ASSERT_TRUE(prepareLatents(about, {}));
    EXPECT_FALSE(std::filesystem::exists(rest));
}

TEST_F(Latents, DamagedShardsAreMadeAgain)
{
    const auto pictures = std::make_shared<Pictures>(10);
    const auto about = work(pictures);
    ASSERT_TRUE(prepareLatents(about, {}));
    const auto files = filesOf(about.folder);
    auto text = *readFile(about.folder / data::shardFile(1));
    text[text.size() / 2] ^= 16;
    ASSERT_TRUE(writeFileAtomically(about.folder / data::shardFile(1), text));
    std::filesystem::remove(about.folder / data::shardFile(2));
    const int reads = pictures->reads;
    ASSERT_TRUE(prepareLatents(about, {}));
    EXPECT_EQ(pictures->reads - reads, 6); // four and two
    EXPECT_EQ(filesOf(about.folder).at(data::shardFile(1)), files.at(data::shardFile(1)));
    EXPECT_NE(m_said.find("shard-00001.safetensors is missing or damaged"), std::string::npos) << m_said;
    EXPECT_TRUE(data::openLatentCache(about.folder, about.description));
}

TEST_F(Latents, OfAnotherEncoderLieElsewhereAndOfAnotherDecoderDoNot)
{
    const Pictures pictures(4);
    const auto first = describeLatents(m_config, pictures, *m_codec);
    writeOtherAutoencoder(m_scratch.path() / "other", "encoder.");
    writeOtherAutoencoder(m_scratch.path() / "mse", "decoder.");
    m_config.latents.vae = (m_scratch.path() / "other").string();
    EXPECT_NE(describeLatents(m_config, pictures, *codecOf(m_config)).folderName(), first.folderName());
    m_config.latents.vae = (m_scratch.path() / "mse").string();
    EXPECT_EQ(describeLatents(m_config, pictures, *codecOf(m_config)).folderName(), first.folderName());
    EXPECT_TRUE(codecOf(m_config)->checkEncoder(m_codec->encoderSha256()));
    m_config.latents.vae = (m_scratch.path() / "other").string();
    EXPECT_NE(codecOf(m_config)->checkEncoder(m_codec->encoderSha256()).error().message.find("is not the one that these weights"),
              std::string::npos);
}

TEST_F(Latents, OfImagesThatCannotBeReadAreNoted)
{
    const auto pictures = std::make_shared<Pictures>(200, std::set<std::int64_t>{5, 130});
    const auto about = work(pictures);
    ASSERT_TRUE(prepareLatents(about, {}));
    const auto cache = *data::openLatentCache(about.folder, about.description);
    std::vector<float> values(static_cast<std::size_t>(cache->layout().values()));
    std::int32_t label = 0;
    EXPECT_EQ(cache->readLatents(130, true, values, label).error().code, ErrorCode::Format);
    EXPECT_TRUE(cache->readLatents(131, true, values, label));
    EXPECT_NE(m_said.find("image-5 is passed over: This image ends early."), std::string::npos) << m_said;

    auto worse = work(std::make_shared<Pictures>(60, std::set<std::int64_t>{5}));
    worse.folder = m_scratch.path() / "worse";
    EXPECT_NE(prepareLatents(worse, {}).error().message.find("More than 1 % of the images cannot be read: 1 of 60"), std::string::npos);
}

TEST_F(Latents, ANetworkOfAnotherKindIsNoCodec)
{
    auto options = tinyAutoencoderConfig();
    options["block_out_channels"] = {8, 16};
    options["down_block_types"] = {"DownEncoderBlock2D", "DownEncoderBlock2D"};
    options["up_block_types"] = {"UpDecoderBlock2D", "UpDecoderBlock2D"};
    models::AutoencoderKL network(*models::autoencoderOptions(options, "config.json"), {});
    fillParameters(network);
    writeAutoencoder(m_scratch.path() / "f2", weightsOf(network), options);
    m_config.latents.vae = (m_scratch.path() / "f2").string();
    EXPECT_NE(LatentCodec::open(m_config, at::kCPU, {}).error().message.find("makes 4 channels of 1/2 of the side"), std::string::npos);
    m_config.latents.vae.clear();
    EXPECT_NE(codecToDraw(m_config, at::kCPU, {}).error().message.find("Name one with --vae"), std::string::npos);
    m_config.latents.vae = "/nowhere";
    EXPECT_NE(codecToDraw(m_config, at::kCPU, {}).error().message.find("latents.vae: There is no file or folder /nowhere"),
              std::string::npos);
    m_config.latents.enabled = false;
    EXPECT_EQ(*codecToDraw(m_config, at::kCPU, {}), nullptr);
}

TEST_F(Latents, ComeBackAsImagesInPieces)
{
    const auto latents = inputTensor("input:latents", {70, 4, 2, 2}) * 0.18215; // more than one piece
    const auto images = m_codec->decode(latents, {});
    ASSERT_TRUE(images);
    ASSERT_EQ(images->sizes(), (std::vector<std::int64_t>{70, 16, 16, 3}));
    const at::NoGradGuard guard;
    const auto direct = quantised(tinyAutoencoder()->decode(latents.narrow(0, 66, 4) / 0.18215));
    EXPECT_LE((images->narrow(0, 66, 4).to(at::kInt) - direct.to(at::kInt)).abs().max().item<int>(), 1);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(m_codec->decode(latents, stop.get_token()).error().code, ErrorCode::Cancelled);
}

TEST_F(Latents, InTilesComeBackCloseToWholeAndSaySo)
{
    const auto latents = inputTensor("input:large", {1, 4, 16, 16}).mul_(0.1).add_(inputTensor("input:level", {1, 4, 1, 1})) * 0.18215;
    const auto whole = *m_codec->decode(latents, {});
    m_config.latents.tileSide = 96;
    const auto codec = codecOf(m_config);
    const auto tiled = *codec->decode(latents, {});
    const auto apart = (tiled.to(at::kFloat) - whole.to(at::kFloat)).abs();
    EXPECT_GT(apart.max().item<double>(), 0.0); // another result, named in the recipe
    // The norms and the attention of a network of noise see one piece at a time: near by, against 1.1 deviations of unrelated images.
    EXPECT_LT(apart.mean().item<double>(), 0.3 * whole.to(at::kFloat).std().item<double>());
    EXPECT_EQ(codec->recipe()["decode"], "tiles of 96 pixels, a quarter blended");
    EXPECT_EQ(m_codec->recipe()["decode"], "whole");
    EXPECT_EQ(m_codec->recipe()["vae_sha256"].get<std::string>().size(), 64u);
}

/// Predicts the same clean latents whatever it sees.
class Fixed : public models::Model {
public:
    explicit Fixed(double value) : m_value(value) { register_parameter("weight", at::ones({1})); }
    std::string kind() const override { return "fixed"; }
    models::ImageShape image() const override { return {4, 2, 2}; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override
    {
        return at::full_like(batch.x, m_value);
    }

private:
    double m_value;
};

TEST_F(Latents, AreDrawnWithoutClippingAndShown)
{
    config::DiffusionConfig diffusion;
    diffusion.meanType = config::MeanType::X0;
    for (const auto kind : {config::SamplerKind::Ddim, config::SamplerKind::Ddpm}) {
        diffusion.timesteps = 20;
        config::SamplerConfig sampler;
        sampler.kind = kind;
        sampler.steps = 5;
        Generator generator(std::make_shared<Fixed>(1.8), diffusion, sampler, 3, m_codec); // beyond what pixels can be
        EXPECT_EQ(generator.image().width, 16);
        const auto images = generator.draw(0, 3, 2, {}, {});
        ASSERT_TRUE(images);
        const auto wanted = *m_codec->decode(at::full({1, 4, 2, 2}, 1.8), {});
        for (std::int64_t i = 0; i < 3; ++i)
            EXPECT_LE(((*images)[i].to(at::kInt) - wanted[0].to(at::kInt)).abs().max().item<int>(), 1);
        EXPECT_EQ(generator.recipe()["latents"], m_codec->recipe());
    }
}

} // namespace
} // namespace espalier::generation
