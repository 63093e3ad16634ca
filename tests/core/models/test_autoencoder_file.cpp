// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/tensor_files.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/core/models/tiny_autoencoder.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

class AutoencoderFiles : public testing::Test {
protected:
    AutoencoderFiles() { writeTinyAutoencoder(m_scratch.path() / "vae"); }

    std::string refusal(const std::filesystem::path& path) const
    {
        const auto opened = openAutoencoder(path, at::kCPU);
        EXPECT_FALSE(opened);
        return opened ? "" : opened.error().message;
    }
    std::string refusalOf(const char* key, const Json& value) const
    {
        auto config = tinyAutoencoderConfig();
        config[key] = value;
        const auto options = autoencoderOptions(config, "config.json");
        EXPECT_FALSE(options) << key;
        return options ? "" : options.error().message;
    }

    const at::NoGradGuard m_guard;
    const ScratchFolder m_scratch;
    const std::shared_ptr<AutoencoderKL> m_network = tinyAutoencoder();
    const at::Tensor m_image = inputTensor("input:image", {1, 3, 32, 32});
};

/// A tensor's name in the original code.
std::string originalName(std::string name)
{
    const auto replace = [&](std::string_view from, const std::string& to) {
        if (const auto at = name.find(from); at != std::string::npos)
            name.replace(at, from.size(), to);
    };
    for (int level = 0; level < 4; ++level) {
        replace("encoder.down_blocks." + std::to_string(level), "encoder.down." + std::to_string(level));
        replace("decoder.up_blocks." + std::to_string(level), "decoder.up. " + std::to_string(3 - level));
    }
    replace("up. ", "up.");
    replace("mid_block.resnets.0", "mid.block_1");
    replace("mid_block.resnets.1", "mid.block_2");
    replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm");
    replace("mid_block.attentions.0.to_q", "mid.attn_1.q");
    replace("mid_block.attentions.0.to_k", "mid.attn_1.k");
    replace("mid_block.attentions.0.to_v", "mid.attn_1.v");
    replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out");
    replace(".resnets.", ".block.");
    replace(".downsamplers.0.", ".downsample.");
    replace(".upsamplers.0.", ".upsample.");
    replace("conv_shortcut", "nin_shortcut");
    replace("conv_norm_out", "norm_out");
    return name;
}

TEST_F(AutoencoderFiles, AreReadFromFoldersAndAlone)
{
    const auto folder = openAutoencoder(m_scratch.path() / "vae", at::kCPU);
    ASSERT_TRUE(folder) << folder.error().message;
    EXPECT_EQ(folder->file.filename(), "diffusion_pytorch_model.safetensors");
    EXPECT_EQ(folder->network->options().channels, (std::vector<std::int64_t>{8, 8, 8, 16}));
    EXPECT_EQ(folder->network->options().scalingFactor, 0.18215); // older configurations do not say it
    const auto wanted = m_network->encode(m_image);
    // Memory lies otherwise here, which rounds otherwise.
    expectClose(folder->network->encode(m_image).mean, wanted.mean, 1e-5, 1e-4, "mean");
    expectClose(folder->network->decode(wanted.mean), m_network->decode(wanted.mean), 1e-5, 1e-4, "decoded");

    const auto file = openAutoencoder(m_scratch.path() / "vae" / "diffusion_pytorch_model.safetensors", at::kCPU);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->sha256, folder->sha256);
    std::filesystem::rename(m_scratch.path() / "vae", m_scratch.path() / "moved");
    std::filesystem::create_directories(m_scratch.path() / "pipeline");
    std::filesystem::rename(m_scratch.path() / "moved", m_scratch.path() / "pipeline" / "vae");
    EXPECT_TRUE(openAutoencoder(m_scratch.path() / "pipeline", at::kCPU)); // of a whole Stable Diffusion
}

TEST_F(AutoencoderFiles, MayBeSplitOverSeveralFiles)
{
    const auto folder = m_scratch.path() / "split", whole = m_scratch.path() / "vae";
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(whole / "config.json", folder / "config.json");
    Json map;
    tensors::NamedTensors parts[2];
    for (const auto& [name, tensor] : weightsOf(*m_network)) {
        const auto part = map.size() % 2;
        parts[part].emplace_back(name, tensor);
        map[name] = part == 0 ? "a.safetensors" : "b.safetensors";
    }
    ASSERT_TRUE(tensors::writeTensors(folder / "a.safetensors", parts[0]));
    ASSERT_TRUE(tensors::writeTensors(folder / "b.safetensors", parts[1]));
    const auto index = folder / "diffusion_pytorch_model.safetensors.index.json";
    ASSERT_TRUE(writeFileAtomically(index, Json{{"weight_map", map}}.dump()));
    const auto one = openAutoencoder(whole, at::kCPU);
    for (const auto& path : {folder, index}) {
        const auto split = openAutoencoder(path, at::kCPU);
        ASSERT_TRUE(split) << split.error().message;
        EXPECT_EQ(split->file, index);
        EXPECT_EQ(split->encoderSha256, one->encoderSha256) << "the same latents";
        EXPECT_NE(split->sha256, one->sha256);
    }
}

TEST_F(AutoencoderFiles, OlderAndOriginalNamesAreTheSameWeights)
{
    const auto weights = weightsOf(*m_network);
    tensors::TensorMap older, original, stable{{"model.diffusion_model.out.weight", at::zeros({1})}}, halves;
    for (const auto& [name, tensor] : weights) {
        auto old = name;
        for (const auto& [now, then] :
             {std::pair{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}})
            if (const auto at = old.find(now); at != std::string::npos)
                old.replace(at, std::string_view(now).size(), then);
        older.emplace(old, tensor);
        const auto first = originalName(name);
        const bool attention = first.find("attn_1") != std::string::npos && tensor.dim() == 2;
        original.emplace(first, attention ? tensor.view({tensor.size(0), tensor.size(1), 1, 1}) : tensor);
        stable.emplace("first_stage_model." + first, original.at(first));
        halves.emplace(name, tensor.to(at::kBFloat16).to(at::kFloat));
    }
    EXPECT_TRUE(original.contains("decoder.up.3.block.0.conv1.weight"));
    original.emplace("loss.logvar", at::zeros({}));
    const auto file = m_scratch.path() / "vae.safetensors";
    const auto readBack = [&](const tensors::TensorMap& names) {
        EXPECT_TRUE(tensors::writeTensors(file, {names.begin(), names.end()}));
        return tensors::readTensors(file);
    };
    for (const auto* names : {&older, &original, &stable}) {
        const auto present = readBack(*names);
        ASSERT_TRUE(present) << present.error().message;
        ASSERT_EQ(present->size(), weights.size());
        for (const auto& [name, tensor] : weights) {
            ASSERT_TRUE(present->contains(name)) << name;
            EXPECT_TRUE(at::equal(present->at(name), tensor)) << name;
        }
    }
    older.emplace("encoder.mid_block.attentions.0.to_q.weight", weights.at("encoder.mid_block.attentions.0.to_q.weight"));
    EXPECT_NE(readBack(older).error().message.find("under its old and its new name"), std::string::npos);
}

TEST_F(AutoencoderFiles, TheEncoderAloneDecidesLatents)
{
    writeOtherAutoencoder(m_scratch.path() / "decoder", "decoder.");
    writeOtherAutoencoder(m_scratch.path() / "encoder", "encoder.conv_in.");
    writeOtherAutoencoder(m_scratch.path() / "quant", "quant_conv.");
    const auto first = *openAutoencoder(m_scratch.path() / "vae", at::kCPU),
               decoder = *openAutoencoder(m_scratch.path() / "decoder", at::kCPU);
    EXPECT_EQ(first.encoderSha256, decoder.encoderSha256);
    EXPECT_NE(first.sha256, decoder.sha256);
    EXPECT_NE(first.encoderSha256, openAutoencoder(m_scratch.path() / "encoder", at::kCPU)->encoderSha256);
    EXPECT_NE(first.encoderSha256, openAutoencoder(m_scratch.path() / "quant", at::kCPU)->encoderSha256);
}

TEST_F(AutoencoderFiles, WhatWouldBeAnotherNetworkIsRefusedByName)
{
    EXPECT_NE(refusalOf("act_fn", "gelu").find("\"act_fn\" is \"gelu\""), std::string::npos);
    EXPECT_NE(refusalOf("use_quant_conv", false).find("use_quant_conv"), std::string::npos);
    EXPECT_NE(refusalOf("shift_factor", 0.1).find("shift_factor"), std::string::npos);
    EXPECT_NE(refusalOf("down_block_types", {"AttnDownEncoderBlock2D"}).find("down_block_types"), std::string::npos);
    EXPECT_NE(refusalOf("norm_num_groups", 3).find("multiples of norm_num_groups (3)"), std::string::npos);
    EXPECT_NE(refusalOf("norm_num_groups", 0).find("norm_num_groups"), std::string::npos);
    EXPECT_NE(refusalOf("block_out_channels", {8, 1e9}).find("block_out_channels"), std::string::npos);
    EXPECT_NE(refusalOf("layers_per_block", 1000000).find("layers_per_block"), std::string::npos);
    EXPECT_NE(refusalOf("scaling_factor", "x").find("scaling_factor"), std::string::npos);
    EXPECT_NE(autoencoderOptions(Json::array(), "config.json").error().message.find("no JSON object"), std::string::npos);
}

TEST_F(AutoencoderFiles, FilesThatAreNoneSaySo)
{
    EXPECT_NE(refusal(m_scratch.path() / "nothing").find("There is no file or folder"), std::string::npos);
    std::filesystem::create_directories(m_scratch.path() / "empty");
    EXPECT_NE(refusal(m_scratch.path() / "empty").find("diffusion_pytorch_model.safetensors or .bin is expected"), std::string::npos);
    const auto lone = m_scratch.path() / "lone.safetensors";
    std::filesystem::copy_file(m_scratch.path() / "vae" / "diffusion_pytorch_model.safetensors", lone);
    EXPECT_NE(refusal(lone).find("Put its config.json beside it"), std::string::npos); // 8 channels in how many groups?
    auto weights = weightsOf(*m_network);
    weights.erase("decoder.conv_in.bias");
    writeAutoencoder(m_scratch.path() / "less", weights, tinyAutoencoderConfig());
    EXPECT_NE(refusal(m_scratch.path() / "less").find("no tensor decoder.conv_in.bias"), std::string::npos);
    ASSERT_TRUE(tensors::writeTensors(m_scratch.path() / "other.safetensors", {{"weight", at::zeros({2})}}, {}, Sync::No));
    EXPECT_NE(refusal(m_scratch.path() / "other.safetensors").find("holds no autoencoder"), std::string::npos);
}

} // namespace
} // namespace espalier::models
