// SPDX-License-Identifier: Apache-2.0
// Checkpoints of published code through the real command line: told, drawn from, written for others, refused.
#include "core/base/position_table.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "core/shapes/autoencoder_shape.h"
#include "core/shapes/parameters.h"
#include "tests/app/worker/real_run.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace espalier {

using formats::TorchNode;

class ForeignCheckpoints : public RealRuns {
protected:
    /// Tensors of a model with the fill of the golden files; they live as long as the test.
    std::vector<formats::SafetensorsItem> tensorsOf(const shapes::ModelShape& shape, const std::string& salt = "")
    {
        std::vector<formats::SafetensorsItem> items;
        for (const auto& parameter : shapes::parameterTable(shape)) {
            m_values.push_back(parameter.init == shapes::Init::Fixed
                                   ? positionTable(parameter.shape[2], static_cast<std::int64_t>(std::sqrt(parameter.shape[1])))
                                   : tests::goldenParameter(salt + parameter.name, parameter.shape));
            items.push_back(
                formats::safetensorsItem(parameter.name, formats::DType::F32, parameter.shape, std::as_bytes(std::span(m_values.back()))));
        }
        return items;
    }
    tests::CliResult draw(const fs::path& from, const fs::path& into, std::vector<std::string> more = {}) const
    {
        std::vector<std::string> words{"sample", "--checkpoint", from.string(), "--num", "2", "--seed", "3", "--out", into.string()};
        words.insert(words.end(), more.begin(), more.end());
        return call(words);
    }
    static std::string pixels(const fs::path& folder)
    {
        const auto text = readFile(folder / "00001.png");
        EXPECT_TRUE(text) << folder;
        return text ? *text : "";
    }

    const shapes::ModelShape m_dit{3, 3, 16, config::DitConfig{.hiddenSize = 64, .depth = 2, .numHeads = 1, .numClasses = 10}};

private:
    std::deque<std::vector<float>> m_values;
};

TEST_F(ForeignCheckpoints, ADitIsToldDrawnFromAndWrittenForDiffusers)
{
    const auto theirs = m_folder / "0000100.pt", folder = m_folder / "diffusers", back = m_folder / "back.pt";
    ASSERT_TRUE(formats::writeTorch(theirs, {{"model", formats::torchStateDict(tensorsOf(m_dit, "raw."))},
                                             {"ema", formats::torchStateDict(tensorsOf(m_dit))},
                                             {"opt", std::vector<TorchNode>{}}}));
    const auto told = call({"inspect", theirs.string(), "--json"});
    ASSERT_EQ(told.status, 0) << told.err;
    EXPECT_EQ(told.json()["model"]["kind"], "dit");
    EXPECT_EQ(told.json()["model"]["classes"], 10);
    EXPECT_EQ(told.json()["model"]["side"], 16);
    EXPECT_EQ(told.json()["weights"], Json({"ema", "raw"}));
    EXPECT_EQ(told.json()["model"]["layouts"], Json({"safetensors", "pt", "dit", "diffusers"}));
    EXPECT_EQ(told.json()["settings"]["data"]["side"], 16);

    ASSERT_EQ(call({"export", theirs.string(), "--to", "diffusers", "--out", folder.string()}).status, 0);
    ASSERT_EQ(call({"export", folder.string(), "--to", "dit", "--out", back.string()}).status, 0);
    const std::vector<std::string> quick{"--sampler", "ddpm", "--timestep-respacing", "3"};
    for (const auto& [from, name] : {std::pair(theirs, "drawn-1"), {folder, "drawn-2"}, {back, "drawn-3"}}) {
        const auto drawn = draw(from, m_folder / name, quick);
        ASSERT_EQ(drawn.status, 0) << drawn.err;
    }
    EXPECT_EQ(pixels(m_folder / "drawn-1"), pixels(m_folder / "drawn-2"));
    EXPECT_EQ(pixels(m_folder / "drawn-1"), pixels(m_folder / "drawn-3"));
    auto raw = quick;
    raw.insert(raw.end(), {"--weights", "raw"});
    ASSERT_EQ(draw(theirs, m_folder / "drawn-raw", raw).status, 0);
    EXPECT_NE(pixels(m_folder / "drawn-1"), pixels(m_folder / "drawn-raw"));
    const auto images = (m_folder / "drawn-1").string();
    const auto measured = call({"evaluate", "--images", images, "--reference", images, "--metrics", "fid", "--features", theirs.string()});
    EXPECT_EQ(measured.status, 1);
    EXPECT_NE(measured.err.find("holds a DiT 64·2/2 at 16², but the Inception network of FID is expected"), std::string::npos)
        << measured.err;
}

TEST_F(ForeignCheckpoints, AnotherModelThanExpectedIsNamed)
{
    const auto theirs = m_folder / "dit.pt";
    ASSERT_TRUE(formats::writeTorch(theirs, formats::torchStateDict(tensorsOf(m_dit))));
    const auto wrong = draw(theirs, m_folder / "drawn", {"--config", (m_folder / "tiny.json").string()});
    EXPECT_NE(wrong.status, 0);
    EXPECT_NE(wrong.err.find("holds a DiT 64·2/2 at 16², but a U-Net 32·1,2 at 16² is expected"), std::string::npos) << wrong.err;
    for (const auto* layout : {"timm", "ddpm-torch"}) {
        const auto refused = call({"export", theirs.string(), "--to", layout, "--out", (m_folder / "no.pt").string()});
        EXPECT_EQ(refused.status, 2);
        EXPECT_NE(refused.err.find("cannot be written as"), std::string::npos) << refused.err;
        EXPECT_FALSE(fs::exists(m_folder / "no.pt"));
    }
    auto few = tensorsOf(m_dit);
    few.erase(few.begin() + 23, few.begin() + 27); // of the second block, but not what its depth is told by
    few.erase(few.begin() + 18, few.begin() + 22);
    ASSERT_TRUE(formats::writeTorch(theirs, formats::torchStateDict(few)));
    const auto nearly = draw(theirs, m_folder / "drawn");
    EXPECT_NE(nearly.err.find("is missing"), std::string::npos) << nearly.err;
    EXPECT_NE(nearly.err.find("and 3 more tensors do not fit"), std::string::npos) << nearly.err;
}

TEST_F(ForeignCheckpoints, AUNetOfTheBaselineIsDrawnFromWithItsConfiguration)
{
    const config::UNetConfig unet{.hidChannels = 32, .chMultipliers = {1, 2}, .numResBlocks = 1, .applyAttn = {false, true}};
    const auto items = tensorsOf({3, 3, 0, unet});
    std::vector<TorchNode> parallel;
    for (const auto& item : items)
        parallel.push_back({"module." + item.name, item});
    const auto theirs = m_folder / "tiny_100.pt", json = m_folder / "published.json";
    ASSERT_TRUE(formats::writeTorch(
        theirs,
        {{"model", parallel},
         {"ema", std::vector<TorchNode>{{"decay", Json(0.9999)}, {"shadow", formats::torchStateDict(items)}, {"num_updates", Json(1)}}},
         {"epoch", Json(1)}}));
    const auto asked = draw(theirs, m_folder / "drawn");
    EXPECT_EQ(asked.status, 2);
    EXPECT_NE(asked.err.find("tiny_100.pt holds a U-Net 32·1,2, and such files do not say how noise was added"), std::string::npos)
        << asked.err;
    EXPECT_NE(asked.err.find("--config"), std::string::npos) << asked.err;
    ASSERT_TRUE(writeFileAtomically(
        json, R"({"dataset": "cifar10", "model": {"in_channels": 3, "hid_channels": 32, "ch_multipliers": [1, 2], "num_res_blocks": 1,
                  "apply_attn": [false, true], "drop_rate": 0.1}, "diffusion": {"timesteps": 50}, "train": {"grad_norm": 1.0, "warmup": 10}})"));
    for (const auto* which : {"ema", "raw"}) {
        const auto drawn =
            draw(theirs, m_folder / which, {"--config", json.string(), "--sampler", "ddim", "--steps", "2", "--weights", which});
        ASSERT_EQ(drawn.status, 0) << drawn.err;
    }
    EXPECT_EQ(pixels(m_folder / "ema"), pixels(m_folder / "raw"));
    ASSERT_EQ(call({"export", theirs.string(), "--to", "ddpm-torch", "--weights", "raw", "--out", (m_folder / "again.pt").string()}).status,
              0);
    const auto again = formats::WeightsFile::open(m_folder / "again.pt");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->entries().size(), items.size());
    for (const auto& entry : again->entries())
        EXPECT_FALSE(entry.name.starts_with("module.")) << entry.name;
    EXPECT_FALSE(fs::exists(m_folder / "again.json")) << "nobody said how noise was added";
}

TEST_F(ForeignCheckpoints, AUNetForTheBaselineBringsItsConfiguration)
{
    const config::UNetConfig unet{.hidChannels = 32, .chMultipliers = {1, 2}, .numResBlocks = 1, .applyAttn = {false, true}};
    const auto theirs = m_folder / "theirs.pt", json = m_folder / "published.json", out = m_folder / "unet.pt";
    ASSERT_TRUE(formats::writeTorch(theirs, formats::torchStateDict(tensorsOf({3, 3, 0, unet}))));
    ASSERT_TRUE(writeFileAtomically(
        json, R"({"dataset": "cifar10", "model": {"hid_channels": 32, "ch_multipliers": [1, 2], "num_res_blocks": 1, "drop_rate": 0.1,
                  "apply_attn": [false, true]}, "diffusion": {"timesteps": 50}, "train": {"grad_norm": 1.0, "warmup": 10}})"));
    const std::vector<std::string> send{"export", theirs.string(), "--to", "ddpm-torch", "--config", json.string(), "--out", out.string()};
    ASSERT_TRUE(writeFileAtomically(m_folder / "unet.json", "{\"mine\": true}"));
    const auto kept = call(send);
    EXPECT_EQ(kept.status, 0) << kept.err;
    EXPECT_NE(kept.err.find("unet.json is there and is something else"), std::string::npos) << kept.err;
    EXPECT_EQ(*readFile(m_folder / "unet.json"), "{\"mine\": true}");
    fs::remove(m_folder / "unet.json");
    ASSERT_EQ(call(send).status, 0);
    EXPECT_EQ(Json::parse(*readFile(m_folder / "unet.json"))["diffusion"]["timesteps"], 50);

    const auto told = call({"inspect", out.string(), "--json"});
    ASSERT_EQ(told.status, 0) << told.err;
    EXPECT_EQ(told.json()["settings"]["diffusion"]["timesteps"], 50) << told.out;
    EXPECT_EQ(call({"inspect", (m_folder / "unet.json").string()}).status, 0);
    const std::vector<std::string> quick{"--sampler", "ddim", "--steps", "2"};
    auto named = quick, given = quick;
    named.insert(named.end(), {"--config", (m_folder / "unet.json").string()});
    given.insert(given.end(), {"--config", json.string()});
    ASSERT_EQ(draw(theirs, m_folder / "drawn-1", given).status, 0);
    ASSERT_EQ(draw(out, m_folder / "drawn-2", named).status, 0);
    ASSERT_EQ(draw(out, m_folder / "drawn-3", quick).status, 0) << "the configuration lies beside it";
    EXPECT_EQ(pixels(m_folder / "drawn-1"), pixels(m_folder / "drawn-2"));
    EXPECT_EQ(pixels(m_folder / "drawn-1"), pixels(m_folder / "drawn-3"));

    auto other = Json::parse(*readFile(m_folder / "unet.json"));
    other["model"]["hid_channels"] = 64; // of another network: it is not taken
    ASSERT_TRUE(writeFileAtomically(m_folder / "unet.json", other.dump()));
    EXPECT_EQ(draw(out, m_folder / "drawn-4", quick).status, 2);
}

TEST_F(ForeignCheckpoints, WeightsInSeveralFilesAreToldWrittenAndDrawnFrom)
{
    const auto whole = m_folder / "whole.pt", folder = m_folder / "split", single = m_folder / "single";
    ASSERT_TRUE(formats::writeTorch(whole, formats::torchStateDict(tensorsOf(m_dit))));
    ASSERT_EQ(call({"export", whole.string(), "--to", "diffusers", "--out", single.string()}).status, 0);
    fs::create_directories(folder);
    fs::copy_file(single / "config.json", folder / "config.json");
    const auto reader = formats::SafetensorsReader::open(single / "diffusion_pytorch_model.safetensors");
    ASSERT_TRUE(reader);
    Json index{{"metadata", Json::object()}, {"weight_map", Json::object()}};
    for (std::size_t part = 0; part < 2; ++part) {
        const auto name = "part-" + std::to_string(part) + ".safetensors";
        std::vector<formats::SafetensorsItem> items;
        for (auto i = part; i < reader->entries().size(); i += 2) {
            const auto& entry = reader->entries()[i];
            items.push_back({entry.name, entry.dtype, entry.shape, [&reader, &entry] { return reader->bytes(entry); }});
            index["weight_map"][entry.name] = name;
        }
        ASSERT_TRUE(formats::writeSafetensors(folder / name, std::move(items)));
    }
    const auto file = folder / "diffusion_pytorch_model.safetensors.index.json";
    ASSERT_TRUE(writeFileAtomically(file, index.dump()));
    const auto told = call({"inspect", file.string(), "--json"});
    ASSERT_EQ(told.status, 0) << told.err;
    EXPECT_EQ(told.json()["kind"], "safetensors");
    EXPECT_EQ(told.json()["files"], Json({"part-0.safetensors", "part-1.safetensors"}));
    EXPECT_EQ(told.json()["tensors"].size(), reader->entries().size());
    EXPECT_EQ(told.json()["model"]["side"], 16);
    const std::vector<std::string> quick{"--sampler", "ddpm", "--timestep-respacing", "3"};
    for (const auto& [from, name] : {std::pair(whole, "drawn-1"), {file, "drawn-2"}, {folder, "drawn-3"}}) {
        const auto drawn = draw(from, m_folder / name, quick);
        ASSERT_EQ(drawn.status, 0) << drawn.err;
        EXPECT_EQ(pixels(m_folder / "drawn-1"), pixels(m_folder / name)) << name;
    }
    const auto back = m_folder / "back.pt", again = m_folder / "again.pt";
    ASSERT_EQ(call({"export", file.string(), "--to", "dit", "--out", back.string()}).status, 0);
    ASSERT_EQ(call({"export", whole.string(), "--to", "dit", "--out", again.string()}).status, 0);
    EXPECT_EQ(*readFile(back, 1u << 30), *readFile(again, 1u << 30)) << "value for value";
    fs::remove(folder / "part-1.safetensors");
    for (const auto* command : {"inspect", "export"}) {
        std::vector<std::string> words{command, file.string()};
        if (std::string_view(command) == "export")
            words.insert(words.end(), {"--out", (m_folder / "no.pt").string()});
        const auto refused = call(words);
        EXPECT_NE(refused.status, 0);
        EXPECT_NE(refused.err.find("lists \"part-1.safetensors\""), std::string::npos) << refused.err;
    }
}

TEST_F(ForeignCheckpoints, AnAutoencoderUnderItsOriginalNamesGoesToDiffusers)
{
    const shapes::AutoencoderShape shape{3, 4, {32, 32}, 1};
    std::deque<std::vector<float>> values;
    std::vector<formats::SafetensorsItem> present, original;
    for (const auto& tensor : shapes::autoencoderTensors(shape)) {
        values.push_back(tests::goldenParameter(tensor.name, tensor.shape));
        auto item = formats::safetensorsItem(tensor.name, formats::DType::F32, tensor.shape, std::as_bytes(std::span(values.back())));
        present.push_back(item);
        for (const auto& [now, then] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
                 {"encoder.down_blocks.", "encoder.down."},
                 {"decoder.up_blocks.0", "decoder.up.1"},
                 {"decoder.up_blocks.1", "decoder.up.0"},
                 {"mid_block.resnets.0", "mid.block_1"},
                 {"mid_block.resnets.1", "mid.block_2"},
                 {"mid_block.attentions.0.group_norm", "mid.attn_1.norm"},
                 {"mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"},
                 {"mid_block.attentions.0.to_", "mid.attn_1."},
                 {".resnets.", ".block."},
                 {".downsamplers.0.", ".downsample."},
                 {".upsamplers.0.", ".upsample."},
                 {"conv_shortcut", "nin_shortcut"},
                 {"conv_norm_out", "norm_out"}})
            if (const auto at = item.name.find(now); at != std::string::npos)
                item.name.replace(at, now.size(), then);
        if (item.name.find("attn_1") != std::string::npos && item.shape.size() == 2)
            item.shape.insert(item.shape.end(), {1, 1});
        original.push_back(std::move(item));
    }
    const auto file = m_folder / "vae-original.safetensors", folder = m_folder / "vae";
    ASSERT_TRUE(formats::writeSafetensors(file, original));
    const auto told = call({"inspect", file.string(), "--json"});
    ASSERT_EQ(told.status, 0) << told.err;
    EXPECT_EQ(told.json()["model"]["kind"], "autoencoder");
    EXPECT_EQ(told.json()["model"]["name"], "AutoencoderKL 32·1,1 with 4 latent channels");
    EXPECT_EQ(told.json()["layout"], "latent-diffusion");
    ASSERT_EQ(call({"export", file.string(), "--to", "diffusers", "--out", folder.string()}).status, 0);
    EXPECT_EQ(Json::parse(*readFile(folder / "config.json"))["block_out_channels"], Json({32, 32}));
    const auto written = formats::SafetensorsReader::open(folder / "diffusion_pytorch_model.safetensors");
    ASSERT_TRUE(written);
    ASSERT_EQ(written->entries().size(), present.size());
    for (const auto& item : present) {
        const auto* entry = written->find(item.name);
        ASSERT_TRUE(entry) << item.name;
        EXPECT_EQ(entry->shape, item.shape) << item.name;
        const auto there = written->bytes(*entry), here = item.bytes();
        EXPECT_TRUE(std::ranges::equal(*there, *here)) << item.name;
    }
}

TEST_F(ForeignCheckpoints, AClassifierOfDeepIncubationGoesToTimm)
{
    const shapes::ModelShape vit{3, 0, 16, config::VitConfig{.hiddenSize = 64, .depth = 2, .numHeads = 1}};
    auto items = tensorsOf(vit);
    const auto once = items.size();
    for (std::size_t i = 0; i < once; ++i) {
        auto again = items[i];
        const bool last = again.name.starts_with("blocks.1.") || again.name.starts_with("norm") || again.name.starts_with("head");
        if (again.name.starts_with("blocks.1."))
            again.name[7] = '0';
        again.name = (last ? "stages.1." : "stages.0.") + again.name;
        items.push_back(std::move(again));
    }
    const auto theirs = m_folder / "finished_checkpoint.pth", timm = m_folder / "timm.pth";
    ASSERT_TRUE(formats::writeTorch(theirs, {{"model", formats::torchStateDict(items)}, {"epoch", Json(9)}}));
    const auto told = call({"inspect", theirs.string(), "--json"});
    EXPECT_EQ(told.json()["layout"], "deep-incubation");
    EXPECT_EQ(told.json()["model"]["kind"], "vit");
    const auto drawn = draw(theirs, m_folder / "drawn");
    EXPECT_NE(drawn.status, 0) << "a classifier draws nothing";
    ASSERT_EQ(call({"export", theirs.string(), "--to", "timm", "--out", timm.string()}).status, 0);
    const auto written = formats::WeightsFile::open(timm);
    ASSERT_TRUE(written);
    EXPECT_EQ(written->entries().size(), once);
    EXPECT_EQ(written->layout(), "");
}

} // namespace espalier
