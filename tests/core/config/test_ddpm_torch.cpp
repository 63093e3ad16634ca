// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"

#include <gtest/gtest.h>

namespace espalier::config {

namespace {

// The published configs/cifar10.json.
const char* const kCifar10 = R"({"dataset":"cifar10",
 "diffusion":{"timesteps":1000,"beta_start":1e-4,"beta_end":0.02,"beta_schedule":"linear","model_mean_type":"eps",
  "model_var_type":"fixed-large","loss_type":"mse"},
 "model":{"in_channels":3,"hid_channels":128,"ch_multipliers":[1,2,2,2],"num_res_blocks":2,"apply_attn":[false,true,false,false],"drop_rate":0.1},
 "train":{"lr":2e-4,"batch_size":128,"grad_norm":1.0,"epochs":2040,"warmup":5000,"use_ema":true,"ema_decay":0.9999}})";

Json changed(const char* pointer, Json value)
{
    auto json = Json::parse(kCifar10);
    json[Json::json_pointer(pointer)] = std::move(value);
    return json;
}

void expectRefused(const Json& json, const std::string& part)
{
    const auto overlay = importDdpmTorch(json);
    ASSERT_FALSE(overlay) << part;
    EXPECT_EQ(overlay.error().code, ErrorCode::Usage);
    EXPECT_NE(overlay.error().message.find(part), std::string::npos) << overlay.error().message;
}

} // namespace

TEST(DdpmTorch, TheShippedCifarConfigurationIsThePreset)
{
    const auto imported = importDdpmTorch(Json::parse(kCifar10));
    ASSERT_TRUE(imported) << imported.error().message;
    const auto fromFile = read(*imported), fromPreset = read(findPreset("ddpm-cifar10")->overlay);
    ASSERT_TRUE(fromFile) << fromFile.error().message;
    ASSERT_TRUE(fromPreset) << fromPreset.error().message;
    for (const auto& d : difference(write(*fromFile), write(*fromPreset)))
        EXPECT_EQ(d.path, "evaluation.images") << d.before << " " << d.after; // no field of theirs says it
    EXPECT_EQ(fromPreset->training.epochs, 2040);
    EXPECT_EQ(fromPreset->training.warmupSteps, 5000);
    EXPECT_EQ(fromPreset->samples.every, 3900);
    EXPECT_EQ(fromPreset->checkpoints.every, 46800);
}

TEST(DdpmTorch, MapsDatasetsAndTrainerFields)
{
    auto json = changed("/dataset", "celeba");
    json["train"].update(
        Json::parse(R"({"use_ema":false,"num_accum":4,"beta1":0.5,"num_workers":6,"num_samples":16,"image_intv":1,"chkpt_intv":2})"));
    json["seed"] = 7;
    const auto overlay = importDdpmTorch(json);
    ASSERT_TRUE(overlay) << overlay.error().message;
    const auto with = merge(*overlay, Json::parse(R"({"data":{"path":"/faces"}})"));
    const auto config = read(with);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->seed, 7);
    EXPECT_EQ(config->data.source, DataSource::Folder);
    EXPECT_EQ(config->data.side, 64);
    EXPECT_EQ(config->data.workers, 6);
    EXPECT_EQ(config->training.accumulation, 4);
    EXPECT_DOUBLE_EQ(config->training.beta1, 0.5);
    EXPECT_TRUE(config->training.ema.decays.empty());
    EXPECT_EQ(config->samples.weights, WeightsChoice::Raw);
    EXPECT_EQ(config->samples.count, 16);
    EXPECT_EQ(config->samples.every, 202599 / 128);
    EXPECT_EQ(config->checkpoints.every, 2 * (202599 / 128));
    EXPECT_EQ((*importDdpmTorch(changed("/dataset", "celeba-hq")))["data"]["side"], 256);
}

TEST(DdpmTorch, ARunGoesOutAndComesBack)
{
    auto other = changed("/dataset", "celeba");
    other["diffusion"].update(
        Json::parse(R"({"timesteps": 500, "beta_schedule": "quad", "model_mean_type": "x_0", "model_var_type": "fixed-small"})"));
    other["model"].update(Json::parse(R"({"hid_channels": 64, "ch_multipliers": [1, 2], "apply_attn": [false, true], "drop_rate": 0.0})"));
    other["train"].update(Json::parse(R"({"use_ema": false, "image_intv": 3, "chkpt_intv": 7, "lr": 1e-5, "num_accum": 2})"));
    other["train"].erase("ema_decay"); // of averages that are not kept
    for (const auto& published : {Json::parse(kCifar10), other}) {
        auto overlay = *importDdpmTorch(published);
        overlay["data"]["path"] = "/faces";
        const auto run = read(overlay);
        ASSERT_TRUE(run) << run.error().message;
        const auto out = exportDdpmTorch(*run);
        ASSERT_TRUE(out) << out.error().message;
        for (const auto& [group, fields] : published.items()) {
            if (!fields.is_object()) {
                EXPECT_EQ((*out)[group], fields) << group;
                continue;
            }
            for (const auto& [key, value] : fields.items())
                EXPECT_EQ((*out)[group][key], value) << group << "." << key;
        }
        auto back = importDdpmTorch(*out);
        ASSERT_TRUE(back) << back.error().message;
        (*back)["data"]["path"] = "/faces";
        EXPECT_TRUE(difference(write(*run), write(*read(*back))).empty());
    }
}

TEST(DdpmTorch, WhatThatCodeLacksGetsNoConfiguration)
{
    const auto refusal = [](const char* path, const Json& value) {
        auto overlay = findPreset("ddpm-cifar10")->overlay;
        setValue(overlay, *findField(path), value);
        const auto run = read(overlay);
        EXPECT_TRUE(run) << run.error().message;
        const auto out = exportDdpmTorch(*run);
        EXPECT_FALSE(out) << path;
        return out ? "" : out.error().message;
    };
    EXPECT_NE(refusal("diffusion.beta_schedule", "cosine").find("schedule cosine"), std::string::npos);
    EXPECT_NE(refusal("model.num_classes", 10).find("told no classes"), std::string::npos);
    const auto small = exportDdpmTorch(*read(findPreset("smoke")->overlay));
    ASSERT_FALSE(small);
    EXPECT_NE(small.error().message.find("side 32, 64 or 256, and this U-Net draws side 16"), std::string::npos) << small.error().message;
}

TEST(DdpmTorch, NamesWhatItDoesNotKnow)
{
    expectRefused(changed("/optimiser", 1), "no field \"optimiser\"");
    expectRefused(changed("/model/hid_chanels", 1), "did you mean hid_channels?");
    expectRefused(changed("/train/lrr", 1), "did you mean lr?");
    expectRefused(changed("/train", 1), "\"train\" must be an object");
    expectRefused(changed("/model", Json::array()), "\"model\" must be an object");
    expectRefused(changed("/dataset", "mnist"), "cifar10, celeba, celebahq to be imported; it is \"mnist\"");
    expectRefused(changed("/dataset", 3), "it is 3");
    expectRefused(changed("/model/in_channels", 1), "model.in_channels must be 3");
    expectRefused(changed("/diffusion/model_var_type", "learned"), "not supported");
    expectRefused(changed("/train/lr", "fast"), "train.lr: training.learning_rate must be a number from 0 to 10; it is \"fast\"");
    expectRefused(changed("/train/use_ema", 1), "train.use_ema must be true or false");
    expectRefused(changed("/train/ema_decay", 2), "train.ema_decay");
    expectRefused(changed("/train/image_intv", -1), "train.image_intv");
    expectRefused(changed("/seed", -1), "seed must be");
    auto json = Json::parse(kCifar10);
    json["train"].erase("warmup");
    expectRefused(json, "train.warmup is missing");
    expectRefused(Json::array(), "must be an object");
}

} // namespace espalier::config
