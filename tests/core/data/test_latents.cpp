// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/data/feature_folder.h"
#include "core/data/latent_cache.h"
#include "core/data/loader.h"
#include "core/formats/npy.h"
#include "core/formats/safetensors.h"
#include "tests/core/data/fake_dataset.h"
#include "tests/core/data/scratch_folder.h"

#include <gtest/gtest.h>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::FakeDataset;
using espalier::tests::ScratchFolder;
namespace fs = std::filesystem;

namespace {

template <class T>
std::string npy(formats::NpyType type, std::vector<std::int64_t> shape, const std::vector<T>& values)
{
    auto text = formats::npyHeaderText(type, shape);
    text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return text;
}

/// Latents of images of side 16 whose every number is `value`.
std::string latentFile(float value)
{
    return npy<float>(formats::kNpyFloat32, {1, 4, 2, 2}, std::vector<float>(16, value));
}
std::string labelFile(std::int64_t label)
{
    return npy<std::int64_t>(formats::kNpyInt64, {1}, {label});
}

/// As fast-DiT leaves them: 0, 1, …, 11, whose order by name is 0, 1, 10, 11, 2, …
void writeFeatures(const ScratchFolder& scratch, int count)
{
    for (int i = 0; i < count; ++i) {
        scratch.write("imagenet256_features/" + std::to_string(i) + ".npy", latentFile(static_cast<float>(i)));
        scratch.write("imagenet256_labels/" + std::to_string(i) + ".npy", labelFile(i % 3));
    }
}

std::string refusalOf(const Result<Done>& result)
{
    EXPECT_FALSE(result);
    return result ? "" : result.error().message;
}

LatentDescription description()
{
    return {.data = "fake 10", .images = 10, .side = 16, .encoder = "abc", .mirrored = true, .shardImages = 4};
}

/// A whole cache in which each number tells image and direction.
void writeCache(const fs::path& folder, const LatentDescription& about, const std::vector<std::int64_t>& broken = {})
{
    ASSERT_TRUE(claimLatentFolder(folder, about));
    std::vector<LatentShard> shards;
    for (std::int64_t shard = 0; shard < about.shards(); ++shard) {
        const auto count = about.countOf(shard);
        const auto values = static_cast<std::size_t>(about.layout().values());
        std::vector<float> plain, mirrored;
        std::vector<std::int64_t> labels;
        for (std::int64_t i = 0; i < count; ++i) {
            const auto image = static_cast<float>(about.firstOf(shard) + i);
            plain.insert(plain.end(), values, image);
            mirrored.insert(mirrored.end(), values, -image);
            labels.push_back((about.firstOf(shard) + i) % 3);
        }
        const std::vector<std::int64_t> shape{count, 8, 2, 2};
        const auto written = formats::writeSafetensors(
            folder / shardFile(shard),
            {formats::safetensorsItem("moments", formats::DType::F32, shape, std::as_bytes(std::span(plain))),
             formats::safetensorsItem("moments_mirrored", formats::DType::F32, shape, std::as_bytes(std::span(mirrored))),
             formats::safetensorsItem("labels", formats::DType::I64, {count}, std::as_bytes(std::span(labels)))});
        ASSERT_TRUE(written);
        shards.push_back({written->bytes, written->sha256, {}});
        for (const auto image : broken)
            if (image / about.shardImages == shard)
                shards.back().broken.push_back(image);
        ASSERT_TRUE(noteShard(folder, shard, shards.back()));
    }
    ASSERT_TRUE(finishLatentFolder(folder, about, shards));
}

} // namespace

TEST(FeatureFolder, PairsFilesByTheOrderOfTheirNames)
{
    const ScratchFolder scratch;
    writeFeatures(scratch, 12);
    const auto folder = openFeatureFolder(scratch.path(), {.side = 16, .classes = 3});
    ASSERT_TRUE(folder) << folder.error().message;
    EXPECT_EQ((*folder)->size(), 12);
    EXPECT_FALSE((*folder)->hasPixels());
    EXPECT_FALSE((*folder)->layout().moments);
    std::vector<float> values(16);
    std::int32_t label = -1;
    ASSERT_TRUE((*folder)->readLatents(2, false, values, label)); // "10.npy"
    EXPECT_EQ(values, std::vector<float>(16, 10.0f));
    EXPECT_EQ(label, 1);
    EXPECT_EQ((*folder)->label(4), 2); // "2.npy"
    std::vector<std::uint8_t> pixels((*folder)->imageBytes());
    EXPECT_NE(refusalOf((*folder)->read(0, pixels, label)).find("latents and no images"), std::string::npos);
}

TEST(FeatureFolder, RefusesWhatDoesNotFitByName)
{
    const ScratchFolder scratch;
    EXPECT_NE(openFeatureFolder(scratch.path(), {}).error().message.find("has 0 folders whose names end in \"features\""),
              std::string::npos);
    writeFeatures(scratch, 3);
    scratch.write("imagenet256_features/4.npy", latentFile(4));
    EXPECT_NE(openFeatureFolder(scratch.path(), {}).error().message.find("has 4 files of latents and 3 of labels"), std::string::npos);
    scratch.write("imagenet256_labels/4.npy", labelFile(1000));

    std::vector<float> values(16), many(64);
    std::int32_t label = -1;
    const auto folder = *openFeatureFolder(scratch.path(), {.side = 16, .classes = 1000});
    EXPECT_NE(refusalOf(folder->readLatents(3, false, values, label)).find("4.npy\" holds the label 1000"), std::string::npos);
    const auto other = *openFeatureFolder(scratch.path(), {.side = 32});
    EXPECT_NE(refusalOf(other->readLatents(0, false, many, label)).find("Set data.side"), std::string::npos);
    scratch.write("imagenet256_features/0.npy", latentFile(0).substr(0, 100));
    EXPECT_NE(refusalOf(folder->readLatents(0, false, values, label)).find("0.npy"), std::string::npos);
}

TEST(LatentCache, GivesImagesAndTheirMirrorImages)
{
    const ScratchFolder scratch;
    const auto about = description();
    writeCache(scratch.path() / "c", about, {5});
    const auto cache = openLatentCache(scratch.path() / "c", about);
    ASSERT_TRUE(cache) << cache.error().message;
    std::vector<float> values(32);
    std::int32_t label = -1;
    for (const std::int64_t image : {0, 3, 4, 9}) {
        ASSERT_TRUE((*cache)->readLatents(image, false, values, label));
        EXPECT_EQ(values, std::vector<float>(32, static_cast<float>(image)));
        EXPECT_EQ(label, image % 3);
        ASSERT_TRUE((*cache)->readLatents(image, true, values, label));
        EXPECT_EQ(values, std::vector<float>(32, -static_cast<float>(image)));
    }
    EXPECT_EQ((*cache)->readLatents(5, false, values, label).error().code, ErrorCode::Format); // passed over like an unreadable image
    fs::remove(scratch.path() / "c" / shardFile(2));
    EXPECT_EQ((*cache)->readLatents(9, false, values, label).error().code, ErrorCode::Device); // ends the run
}

TEST(LatentCache, IsOfOneThingAlone)
{
    const ScratchFolder scratch;
    auto about = description();
    writeCache(scratch.path() / "c", about);
    for (const auto& [field, change] :
         std::vector<std::pair<const char*, std::function<void(LatentDescription&)>>>{{"images", [](auto& d) { d.data = "other"; }},
                                                                                      {"encoder", [](auto& d) { d.encoder = "def"; }},
                                                                                      {"side", [](auto& d) { d.side = 32; }},
                                                                                      {"mirror", [](auto& d) { d.mirrored = false; }}}) {
        auto other = about;
        change(other);
        EXPECT_NE(other.folderName(), about.folderName()) << field;
        EXPECT_FALSE(openLatentCache(scratch.path() / "c", other)) << field;
        EXPECT_NE(refusalOf(claimLatentFolder(scratch.path() / "c", other)).find("latents of something else"), std::string::npos) << field;
    }
}

TEST(LatentCache, WithMirrorImagesServesThoseWhoWantNone)
{
    const ScratchFolder scratch;
    auto plain = description();
    plain.mirrored = false;
    auto wanted = plain;
    EXPECT_EQ(latentFolder(scratch.path(), wanted), scratch.path() / plain.folderName());
    EXPECT_FALSE(wanted.mirrored);
    writeCache(scratch.path() / description().folderName(), description());
    EXPECT_EQ(latentFolder(scratch.path(), wanted), scratch.path() / description().folderName());
    EXPECT_TRUE(wanted.mirrored);
}

TEST(LatentCache, SeesEveryDamage)
{
    const ScratchFolder scratch;
    const auto folder = scratch.path() / "c";
    const auto about = description();
    writeCache(folder, about);
    const auto whole = [&](std::int64_t shard) {
        const auto noted = notedShards(folder, about)[static_cast<std::size_t>(shard)];
        return noted && isWhole(folder, shard, *noted);
    };
    EXPECT_TRUE(whole(0) && whole(1) && whole(2));
    auto text = *readFile(folder / shardFile(1));
    text[text.size() - 3] ^= 1;
    ASSERT_TRUE(writeFileAtomically(folder / shardFile(1), text));
    EXPECT_FALSE(whole(1));
    ASSERT_TRUE(writeFileAtomically(folder / shardFile(2), text.substr(0, 100)));
    EXPECT_FALSE(whole(2));
    // A younger note beats the manifest; rubbish beside it does not.
    ASSERT_TRUE(noteShard(folder, 1, {text.size(), sha256(std::as_bytes(std::span(text.data(), text.size()))), {}}));
    EXPECT_TRUE(whole(1));
    ASSERT_TRUE(writeFileAtomically(folder / "shard-00000.json", "[1, {"));
    EXPECT_TRUE(whole(0));
    ASSERT_TRUE(writeFileAtomically(folder / "manifest.json", "{}"));
    EXPECT_FALSE(whole(0));
    EXPECT_NE(openLatentCache(folder, about).error().message.find("no finished cache"), std::string::npos);
}

/// Latents of a side that tell their image and that side.
class SideLatents final : public LatentSet {
public:
    explicit SideLatents(std::int64_t side) : m_side(side) {}
    LatentLayout layout() const override { return {1, m_side, false}; }
    Result<Done> readLatents(std::int64_t index, bool, std::span<float> values, std::int32_t& label) const override
    {
        std::fill(values.begin(), values.end(), static_cast<float>(100 * m_side + index));
        label = 0;
        return Done{};
    }

private:
    std::int64_t m_side;
};

TEST(Loader, GivesEachGlobalBatchLatentsOfTheSideThatIsAskedFor)
{
    const auto small = std::make_shared<const SideLatents>(2), large = std::make_shared<const SideLatents>(4);
    LoaderOptions options;
    options.seed = 9;
    options.latents = large;
    options.latentsOf = [&](std::int64_t batch) { return batch % 3 == 1 ? small.get() : large.get(); };
    auto loader = *Loader::start(std::make_shared<FakeDataset>(10), {4, 2, 2, 0, 1}, {}, options);
    for (std::int64_t micro = 0; micro < 20; ++micro) {
        const auto& host = **loader->next({});
        const std::int64_t side = micro / 2 % 3 == 1 ? 2 : 4; // two micro-batches make a batch
        ASSERT_EQ(static_cast<std::int64_t>(host.latents.size()), 2 * side * side) << micro;
        for (std::int64_t i = 0; i < 2; ++i)
            EXPECT_EQ(host.latents[static_cast<std::size_t>((i + 1) * side * side - 1)],
                      static_cast<float>(100 * side + imageAt(9, host.cursor.epoch, host.cursor.position + host.firstSlot + i, 10)));
    }
}

TEST(Loader, ReadsLatentsWhereItWouldReadPixels)
{
    const ScratchFolder scratch;
    auto about = description();
    writeCache(scratch.path() / "c", about);
    LoaderOptions options;
    options.seed = 9;
    options.latents = *openLatentCache(scratch.path() / "c", about);
    for (const bool flip : {true, false}) {
        options.augment.flip = flip;
        const auto dataset = std::make_shared<FakeDataset>(10);
        auto loader = *Loader::start(dataset, {4, 2, 2, 0, 1}, {}, options);
        int mirrored = 0;
        for (int batch = 0; batch < 20; ++batch) {
            const auto& host = **loader->next({});
            ASSERT_EQ(host.latents.size(), 2u * 32u);
            EXPECT_TRUE(host.images.empty());
            for (std::int64_t i = 0; i < 2; ++i) {
                const auto position = host.cursor.position + host.firstSlot + i;
                const auto image = imageAt(9, host.cursor.epoch, position, 10);
                const bool flipped = flip && flips(9, host.cursor.epoch, position);
                mirrored += flipped ? 1 : 0;
                EXPECT_EQ(host.latents[static_cast<std::size_t>(i) * 32 + 31], static_cast<float>(flipped ? -image : image));
                EXPECT_EQ(host.labels[static_cast<std::size_t>(i)], image % 3);
            }
        }
        EXPECT_EQ(mirrored > 10, flip);
        EXPECT_EQ(dataset->reads, 0);
    }
}
