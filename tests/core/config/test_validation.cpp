// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include "tests/core/config/problems.h"

#include <limits>

namespace espalier::config {

namespace {

constexpr const char* kWithALimit = R"({"training":{"steps":10}})";

std::string problemsOf(const char* overlay)
{
    return config::problemsOf(kWithALimit, overlay);
}

void expectProblem(const char* overlay, const std::string& path, const std::string& part)
{
    config::expectProblem(kWithALimit, overlay, path, part);
}

} // namespace

TEST(Validation, TheDefaultsWithALimitAreFine)
{
    EXPECT_EQ(problemsOf("{}"), "");
    EXPECT_TRUE(read(Json::parse(R"({"training":{"seconds":60}})")));
}

TEST(Validation, RefusesWhatTrainsWellAndCannotBeSampled)
{
    expectProblem(R"({"diffusion":{"beta_schedule":"jsd"}})", "diffusion.model_mean_type", "Choose x_0 or mean.");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"beta_schedule":"jsd","model_mean_type":"x_0"}})"), "");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"beta_schedule":"jsd","model_mean_type":"mean"}})"), "");
    expectProblem(R"({"diffusion":{"beta_end":1}})", "diffusion.model_mean_type", "lower diffusion.beta_end");
    expectProblem(R"({"diffusion":{"beta_schedule":"const","beta_end":0.5,"model_mean_type":"mean"}})", "diffusion.model_mean_type",
                  "mean cannot be sampled");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"beta_schedule":"const","beta_end":0.5,"timesteps":100}})"), "");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"beta_schedule":"cosine","timesteps":10000}})"), "");
    for (const auto* schedule : {"linear", "quad", "warmup10", "warmup50", "const"})
        EXPECT_EQ(problemsOf((std::string(R"({"diffusion":{"beta_schedule":")") + schedule + "\"}}").c_str()), "") << schedule;
}

TEST(Validation, CropsAreForWhatCanBeCut)
{
    expectProblem(R"({"data":{"crop":"adm"}})", "data.crop", "for data.source folder");
    expectProblem(R"({"data":{"crop_ratio":0.875}})", "data.crop_ratio", "it is 0.875.");
    EXPECT_EQ(problemsOf(R"({"data":{"source":"folder","path":"x","crop_ratio":0.875}})"), "");
    expectProblem(R"({"data":{"source":"folder","path":"x","crop":"adm","crop_ratio":0.875}})", "data.crop_ratio", "with data.crop adm");
    EXPECT_EQ(problemsOf(R"({"data":{"augment":{"crop":"resized","operations":2}}})"), "");
    expectProblem(R"({"data":{"augment":{"crop_area_min":0.5,"crop_area_max":0.4}}})", "data.augment.crop_area_min",
                  "must not be above data.augment.crop_area_max (0.4); it is 0.5.");
    expectProblem(R"({"data":{"scaled_jpeg":true,"augment":{"crop":"resized"}}})", "data.scaled_jpeg", "turn one of them off");
    expectProblem(R"({"data":{"augment":{"crop":"padded","padding":40}}})", "data.augment.padding", "at most data.side (32 pixels)");
}

TEST(Validation, SoftTargetsAreForClassifiers)
{
    for (const auto* name : {"erase", "mixup", "cutmix", "label_smoothing"})
        expectProblem((std::string(R"({"data":{"augment":{")") + name + "\":0.5}}}").c_str(), std::string("data.augment.") + name,
                      "models that learn to tell classes apart");
}

TEST(Validation, MixedGroupsFitIntoTheMicroBatch)
{
    const auto sentence = [](const char* overlay) {
        const auto lines = problemsOf(overlay);
        return lines.substr(0, lines.find('\n'));
    };
    EXPECT_EQ(sentence(R"({"devices":"cpu:2","data":{"augment":{"mixup":1,"mix_group":24}}})"),
              "data.augment.mix_group: data.augment.mix_group must divide the micro-batch, which is 64 images on 2 workers; it is 24.");
    EXPECT_EQ(sentence(R"({"devices":"cpu","data":{"augment":{"mixup":1,"mix_group":7}}})"),
              "data.augment.mix_group: data.augment.mix_group must be even, because images are mixed in pairs; it is 7.");
    EXPECT_NE(sentence(R"({"devices":"cpu","training":{"batch_size":15},"data":{"augment":{"cutmix":1}}})").find("an even"),
              std::string::npos);
    EXPECT_EQ(sentence(R"({"devices":"cpu:2","data":{"augment":{"mixup":1,"mix_group":16}}})").find("mix_group"), std::string::npos);
}

TEST(Validation, FieldByField)
{
    expectProblem(R"({"trainning":{}})", "trainning", "There is no setting trainning; did you mean training?");
    expectProblem(R"({"training":{"batchsize":3}})", "training.batchsize", "did you mean training.batch_size?");
    expectProblem(R"({"training":{"ema":{"decay":[0.5]}}})", "training.ema.decay", "did you mean training.ema.decays?");
    expectProblem(R"({"training":3})", "training", "must be a group of settings");
    expectProblem(R"({"seed":{"a":1}})", "seed", "a whole number from 0 to 9e15; it is a group of settings");
    expectProblem(R"({"seed":null})", "seed", "it is null");
    expectProblem(R"({"seed":true})", "seed", "it is true");
    expectProblem(R"({"seed":18446744073709551615})", "seed", "it is 18446744073709551615");
    expectProblem(R"({"seed":1e300})", "seed", "it is 1e300");
    expectProblem(R"({"data":{"flip":1}})", "data.flip", "true or false");
    expectProblem(R"({"data":{"source":3}})", "data.source", "one of garden, cifar10, cifar100, folder, features; it is 3");
    expectProblem(R"({"data":{"side":4}})", "data.side", "from 8 to 1024 pixels; it is 4");
    expectProblem(R"({"model":{"drop_rate":0.95}})", "model.drop_rate", "from 0 to 0.9; it is 0.95");
    expectProblem(R"({"model":{"ch_multipliers":3}})", "model.ch_multipliers", "must be a list");
    expectProblem(R"({"model":{"ch_multipliers":[1,[2]]}})", "model.ch_multipliers", "element 2 is [2]");
    expectProblem(R"({"model":{"apply_attn":[0,1,0,0]}})", "model.apply_attn", "each element true or false; element 1 is 0");
    expectProblem(R"({"model":{"kind":"unit"}})", "model.kind", "Did you mean unet?");
    expectProblem(R"({"diffusion":{"beta_start":0}})", "diffusion.beta_start", "from 1e-9 to 1; it is 0");
    expectProblem(R"({"model[unet]":{"drop_rate":0}})", "model[unet]", "There is no setting");
    expectProblem(R"({"training.steps":80})", "training.steps", "There is no setting");
}

TEST(Validation, ReportsEveryFieldAtOnce)
{
    EXPECT_EQ(validate(Json::parse(R"({"seed":-1,"data":{"side":1},"training":{"batch_size":"x"}})")).size(), 3u);
}

TEST(Validation, NumbersThatAreNoneAreRefused)
{
    Json json{{"training", {{"steps", 10}, {"learning_rate", std::numeric_limits<double>::quiet_NaN()}}}};
    EXPECT_EQ(validate(json)[0].message, "training.learning_rate must be a number from 0 to 10; it is nan.");
    json["training"]["learning_rate"] = std::numeric_limits<double>::infinity();
    EXPECT_EQ(validate(json).size(), 1u);
}

TEST(Validation, WholeNumbersMayBeWrittenWithAPoint)
{
    const auto config = read(Json::parse(R"({"training":{"steps":80.0,"images":1e6}})"));
    ASSERT_TRUE(config);
    EXPECT_EQ(config->training.steps, 80);
    EXPECT_EQ(config->training.images, 1000000);
    EXPECT_TRUE(write(*config)["training"]["steps"].is_number_integer());
}

TEST(Validation, AcrossFields)
{
    EXPECT_EQ(validate(Json::object())[0].path, "training.steps");
    expectProblem(R"({"model":{"ch_multipliers":[1,2]}})", "model.apply_attn", "as many elements as model.ch_multipliers (2); it has 4");
    expectProblem(R"({"model":{"ch_multipliers":[2,2],"apply_attn":[false,false]}})", "model.ch_multipliers", "must begin with 1");
    expectProblem(R"({"model":{"ch_multipliers":[],"apply_attn":[]}})", "model.ch_multipliers", "1 to 10 elements");
    expectProblem(R"({"model":{"level_blocks":[1,2]}})", "model.level_blocks",
                  "as many elements as model.ch_multipliers (4), or none; it has 2");
    expectProblem(R"({"model":{"level_blocks":[1,2,17,1]}})", "model.level_blocks", "element 3 is 17");
    EXPECT_EQ(problemsOf(R"({"model":{"level_blocks":[1,2,16,1]}})"), "");
    expectProblem(R"({"model":{"hid_channels":100}})", "model.hid_channels", "the nearest to 100 are 96 and 128");
    expectProblem(R"({"model":{"hid_channels":4096,"ch_multipliers":[1,8],"apply_attn":[true,true]}})", "model.ch_multipliers",
                  "32768 channels");
    expectProblem(R"({"data":{"side":36}})", "data.side", "multiple of 8, because the model halves it 3 times; the nearest are 32 and 40");
    expectProblem(R"({"model":{"block_size":8}})", "data.side", "multiple of 64");
    expectProblem(R"({"data":{"side":256}})", "data.side", "at most 128 pixels for the garden");
    expectProblem(R"({"data":{"source":"cifar10","side":64}})", "data.side", "at most 32 pixels, the size of CIFAR images");
    for (const auto* smaller : {R"({"data":{"side":8}})", R"({"data":{"source":"cifar100","side":16}})"})
        EXPECT_EQ(problemsOf(smaller), "");
    expectProblem(R"({"data":{"source":"folder"}})", "data.path", "must name the folder");
    expectProblem(R"({"devices":"cpu:3"})", "training.batch_size", "the nearest that can are 126 and 129");
    expectProblem(R"({"devices":"cpu:x"})", "devices", "it is \"cpu:x\"");
    expectProblem(R"({"training":{"micro_batch":24,"accumulation":3}})", "training.micro_batch", "(72)");
    expectProblem(R"({"devices":"cpu:2","training":{"micro_batch":16,"accumulation":8}})", "training.micro_batch", "2 workers");
    expectProblem(R"({"data":{"garden_train":100}})", "training.batch_size", "more than the 100 training images");
    expectProblem(R"({"diffusion":{"beta_start":0.5}})", "diffusion.beta_start", "0.5 must not be above diffusion.beta_end 0.02");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"beta_start":0.5,"beta_schedule":"cosine"}})"), "");
    expectProblem(R"({"diffusion":{"timesteps":40},"evaluation":{"sampler":{"steps":40}}})", "samples.sampler.steps",
                  "at most diffusion.timesteps (40)");
    expectProblem(R"({"diffusion":{"loss_weighting":"p2","loss_type":"kl"}})", "diffusion.loss_weighting", "must be none unless");
    expectProblem(R"({"diffusion":{"loss_weighting":"min-snr","model_mean_type":"mean"}})", "diffusion.loss_weighting", "eps or x_0");
    EXPECT_EQ(problemsOf(R"({"diffusion":{"loss_weighting":"min-snr","model_mean_type":"x_0"}})"), "");
    expectProblem(R"({"model":{"kind":"vit"},"evaluation":{"metric":"fd"}})", "evaluation.metric", "must be accuracy");
    expectProblem(R"({"evaluation":{"metric":"accuracy"}})", "evaluation.metric", "must be fd or fid");
    expectProblem(R"({"model":{"kind":"dit","learn_sigma":true}})", "model.learn_sigma", "would never be trained");
    expectProblem(R"({"model":{"kind":"dit"},"diffusion":{"model_var_type":"learned-range"}})", "model.learn_sigma", "must be true");
    expectProblem(R"({"diffusion":{"model_var_type":"learned-range"}})", "diffusion.model_var_type", "U-Net predicts no variance");
    expectProblem(R"({"diffusion":{"loss_type":"rescaled-mse"}})", "diffusion.loss_type", "no bound to rescale");
    expectProblem(R"({"samples":{"sampler":{"timestep_respacing":"ddim37"}}})", "samples.sampler.timestep_respacing", "no whole stride");
    expectProblem(R"({"evaluation":{"sampler":{"timestep_respacing":"ten"}}})", "evaluation.sampler.timestep_respacing", "it is \"ten\"");
    expectProblem(R"({"diffusion":{"model_mean_type":"mean"},"samples":{"sampler":{"kind":"ddpm","timestep_respacing":"250"}}})",
                  "samples.sampler.timestep_respacing", "no level can be passed over");
    expectProblem(R"({"model":{"kind":"dit","patch_size":5}})", "data.side", "multiple of model.patch_size 5");
    expectProblem(R"({"model":{"num_classes":7}})", "model.num_classes", "the images have 10 classes");
    expectProblem(R"({"samples":{"sampler":{"guidance":2}}})", "samples.sampler.guidance", "knows no classes");
    expectProblem(R"({"model":{"num_classes":10,"class_dropout_prob":0},"evaluation":{"sampler":{"guidance":2}}})",
                  "evaluation.sampler.guidance", "never learns");
    expectProblem(R"({"samples":{"sampler":{"label":0}}})", "samples.sampler.label", "knows no classes");
    expectProblem(R"({"model":{"num_classes":10},"samples":{"sampler":{"label":10}}})", "samples.sampler.label", "from -1 to 9");
    expectProblem(R"({"diffusion":{"timesteps":40},"samples":{"sampler":{"kind":"ddpm"}}})", "evaluation.sampler.steps", "it is 50");
    expectProblem(R"({"evaluation":{"metric":"fid"}})", "evaluation.features", "must name the Inception weights file");
    expectProblem(R"({"training":{"ema":{"decays":[0.9,0.9]}}})", "training.ema.decays", "0.9 twice");
    expectProblem(R"({"training":{"ema":{"decays":[]}}})", "samples.weights", "must be raw");
}

TEST(Validation, HostileShapesGetOneSentence)
{
    Json deep = 1;
    for (int i = 0; i < 1000; ++i)
        deep = Json::array({deep});
    EXPECT_EQ(validate(Json{{"seed", deep}}).size(), 1u);
    EXPECT_EQ(validate(Json{{std::string(100000, 'x'), 1}}).size(), 1u);
    EXPECT_LT(validate(Json{{std::string(100000, 'x'), 1}})[0].message.size(), 300u);
    Json many = Json::array();
    for (int i = 0; i < 100000; ++i)
        many.push_back(1);
    EXPECT_EQ(validate(Json{{"model", {{"ch_multipliers", many}}}})[0].message,
              "model.ch_multipliers must have at most 64 elements; it has 100000.");
    for (const Json& json : {Json(), Json(3), Json("x"), Json::array()})
        EXPECT_EQ(validate(json).size(), 1u);
}

} // namespace espalier::config
