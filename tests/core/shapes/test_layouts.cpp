// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/shapes/identify.h"
#include "core/shapes/layouts.h"
#include "core/shapes/parameters.h"
#include "core/shapes/published_settings.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <fstream>

namespace espalier::shapes {

namespace {

const ModelShape kUNet{3, 3, 32, config::UNetConfig{}}, kDit{4, 8, 32, config::DitConfig{.learnSigma = true, .numClasses = 1000}},
    kVit{3, 0, 32, config::VitConfig{}};

std::vector<NamedShape> tensorsOf(const ModelShape& shape)
{
    std::vector<NamedShape> tensors;
    for (const auto& parameter : parameterTable(shape))
        tensors.push_back({parameter.name, parameter.shape});
    return tensors;
}

std::vector<NamedShape> goldenTensors(const char* file, const char* key)
{
    std::ifstream stream(tests::goldenFolder() / file);
    std::vector<NamedShape> tensors;
    const auto document = Json::parse(stream);
    for (const auto& row : document.at(key))
        tensors.push_back({row.at(0).get<std::string>(), row.at(1).get<std::vector<std::int64_t>>()});
    return tensors;
}

} // namespace

TEST(Layouts, EachModelGoesWhereItExists)
{
    using enum Layout;
    EXPECT_EQ(layoutsFor(kUNet), (std::vector{Safetensors, Torch, DdpmTorch}));
    EXPECT_EQ(layoutsFor(kDit), (std::vector{Safetensors, Torch, Dit, Diffusers}));
    EXPECT_EQ(layoutsFor(kVit), (std::vector{Safetensors, Torch, Timm, DeepIncubation}));
    auto told = kUNet;
    std::get<config::UNetConfig>(told.model).numClasses = 10;
    EXPECT_NE(checkLayout(told, DdpmTorch).error().message.find("told no classes"), std::string::npos);
    auto uneven = kUNet;
    std::get<config::UNetConfig>(uneven.model).levelBlocks = {1, 2, 1, 1};
    EXPECT_NE(checkLayout(uneven, DdpmTorch).error().message.find("as many blocks in each level"), std::string::npos);
    EXPECT_NE(checkLayout(kUNet, DeepIncubation).error().message.find("that code has the ViT"), std::string::npos);
    auto narrow = kDit;
    std::get<config::DitConfig>(narrow.model).mlpRatio = 2.0;
    EXPECT_NE(checkLayout(narrow, Diffusers).error().message.find("four times as wide"), std::string::npos);
    EXPECT_NE(checkLayout(kVit, Dit).error().message.find("ViT"), std::string::npos);
    for (const auto& name : layoutNames())
        EXPECT_EQ(nameOf(*layoutOf(name)), name);
    EXPECT_FALSE(layoutOf("onnx"));
}

TEST(Layouts, DiffusersIsToldWhatItsConstructorAsks)
{
    const auto config = diffusersConfig(kDit);
    EXPECT_EQ(config["num_attention_heads"], 6);
    EXPECT_EQ(config["attention_head_dim"], 64);
    EXPECT_EQ(config["num_embeds_ada_norm"], 1000);
    EXPECT_EQ(config["out_channels"], 8);
    EXPECT_EQ(config["sample_size"], 32);
    auto guessed = kDit;
    std::get<config::DitConfig>(guessed.model).numHeads = 1;
    EXPECT_EQ(withDiffusersConfig(guessed, config), kDit);
    for (const auto& silly :
         {Json(), Json{{"num_attention_heads", 5}}, Json{{"num_attention_heads", -6}}, Json{{"num_attention_heads", "6"}}})
        EXPECT_EQ(withDiffusersConfig(guessed, silly), guessed);
}

TEST(PublishedSettings, AreWholeForADitAndAskedForAUNet)
{
    auto pixels = kDit;
    pixels.inChannels = 3, pixels.outChannels = 6;
    for (const auto& [shape, side] : {std::pair(kDit, 256), {pixels, 32}}) {
        auto settings = publishedSettings(shape, "x.pt");
        ASSERT_TRUE(settings) << settings.error().message;
        (*settings)["data"]["path"] = "images";
        (*settings)["training"]["steps"] = 1;
        (*settings)["training"]["steps"] = 1;
        if (side == 256)
            (*settings)["latents"]["vae"] = "vae";
        const auto config = config::read(*settings);
        ASSERT_TRUE(config) << config.error().message;
        EXPECT_EQ(shapeOf(*config), shape);
        EXPECT_EQ(config->data.side, side);
    }
    const auto asked = publishedSettings(kUNet, "x.pt");
    ASSERT_FALSE(asked);
    EXPECT_NE(asked.error().message.find("x.pt holds a U-Net"), std::string::npos);
    EXPECT_NE(asked.error().message.find("--config"), std::string::npos);
    auto many = kDit;
    many.inChannels = 16, many.outChannels = 32;
    EXPECT_FALSE(publishedSettings(many, "x.pt"));
}

TEST(IdentifyGolden, TellsAutoencoderAndInception)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "vae" / "names.json");
    auto vae = goldenTensors("vae/names.json", "names");
    const auto found = identify(vae);
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_TRUE(std::holds_alternative<AutoencoderShape>(found->model));
    EXPECT_EQ(std::get<AutoencoderShape>(found->model), AutoencoderShape{});
    EXPECT_EQ(found->name, "AutoencoderKL 128·1,2,4,4 with 4 latent channels");
    vae.front().shape.front() += 32;
    EXPECT_FALSE(identify(vae));

    auto inception = goldenTensors("metrics/inception_keys.json", "module_state_dict");
    ASSERT_TRUE(identify(inception));
    EXPECT_TRUE(std::holds_alternative<InceptionShape>(identify(inception)->model));
    inception.pop_back();
    EXPECT_FALSE(identify(inception));
}

TEST(CheckBelongs, NamesTheOtherModelOrWhatDoesNotFit)
{
    EXPECT_TRUE(checkBelongs(kDit, tensorsOf(kDit), "x.pt"));
    const auto other = checkBelongs(kUNet, tensorsOf(kDit), "x.pt");
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "x.pt holds a DiT-S/2 at 32², but a U-Net 128·1,2,2,2 at 32² is expected.");
    auto few = tensorsOf(kDit);
    few.resize(few.size() - 9);
    const auto misfit = checkBelongs(kDit, few, "x.pt");
    ASSERT_FALSE(misfit);
    EXPECT_NE(misfit.error().message.find("and 4 more tensors do not fit"), std::string::npos) << misfit.error().message;
}

} // namespace espalier::shapes
