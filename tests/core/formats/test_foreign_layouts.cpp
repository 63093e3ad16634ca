// SPDX-License-Identifier: Apache-2.0
// Checkpoints of published code, taken apart into the names that the networks here have.
#include "core/base/files.h"
#include "core/base/position_table.h"
#include "core/formats/diffusers_dit.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "tests/core/formats/golden_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;

namespace {

constexpr std::int64_t kWidth = 4, kDepth = 2, kClasses = 3;

/// Tensors with numbers of their own that live as long as this.
class Made {
public:
    SafetensorsItem item(const std::string& name, std::vector<std::int64_t> shape)
    {
        std::size_t count = 1;
        for (const auto size : shape)
            count *= static_cast<std::size_t>(size);
        auto& values = m_all.emplace_back();
        m_newest[name] = &values;
        for (std::size_t i = 0; i < count; ++i)
            values.push_back(static_cast<float>(m_next++) / 8);
        return safetensorsItem(name, DType::F32, std::move(shape), std::as_bytes(std::span(values)));
    }
    std::vector<float>& values(const std::string& name) { return *m_newest.at(name); }

private:
    std::deque<std::vector<float>> m_all;
    std::map<std::string, std::vector<float>*> m_newest;
    int m_next = 1;
};

/// A DiT of two blocks on 4x4 pixels, without its table of positions.
std::vector<SafetensorsItem> ditItems(Made& made)
{
    std::vector<SafetensorsItem> items{made.item("x_embedder.proj.weight", {kWidth, 3, 2, 2}),
                                       made.item("x_embedder.proj.bias", {kWidth}),
                                       made.item("t_embedder.mlp.0.weight", {kWidth, 256}),
                                       made.item("t_embedder.mlp.0.bias", {kWidth}),
                                       made.item("t_embedder.mlp.2.weight", {kWidth, kWidth}),
                                       made.item("t_embedder.mlp.2.bias", {kWidth}),
                                       made.item("y_embedder.embedding_table.weight", {kClasses + 1, kWidth})};
    for (std::int64_t block = 0; block < kDepth; ++block)
        for (const auto& [leaf, out, in] : {std::tuple("attn.qkv", 3 * kWidth, kWidth),
                                            {"attn.proj", kWidth, kWidth},
                                            {"mlp.fc1", 4 * kWidth, kWidth},
                                            {"mlp.fc2", kWidth, 4 * kWidth},
                                            {"adaLN_modulation.1", 6 * kWidth, kWidth}}) {
            items.push_back(made.item(fmt::format("blocks.{}.{}.weight", block, leaf), {out, in}));
            items.push_back(made.item(fmt::format("blocks.{}.{}.bias", block, leaf), {out}));
        }
    for (const auto& [leaf, out] : {std::pair("final_layer.linear", 12L), {"final_layer.adaLN_modulation.1", 2 * kWidth}}) {
        items.push_back(made.item(fmt::format("{}.weight", leaf), {out, kWidth}));
        items.push_back(made.item(fmt::format("{}.bias", leaf), {out}));
    }
    return items;
}

std::vector<float> valuesOf(const WeightsFile& file, const std::string& name)
{
    for (const auto& entry : file.entries())
        if (entry.name == name) {
            std::vector<float> values(entry.bytes / sizeof(float));
            const auto copied = file.copy(entry, std::as_writable_bytes(std::span(values)));
            EXPECT_TRUE(copied) << copied.error().message;
            return copied ? values : std::vector<float>();
        }
    ADD_FAILURE() << "there is no " << name;
    return {};
}

std::string reasonOf(const std::filesystem::path& path, const char* name = nullptr)
{
    const auto file = WeightsFile::open(path);
    if (!file)
        return file.error().message;
    for (const auto& entry : file->entries())
        if (name && entry.name == name) {
            std::vector<std::byte> bytes(entry.bytes);
            const auto copied = file->copy(entry, bytes);
            return copied ? "" : copied.error().message;
        }
    return "";
}

constexpr const char* kDitConfig = R"({"_class_name": "DiTTransformer2DModel", "sample_size": 4, "patch_size": 2})";

} // namespace

TEST(ForeignLayouts, ADiffusersDitComesBackBitForBit)
{
    ScratchFolder scratch;
    Made made;
    const auto items = ditItems(made);
    const auto theirs = toDiffusersDit(items, kDepth);
    EXPECT_EQ(theirs.size(), 6u + kDepth * (5u + 8u + 6u)); // alone; in each block: embeddings, plain layers, q, k and v
    const auto folder = scratch / "transformer";
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(writeFileAtomically(folder / "config.json", kDitConfig));
    for (const bool torch : {false, true}) {
        const auto file = folder / (torch ? "diffusion_pytorch_model.bin" : "diffusion_pytorch_model.safetensors");
        ASSERT_TRUE(torch ? writeTorch(file, torchStateDict(theirs)) : writeSafetensors(file, theirs));
        for (const auto& path : {folder, file}) {
            const auto read = WeightsFile::open(path);
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(read->layout(), "diffusers");
            EXPECT_EQ(read->folderConfig()["sample_size"], 4);
            EXPECT_EQ(read->entries().size(), items.size() + 1);
            for (const auto& item : items)
                EXPECT_EQ(valuesOf(*read, item.name), made.values(item.name)) << item.name;
            EXPECT_EQ(valuesOf(*read, "pos_embed"), positionTable(kWidth, 2));
        }
        std::filesystem::remove(file);
    }
    EXPECT_FALSE(isDiffusersFolder(folder)) << "without weights it is none";
}

/// Reading undoes writing whatever the order, so this order is told apart.
TEST(ForeignLayouts, QueriesKeysAndValuesAreTheRowsInThatOrder)
{
    Made made;
    const auto theirs = toDiffusersDit(ditItems(made), kDepth);
    const auto& rows = made.values("blocks.1.attn.qkv.weight");
    const auto third = static_cast<std::ptrdiff_t>(kWidth * kWidth);
    for (const auto& [part, name] : {std::pair(0, "to_q"), {1, "to_k"}, {2, "to_v"}}) {
        const auto found = std::find_if(theirs.begin(), theirs.end(), [&, leaf = name](const auto& item) {
            return item.name == fmt::format("transformer_blocks.1.attn1.{}.weight", leaf);
        });
        ASSERT_NE(found, theirs.end()) << name;
        EXPECT_EQ(found->shape, (std::vector<std::int64_t>{kWidth, kWidth}));
        const auto bytes = found->bytes();
        ASSERT_TRUE(bytes);
        std::vector<float> values(bytes->size() / sizeof(float));
        std::memcpy(values.data(), bytes->data(), bytes->size());
        EXPECT_EQ(values, std::vector<float>(rows.begin() + part * third, rows.begin() + (part + 1) * third)) << name;
    }
}

TEST(ForeignLayouts, APipelineIsItsTransformer)
{
    ScratchFolder scratch;
    Made made;
    std::filesystem::create_directories(scratch / "transformer");
    ASSERT_TRUE(writeFileAtomically(scratch / "model_index.json", "{}"));
    ASSERT_TRUE(writeFileAtomically(scratch / "transformer" / "config.json", kDitConfig));
    ASSERT_TRUE(writeSafetensors(scratch / "transformer" / "diffusion_pytorch_model.safetensors", toDiffusersDit(ditItems(made), kDepth)));
    EXPECT_TRUE(isDiffusersFolder(scratch.path()));
    const auto read = WeightsFile::open(scratch.path());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(valuesOf(*read, "blocks.1.attn.qkv.bias"), made.values("blocks.1.attn.qkv.bias"));
}

TEST(ForeignLayouts, WhatIsNoDiffusersDitIsExplained)
{
    ScratchFolder scratch;
    Made made;
    const auto file = scratch / "diffusion_pytorch_model.safetensors", config = scratch / "config.json";
    const auto good = toDiffusersDit(ditItems(made), kDepth);
    const auto without = [&](const std::string& name) {
        auto items = good;
        std::erase_if(items, [&](const auto& item) { return item.name == name; });
        return items;
    };
    ASSERT_TRUE(writeSafetensors(file, good));
    EXPECT_NE(reasonOf(file).find("\"sample_size\""), std::string::npos) << reasonOf(file);
    for (const auto* silly :
         {R"({"sample_size": 0, "patch_size": 2})", R"({"sample_size": 5, "patch_size": 2})", R"({"sample_size": 65536, "patch_size": 1})",
          R"({"sample_size": 9000000000000000000, "patch_size": 1})", R"({"sample_size": 4, "patch_size": -1})", R"([4, 2])", "{"}) {
        ASSERT_TRUE(writeFileAtomically(config, silly));
        EXPECT_NE(reasonOf(file), "") << silly;
    }
    ASSERT_TRUE(writeFileAtomically(config, kDitConfig));
    EXPECT_EQ(reasonOf(file), "");
    ASSERT_TRUE(writeSafetensors(file, without("transformer_blocks.1.attn1.to_k.bias")));
    EXPECT_NE(reasonOf(file).find("transformer_blocks.1.attn1.to_k.bias is missing"), std::string::npos) << reasonOf(file);
    auto other = good;
    for (auto& item : other)
        if (item.name == "transformer_blocks.1.norm1.emb.timestep_embedder.linear_2.bias")
            item = made.item(item.name, item.shape);
    ASSERT_TRUE(writeSafetensors(file, other));
    EXPECT_NE(reasonOf(file, "t_embedder.mlp.2.bias").find("t_embedder.mlp.2.bias several times"), std::string::npos);
    EXPECT_EQ(reasonOf(file, "t_embedder.mlp.0.bias"), "");
    std::filesystem::remove(file);
    EXPECT_NE(reasonOf(scratch.path()).find("holds no weights"), std::string::npos);
}

TEST(ForeignLayouts, ADiffusersDitThatIsSplitIsTheSame)
{
    ScratchFolder scratch;
    Made made;
    const auto items = ditItems(made);
    const auto theirs = toDiffusersDit(items, kDepth);
    ASSERT_TRUE(writeFileAtomically(scratch / "config.json", kDitConfig));
    Json index{{"metadata", {{"total_size", 0}}}, {"weight_map", Json::object()}};
    for (std::size_t part = 0; part < 3; ++part) {
        const auto name = fmt::format("diffusion_pytorch_model-{:05}-of-00003.safetensors", part + 1);
        std::vector<SafetensorsItem> some;
        for (auto i = part; i < theirs.size(); i += 3) { // queries, keys and values lie in different files
            some.push_back(theirs[i]);
            index["weight_map"][theirs[i].name] = name;
        }
        ASSERT_TRUE(writeSafetensors(scratch / name, some));
    }
    const auto file = scratch / "diffusion_pytorch_model.safetensors.index.json";
    ASSERT_TRUE(writeFileAtomically(file, index.dump()));
    EXPECT_TRUE(isDiffusersFolder(scratch.path()));
    for (const auto& path : {scratch.path(), file}) {
        const auto read = WeightsFile::open(path);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->layout(), "diffusers");
        EXPECT_EQ(read->files().size(), 3u);
        EXPECT_TRUE(read->manyThreads());
        EXPECT_EQ(read->entries().size(), items.size() + 1);
        for (const auto& item : items)
            EXPECT_EQ(valuesOf(*read, item.name), made.values(item.name)) << item.name;
    }
}

TEST(ForeignLayouts, TheAutoencoderOfAWholeStableDiffusionIsTakenOut)
{
    ScratchFolder scratch;
    Made made;
    const std::vector<SafetensorsItem> items{made.item("first_stage_model.encoder.conv_in.weight", {4, 3, 3, 3}),
                                             made.item("first_stage_model.decoder.conv_in.weight", {4, 4, 3, 3}),
                                             made.item("first_stage_model.decoder.up.1.block.2.nin_shortcut.bias", {4}),
                                             made.item("first_stage_model.decoder.up.0.upsample.conv.bias", {4}),
                                             made.item("first_stage_model.encoder.mid.attn_1.proj_out.weight", {4, 4, 1, 1}),
                                             made.item("model_ema.decay", {1}),
                                             made.item("model.diffusion_model.out.weight", {2})};
    const auto plain = scratch / "sd.safetensors", bare = scratch / "bare.pt", nested = scratch / "sd.ckpt";
    ASSERT_TRUE(writeSafetensors(plain, items));
    ASSERT_TRUE(writeTorch(bare, torchStateDict(items)));
    ASSERT_TRUE(writeTorch(nested, {{"state_dict", torchStateDict(items)}, {"global_step", Json(7)}}));
    for (const auto& file : {plain, bare, nested}) {
        const auto read = WeightsFile::open(file);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->layout(), "latent-diffusion") << file;
        EXPECT_EQ(read->kinds(), std::vector<std::string>{"raw"}) << file;
        std::map<std::string, std::vector<std::int64_t>> shapes;
        for (const auto& entry : read->entries())
            shapes[entry.name] = entry.shape;
        EXPECT_EQ(shapes, (std::map<std::string, std::vector<std::int64_t>>{
                              {"encoder.conv_in.weight", {4, 3, 3, 3}},
                              {"decoder.conv_in.weight", {4, 4, 3, 3}},
                              {"decoder.up_blocks.0.resnets.2.conv_shortcut.bias", {4}}, // levels of the decoder count the other way
                              {"decoder.up_blocks.1.upsamplers.0.conv.bias", {4}},
                              {"encoder.mid_block.attentions.0.to_out.0.weight", {4, 4}}}))
            << file;
        EXPECT_EQ(valuesOf(*read, "encoder.mid_block.attentions.0.to_out.0.weight"),
                  made.values("first_stage_model.encoder.mid.attn_1.proj_out.weight"));
    }
}

TEST(ForeignLayouts, DeepIncubationHasEachTensorTwiceOrInModulesAlone)
{
    ScratchFolder scratch;
    Made made;
    std::vector<SafetensorsItem> usual{made.item("cls_token", {1, 1, 2}), made.item("blocks.0.norm1.weight", {2}),
                                       made.item("blocks.1.norm1.weight", {2}), made.item("blocks.2.norm1.weight", {2}),
                                       made.item("head.bias", {3})};
    const auto as = [&](std::size_t place, const char* name) {
        auto item = usual[place];
        item.name = name;
        return item;
    };
    const std::vector<SafetensorsItem> first{as(0, "cls_token"), as(1, "blocks.0.norm1.weight")},
        second{as(2, "blocks.0.norm1.weight"), as(3, "blocks.1.norm1.weight"), as(4, "head.bias")};
    auto both = usual;
    for (const auto& [prefix, items] : {std::pair("stages.0.", first), {"stages.1.", second}})
        for (auto item : items) {
            item.name = prefix + item.name;
            both.push_back(item);
        }
    const std::vector<TorchNode> modules{{"0", torchStateDict(first)}, {"1", torchStateDict(second)}};
    const auto check = [&](const std::filesystem::path& file) {
        const auto read = WeightsFile::open(file);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(read->layout(), "deep-incubation");
        EXPECT_EQ(read->entries().size(), usual.size());
        for (const auto& item : usual)
            EXPECT_EQ(valuesOf(*read, item.name), made.values(item.name)) << item.name;
    };
    const auto finished = scratch / "finished_checkpoint.pth", alone = scratch / "modules.pth";
    ASSERT_TRUE(writeTorch(finished, {{"model", torchStateDict(both)}, {"model_stages", modules}, {"epoch", Json(99)}}));
    check(finished);
    ASSERT_TRUE(writeTorch(alone, {{"model_stages", modules}, {"epoch", Json(99)}}));
    check(alone);
    both.back() = made.item(both.back().name, both.back().shape);
    ASSERT_TRUE(writeTorch(finished, {{"model", torchStateDict(both)}}));
    EXPECT_NE(reasonOf(finished, "head.bias").find("head.bias several times"), std::string::npos);
    both.back() = made.item(both.back().name, {4});
    ASSERT_TRUE(writeTorch(finished, {{"model", torchStateDict(both)}}));
    EXPECT_NE(reasonOf(finished).find("should be head.bias once more"), std::string::npos) << reasonOf(finished);
}

TEST(ForeignLayouts, TheTableOfStagesOfAutoProgZeroIsKept)
{
    ScratchFolder scratch;
    Made made;
    auto items = ditItems(made);
    const auto file = scratch / "stages.pt";
    items.push_back(made.item("s_embedder.embedding_table.weight", {5, kWidth}));
    const auto state = torchStateDict(items);
    ASSERT_TRUE(writeTorch(file, {{"model", state}, {"ema", state}, {"opt", std::vector<TorchNode>{}}}));
    const auto read = WeightsFile::open(file);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->layout(), "autoprog-zero");
    EXPECT_EQ(read->stages(), 4);
    EXPECT_EQ(read->kinds(), (std::vector<std::string>{"ema", "raw"}));
    EXPECT_EQ(read->entries().size(), items.size());
    for (const char* name : {"y_embedder.embedding_table.weight", "s_embedder.embedding_table.weight"})
        EXPECT_EQ(valuesOf(*read, name), made.values(name)) << name;
}
