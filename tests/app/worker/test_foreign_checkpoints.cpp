// SPDX-License-Identifier: Apache-2.0
// Checkpoints of published code through the real command line: told, drawn from, written for others, refused.
#include "core/base/position_table.h"
#include "core/formats/torch_file.h"
#include "core/formats/weights_file.h"
#include "core/shapes/parameters.h"
#include "tests/app/worker/real_run.h"
#include "tests/support/golden.h"

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
