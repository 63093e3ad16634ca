// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

namespace espalier::config {

namespace {

/// Another value that the setting takes, so that a field that is not written or not read shows.
Json otherValue(const Field& field)
{
    if (!field.choices.empty())
        return field.choices.back() != field.def ? field.choices.back() : field.choices.front();
    const auto other = [&](const Json& value) -> Json {
        if (value.is_boolean())
            return !value.get<bool>();
        if (value.is_string())
            return value.get<std::string>() + "x";
        const double max = field.max.is_null() ? 1e9 : field.max.get<double>();
        const double min = field.min.is_null() ? 0.0 : field.min.get<double>();
        if (value.is_number_float())
            return value.get<double>() == 0.5 * (min + max) ? Json(max) : Json(0.5 * (min + max));
        const auto whole = value.get<std::int64_t>();
        return whole + 1 <= max ? std::max(whole + 1, static_cast<std::int64_t>(min)) : whole - 1;
    };
    if (field.def.is_array()) {
        Json list = Json::array();
        for (const auto& element : field.def)
            list.push_back(other(element));
        do
            list.push_back(other(field.element));
        while (list.size() < 2); // as many as a schedule has stages
        return list;
    }
    return other(field.def);
}

} // namespace

TEST(Fields, AreCompleteAndUnique)
{
    std::set<std::string> paths;
    ASSERT_GT(fields().size(), 60u);
    for (const auto& field : fields()) {
        EXPECT_TRUE(paths.insert(field.path).second) << field.path;
        EXPECT_FALSE(field.help.empty()) << field.path;
        EXPECT_EQ(field.help.find('|'), std::string::npos) << field.path;
        EXPECT_FALSE(field.def.is_null()) << field.path;
        EXPECT_EQ(checkValue(field, field.def), std::nullopt) << field.path;
        EXPECT_EQ(findField(field.path), &field);
        Json config = Json::object();
        if (const auto open = field.path.find('['); open != std::string::npos)
            config[field.path.substr(0, open)]["kind"] = field.path.substr(open + 1, field.path.find(']') - open - 1);
        EXPECT_EQ(findField(typedPath(field), config), &field);
    }
    EXPECT_EQ(findField("model[unet].drop_rate"), findField("model.drop_rate"));
    EXPECT_EQ(findField("model.drop"), nullptr);
    EXPECT_EQ(findField("training"), nullptr);
}

TEST(Fields, TheFixedNamesAreThere)
{
    for (const char* path : {"seed", "training.steps", "training.learning_rate", "training.batch_size", "checkpoints.every",
                             "samples.every", "evaluation.every"})
        EXPECT_NE(findField(path), nullptr) << path;
}

TEST(Fields, EveryOneSurvivesARoundTripWithAnotherValue)
{
    std::set<std::string> skipped; // do not fit alone: the next test has them
    for (const auto& field : fields()) {
        if (field.path == "devices")
            continue; // a text with a grammar, below
        Json overlay{{"training", {{"steps", 10}}}};
        const auto value = otherValue(field);
        ASSERT_NE(value, field.def) << field.path;
        ASSERT_EQ(checkValue(field, value), std::nullopt) << field.path << *checkValue(field, value);
        setValue(overlay, field, value);
        // Across fields some of these do not fit; what this test is about is that each value goes in and comes out.
        if (const auto open = field.path.find('['); open != std::string::npos)
            overlay[field.path.substr(0, open)]["kind"] = field.path.substr(open + 1, field.path.find(']') - open - 1);
        if (field.path.starts_with("schedule[assembled]")) {
            // Those of a transformer are blocks, and every phase has an end or none has.
            overlay["model"] = {{"kind", "vit"}, {"depth", 20}};
            for (const auto* phase : {"pt", "mt", "ft"})
                if (auto& own = overlay["schedule"][phase]; !own.contains("steps"))
                    own["steps"] = 3;
            const auto problems = validate(overlay);
            if (!problems.empty())
                skipped.insert(field.path);
            else
                EXPECT_EQ(valueOf(write(*read(overlay)), field), value) << field.path;
            continue;
        }
        const auto model = overlay.contains("model") ? readModel(overlay["model"]) : Result<ModelConfig>(ModelConfig());
        ASSERT_TRUE(model);
        if (overlay.contains("model")) {
            EXPECT_EQ(writeModel(*model)[typedPath(field).substr(6)], value) << field.path;
            continue;
        }
        const auto problems = validate(overlay);
        if (!problems.empty()) {
            skipped.insert(field.path);
            continue;
        }
        const auto config = read(overlay);
        ASSERT_TRUE(config);
        EXPECT_EQ(valueOf(write(*config), field), value) << field.path;
    }
    EXPECT_EQ(skipped, (std::set<std::string>{"data.augment.cutmix",
                                              "data.augment.erase",
                                              "data.augment.label_smoothing",
                                              "data.augment.mixup",
                                              "data.crop",
                                              "data.crop_ratio",
                                              "data.side",
                                              "data.source",
                                              "diffusion.beta_end",
                                              "diffusion.beta_start",
                                              "diffusion.model_var_type",
                                              "evaluation.metric",
                                              "evaluation.sampler.guidance",
                                              "evaluation.sampler.label",
                                              "evaluation.sampler.stage",
                                              "evaluation.sampler.timestep_respacing",
                                              "init.weights",
                                              "latents.enabled",
                                              "samples.sampler.guidance",
                                              "samples.sampler.label",
                                              "samples.sampler.stage",
                                              "samples.sampler.timestep_respacing",
                                              "schedule[assembled].division",
                                              "schedule[assembled].module",
                                              "schedule[assembled].module_files",
                                              "schedule[assembled].phase",
                                              "schedule[assembled].weights",
                                              "schedule[stages].depth",
                                              "schedule[stages].erase_prob",
                                              "schedule[stages].rand_augment",
                                              "training.ema.decays"}));
}

TEST(Fields, ThoseThatNeedCompanyRoundTripToo)
{
    const Json overlay =
        Json::parse(R"({"devices":"cpu:2","data":{"source":"folder","path":"/x","side":64,"resize":"box","crop_ratio":0.875},
        "training":{"steps":5,"batch_size":64,"micro_batch":8,"accumulation":4,"ema":{"decays":[0.5,0.9]}},
        "diffusion":{"beta_start":0.001,"beta_end":0.002,"timesteps":60},
        "model":{"num_classes":20},"samples":{"sampler":{"guidance":2.5,"label":19}},
        "evaluation":{"metric":"fid","features":"f.pth","sampler":{"guidance":0.5,"label":0}}})");
    const auto config = read(overlay);
    ASSERT_TRUE(config) << config.error().message;
    const auto written = write(*config);
    for (const auto& [group, values] : overlay.items()) {
        if (!values.is_object()) {
            EXPECT_EQ(written[group], values);
            continue;
        }
        for (const auto& [key, value] : values.items()) {
            if (!value.is_object()) {
                EXPECT_EQ(written[group][key], value) << group << "." << key;
            }
        }
    }
    EXPECT_EQ(config->training.ema.decays, (std::vector<double>{0.5, 0.9}));
    for (const auto& [sampler, guidance, label] : {std::tuple{config->samples.sampler, 2.5, 19}, {config->evaluation.sampler, 0.5, 0}}) {
        EXPECT_EQ(sampler.guidance, guidance);
        EXPECT_EQ(sampler.label, label);
    }
    EXPECT_EQ(write(*read(written)).dump(), written.dump());
}

TEST(Fields, LevelsOfAUNetAreWrittenWhereTheyDiffer)
{
    const UNetConfig plain;
    EXPECT_FALSE(writeModel(plain).contains("level_blocks")) << "configurations of before stay the same, byte for byte";
    const auto model = withLevelBlocks(plain, {1, 3, 1, 2});
    EXPECT_EQ(writeModel(model)["level_blocks"], (Json{1, 3, 1, 2}));
    EXPECT_EQ(*readModel(writeModel(model)), ModelConfig(model));
    EXPECT_EQ(blocksOfLevels(model), (std::vector<std::int64_t>{1, 3, 1, 2}));
    EXPECT_EQ(blocksOfLevels(plain), (std::vector<std::int64_t>{2, 2, 2, 2}));
    EXPECT_EQ(withLevelBlocks(model, {2, 2, 2, 2}), plain);
    const Json before{{"training", {{"steps", 3}}}}, after{{"training", {{"steps", 3}}}, {"model", {{"level_blocks", {1, 3, 1, 2}}}}};
    const auto differences = difference(write(*read(before)), write(*read(after)));
    ASSERT_EQ(differences.size(), 1u);
    EXPECT_EQ(differences.front().path, "model.level_blocks");
    EXPECT_EQ(changedPaths(write(*read(after))).front(), "model.level_blocks");
}

TEST(Fields, ALearnedVarianceAndARespacedSamplerRoundTrip)
{
    const auto config = read(Json::parse(R"({"training":{"steps":5},"model":{"kind":"dit","learn_sigma":true},
        "diffusion":{"model_var_type":"learned-range","loss_type":"rescaled-mse"},
        "samples":{"sampler":{"kind":"ddpm","timestep_respacing":"10,15,20","clip_denoised":false,"guidance_channels":"first-three"}},
        "evaluation":{"sampler":{"timestep_respacing":"ddim25"}}})"));
    ASSERT_TRUE(config) << config.error().message;
    const auto written = write(*config);
    EXPECT_EQ(written["diffusion"]["model_var_type"], "learned-range");
    EXPECT_EQ(written["diffusion"]["loss_type"], "rescaled-mse");
    EXPECT_EQ(written["samples"]["sampler"]["timestep_respacing"], "10,15,20");
    EXPECT_EQ(written["samples"]["sampler"]["clip_denoised"], false);
    EXPECT_EQ(written["samples"]["sampler"]["guidance_channels"], "first-three");
    EXPECT_EQ(config->evaluation.sampler.timestepRespacing, "ddim25");
    EXPECT_EQ(write(*read(written)).dump(), written.dump());
}

TEST(Fields, SchedulesRoundTripWithTheirModel)
{
    const auto vit = read(Json::parse(R"({"training":{"steps":5},"model":{"kind":"vit","depth":4},
        "schedule":{"kind":"stages","stages":3,"depth":[2,3,4],"rand_augment":[0,4,9],"erase_prob":[0,0.1,0.25],"trainable":"head;all;all"}})"));
    ASSERT_TRUE(vit) << vit.error().message;
    const auto& stages = std::get<StagesSchedule>(vit->schedule);
    EXPECT_EQ(stages.depth, (std::vector<std::int64_t>{2, 3, 4}));
    EXPECT_EQ(stages.randAugment, (std::vector<std::int64_t>{0, 4, 9}));
    EXPECT_EQ(stages.eraseProb, (std::vector<double>{0.0, 0.1, 0.25}));
    EXPECT_EQ(stages.trainable, "head;all;all");
    EXPECT_TRUE(stages.side.empty());
    const auto written = write(*vit);
    EXPECT_EQ(written["schedule"]["kind"], "stages");
    EXPECT_EQ(written["schedule"]["side"], Json::array());
    EXPECT_EQ(std::get<StagesSchedule>(read(written)->schedule), stages);

    const auto dit = read(Json::parse(R"({"training":{"steps":5},"model":{"kind":"dit","num_stages":4},
        "schedule":{"kind":"autoprog-zero","freeze_non_block":true},"samples":{"sampler":{"stage":3}},"evaluation":{"sampler":{"stage":0}}})"));
    ASSERT_TRUE(dit) << dit.error().message;
    EXPECT_TRUE(std::get<AutoProgZeroSchedule>(dit->schedule).freezeNonBlock);
    EXPECT_EQ(dit->samples.sampler.stage, 3);
    EXPECT_EQ(dit->evaluation.sampler.stage, 0);
    EXPECT_EQ(write(*read(write(*dit))).dump(), write(*dit).dump());

    const auto parts = read(Json::parse(R"({"training":{"steps":5},"model":{"kind":"vit","depth":5},
        "schedule":{"kind":"assembled","modules":2,"division":[2,3],"phase":"MT","module":1,"meta_from":"/m","module_files":"/a;","weights":"ema",
        "mt":{"batch_size":32}}})"));
    ASSERT_TRUE(parts) << parts.error().message;
    const auto& assembled = std::get<AssembledSchedule>(parts->schedule);
    EXPECT_EQ(assembled.division, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(assembled.phase, Phases::Modules);
    EXPECT_EQ(assembled.module, 1);
    EXPECT_EQ(assembled.mt.batchSize, 32);
    EXPECT_EQ(*moduleFiles(assembled, 2), (std::vector<std::string>{"/a", ""}));
    EXPECT_EQ(std::get<AssembledSchedule>(read(write(*parts))->schedule), assembled);
}

TEST(Fields, FoldersAreCutAsAdmDoes)
{
    const auto config = read(Json::parse(R"({"training":{"steps":5},"data":{"source":"folder","path":"/x","crop":"adm"}})"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->data.crop, CentreCrop::Adm);
    EXPECT_EQ(write(*config)["data"]["crop"], "adm");
}

TEST(Fields, LatentsRoundTripWithTheirAutoencoder)
{
    const auto config =
        read(Json::parse(R"({"training":{"steps":5},"model":{"kind":"dit"},"latents":{"enabled":true,"vae":"/vae","tile_side":256}})"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->latents.enabled);
    EXPECT_EQ(write(*config)["latents"]["vae"], "/vae");
    EXPECT_EQ(write(*config)["latents"]["tile_side"], 256);
}

TEST(Fields, DocumentsReadBackAndListWhatChanged)
{
    auto config = *read(Json::parse(R"({"training":{"steps":80,"learning_rate":0.001}})"));
    const auto json = document(config);
    EXPECT_EQ(json["schema"], 1);
    EXPECT_EQ(json["changed"], Json::parse(R"(["training.steps","training.learning_rate"])"));
    const auto back = readDocument(Json::parse(json.dump()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(write(*back).dump(), write(config).dump());
}

TEST(Fields, DocumentsOfOtherSchemasAreExplained)
{
    auto json = document(*read(Json::parse(R"({"training":{"steps":80}})")));
    json["schema"] = 2;
    EXPECT_NE(readDocument(json).error().message.find("schema 2"), std::string::npos);
    json["schema"] = 0;
    EXPECT_FALSE(readDocument(json));
    json["schema"] = "1";
    EXPECT_EQ(readDocument(json).error().code, ErrorCode::Format);
    EXPECT_FALSE(readDocument(Json::array()));
    EXPECT_FALSE(readDocument(Json(3)));
}

TEST(Fields, TheFirstSchemaIsReadForEver)
{
    std::ifstream file(ESPALIER_SOURCE_DIR "/tests/core/config/config_schema_1.json");
    const auto json = Json::parse(file);
    ASSERT_EQ(json["schema"], 1);
    const auto config = readDocument(json);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->training.steps, 80);
    EXPECT_EQ(config->devices, "cpu:2");
    EXPECT_EQ(std::get<UNetConfig>(config->model).chMultipliers, (std::vector<std::int64_t>{1, 2}));
    const auto written = write(*config);
    for (const auto* field : activeFields(json["config"])) // nothing of an old file is lost
        EXPECT_EQ(valueOf(written, *field), valueOf(json["config"], *field)) << field->path;
}

} // namespace espalier::config
