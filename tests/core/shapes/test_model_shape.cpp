// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/shapes/model_shape.h"

#include <gtest/gtest.h>

namespace espalier::shapes {

TEST(ModelShape, ComesFromTheConfigurationAndSurvivesJson)
{
    const auto config = config::read(config::findPreset("smoke")->overlay);
    ASSERT_TRUE(config);
    const auto shape = shapeOf(*config);
    EXPECT_EQ(shape.side, 16);
    EXPECT_EQ(family(shape), "unet");
    EXPECT_EQ(describe(shape), "U-Net 32·1,1 at 16²");
    const auto back = shapeFromJson(Json::parse(toJson(shape).dump()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, shape);
}

TEST(ModelShape, TransformersSayWhatComesOut)
{
    const ModelShape dit{4, 8, 32, config::DitConfig{.learnSigma = true}}, vit{3, 0, 32, config::VitConfig{}};
    for (const auto& shape : {dit, vit}) {
        const auto back = shapeFromJson(toJson(shape));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_EQ(*back, shape);
    }
    for (const auto& [pointer, value] : {std::pair<const char*, Json>{"/out_channels", 4},
                                         {"/side", 33},
                                         {"/model/num_heads", 5},
                                         {"/model/hidden_size", 390},
                                         {"/model/mlp_ratio", 1e300},
                                         {"/model/depth", 0},
                                         {"/model/patch_size", 3}}) {
        auto json = toJson(dit);
        json[Json::json_pointer(pointer)] = value;
        EXPECT_FALSE(shapeFromJson(json)) << pointer << " " << value;
    }
    auto json = toJson(vit);
    json["out_channels"] = 3;
    EXPECT_EQ(shapeFromJson(json).error().message, "out_channels of this vit must be 0; it is 3.");
}

TEST(ModelShape, WhatCannotBeBuiltIsRefused)
{
    const auto good = toJson(ModelShape{});
    const std::pair<const char*, Json> cases[] = {{"/in_channels", 0},
                                                  {"/out_channels", 1000000},
                                                  {"/side", -1},
                                                  {"/side", 36},
                                                  {"/side", "x"},
                                                  {"/model", 3},
                                                  {"/model/kind", "vet"},
                                                  {"/model/kind", "vit"}, // it has no such settings
                                                  {"/model/hid_channels", 1e18},
                                                  {"/model/hid_channels", 33},
                                                  {"/model/num_classes", -1},
                                                  {"/model/ch_multipliers", Json::array()},
                                                  {"/model/apply_attn", Json::array({true})},
                                                  {"/model/nonsense", 1}};
    for (const auto& [pointer, value] : cases) {
        auto json = good;
        json[Json::json_pointer(pointer)] = value;
        EXPECT_FALSE(shapeFromJson(json)) << pointer << " " << value;
    }
    for (const char* key : {"in_channels", "out_channels", "side", "model"}) {
        auto json = good;
        json.erase(key);
        EXPECT_FALSE(shapeFromJson(json)) << key;
    }
    EXPECT_FALSE(shapeFromJson(Json::array()));
}

} // namespace espalier::shapes
