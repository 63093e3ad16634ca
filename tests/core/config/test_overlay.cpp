// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"

#include <gtest/gtest.h>

namespace espalier::config {

namespace {

std::string refusal(const char* assignment)
{
    Json overlay = Json::object();
    const auto applied = applySetting(overlay, assignment);
    EXPECT_EQ(overlay, Json::object()) << "a refused setting leaves the overlay alone";
    return applied ? "" : applied.error().message;
}

} // namespace

TEST(ApplySetting, ReadsEveryType)
{
    const std::pair<const char*, const char*> cases[] = {
        {"training.steps=80", R"({"training":{"steps":80}})"},
        {"training.steps=1e6", R"({"training":{"steps":1000000}})"},
        {"training.steps = 80.0 ", R"({"training":{"steps":80}})"},
        {"training.seconds=12", R"({"training":{"seconds":12.0}})"},
        {"training.learning_rate=3e-4", R"({"training":{"learning_rate":0.0003}})"},
        {"model.drop_rate=0", R"({"model":{"drop_rate":0.0}})"},
        {"model[unet].drop_rate=0.5", R"({"model":{"drop_rate":0.5}})"},
        {"model.kind=unet", R"({"model":{"kind":"unet"}})"},
        {"model.ch_multipliers=1,2,2", R"({"model":{"ch_multipliers":[1,2,2]}})"},
        {"model.ch_multipliers=[1, 2, 2]", R"({"model":{"ch_multipliers":[1,2,2]}})"},
        {"model.apply_attn=false,true", R"({"model":{"apply_attn":[false,true]}})"},
        {"training.ema.decays=0.9", R"({"training":{"ema":{"decays":[0.9]}}})"},
        {"schedule.side=16,32", R"({"schedule":{"side":[16,32]}})"},
        {"schedule.share=1,2.5", R"({"schedule":{"share":[1.0,2.5]}})"},
        {"schedule.side=", R"({"schedule":{"side":[]}})"},
        {"schedule.trainable=head;all", R"({"schedule":{"trainable":"head;all"}})"},
        {"training.ema.decays=[]", R"({"training":{"ema":{"decays":[]}}})"},
        {"data.flip=false", R"({"data":{"flip":false}})"},
        {"data.path=/a b/c=d", R"({"data":{"path":"/a b/c=d"}})"},
        {"data.path=", R"({"data":{"path":""}})"},
        {"diffusion.beta_schedule=cosine", R"({"diffusion":{"beta_schedule":"cosine"}})"},
    };
    for (const auto& [assignment, expected] : cases) {
        Json overlay = Json::object();
        const auto applied = applySetting(overlay, assignment);
        ASSERT_TRUE(applied) << assignment << ": " << applied.error().message;
        EXPECT_EQ(overlay.dump(), Json::parse(expected).dump()) << assignment;
    }
}

TEST(ApplySetting, SaysWhatIsWrong)
{
    EXPECT_EQ(refusal("training.step=80"), "There is no setting training.step; did you mean training.steps?");
    EXPECT_EQ(refusal("warmup_steps=80"), "There is no setting warmup_steps; did you mean training.warmup_steps?");
    EXPECT_EQ(refusal("qqqqqqqqqqqqqqqqqqqqq=1"), "There is no setting qqqqqqqqqqqqqqqqqqqqq; docs/settings.md lists them all.");
    EXPECT_EQ(refusal("training=3"), "training is a group of settings; set one of them, such as training.steps=….");
    EXPECT_EQ(refusal("training.steps=abc"), "training.steps must be a whole number from 0 to 1e12 steps; it is \"abc\".");
    EXPECT_EQ(refusal("training.steps=1.5"), "training.steps must be a whole number from 0 to 1e12 steps; it is 1.5.");
    EXPECT_EQ(refusal("training.steps=-1"), "training.steps must be a whole number from 0 to 1e12 steps; it is -1.");
    EXPECT_EQ(refusal("training.steps="), "training.steps must be a whole number from 0 to 1e12 steps; it is \"\".");
    EXPECT_EQ(refusal("training.learning_rate=nan"), "training.learning_rate must be a number from 0 to 10; it is nan.");
    EXPECT_EQ(refusal("data.flip=yes"), "data.flip must be true or false; it is \"yes\".");
    EXPECT_EQ(refusal("diffusion.beta_schedule=cosin"), "diffusion.beta_schedule must be one of linear, quad, warmup10, warmup50, const, "
                                                        "jsd, cosine; it is \"cosin\". Did you mean cosine?");
    EXPECT_EQ(refusal("model.ch_multipliers=1,x,2"),
              "model.ch_multipliers must be a list, each element a whole number from 1 to 64; element 2 is \"x\".");
    EXPECT_EQ(refusal("schedule.side=16,0.5"),
              "schedule.side must be a list, each element a whole number from 8 to 1024 pixels; element 2 is 0.5.");
    EXPECT_EQ(refusal("schedule.kind=auto"),
              "schedule.kind must be one of plain, stages, autoprog, autoprog-zero, assembled; it is \"auto\".");
    EXPECT_EQ(refusal("model.kind=dot"), "model.kind must be one of unet, dit, vit; it is \"dot\". Did you mean dit?");
    EXPECT_NE(refusal("training.steps"), "");
    EXPECT_NE(refusal("=3"), "");
    EXPECT_NE(refusal("data.path=a\nb"), "");
    EXPECT_NE(refusal("data.path=\xff\xfe"), "");
}

TEST(ApplySetting, GivesTheSentenceThatTheFileGetsToo)
{
    const auto fromFile = validate(Json::parse(R"({"training":{"steps":-1}})"));
    ASSERT_EQ(fromFile.size(), 1u);
    EXPECT_EQ(fromFile[0].path, "training.steps");
    EXPECT_EQ(fromFile[0].message, refusal("training.steps=-1"));
    EXPECT_EQ(validate(Json::parse(R"({"training":{"step":1}})"))[0].message, refusal("training.step=1"));
}

TEST(Overlay, LaysOneOverTheOther)
{
    const auto merged = merge(Json::parse(R"({"seed":1,"training":{"steps":5,"ema":{"decays":[0.9,0.99]}}})"),
                              Json::parse(R"({"training":{"ema":{"decays":[0.5]}},"samples":{"sampler":{"kind":"ddpm"}}})"));
    EXPECT_EQ(merged.dump(),
              Json::parse(R"({"seed":1,"training":{"steps":5,"ema":{"decays":[0.5]}},"samples":{"sampler":{"kind":"ddpm"}}})").dump());
}

TEST(Overlay, AChangedKindDropsTheSettingsOfTheOther)
{
    const auto merged =
        merge(Json::parse(R"({"model":{"kind":"other","depth":12}})"), Json::parse(R"({"model":{"kind":"unet","drop_rate":0.5}})"));
    EXPECT_EQ(merged.dump(), R"({"model":{"kind":"unet","drop_rate":0.5}})");
    const auto schedule = merge(Json::parse(R"({"schedule":{"kind":"autoprog","may_stay":true}})"),
                                Json::parse(R"({"schedule":{"kind":"stages","side":[16,32]}})"));
    EXPECT_EQ(schedule.dump(), R"({"schedule":{"kind":"stages","side":[16,32]}})");
    const auto same = merge(Json::parse(R"({"model":{"drop_rate":0.25}})"), Json::parse(R"({"model":{"kind":"unet"}})"));
    EXPECT_EQ(same["model"]["drop_rate"], 0.25);
    // kind of a sampler is an ordinary choice: steps and eta stay
    const auto sampler =
        merge(Json::parse(R"({"samples":{"sampler":{"steps":7}}})"), Json::parse(R"({"samples":{"sampler":{"kind":"ddpm"}}})"));
    EXPECT_EQ(sampler["samples"]["sampler"]["steps"], 7);
}

TEST(Overlay, ClearingGivesTheDefaultBack)
{
    Json overlay = Json::object();
    const auto& field = *findField("training.ema.decays");
    clearValue(overlay, field);
    setValue(overlay, field, Json::array({0.5}));
    setValue(overlay, *findField("seed"), 3);
    clearValue(overlay, field);
    EXPECT_EQ(overlay.dump(), R"({"seed":3})");
    EXPECT_EQ(valueOf(overlay, field), field.def);
}

TEST(Overlay, DifferenceNamesPathsAndWhetherTheyMayChange)
{
    auto before = Json::parse(R"({"training":{"steps":80,"batch_size":64}})");
    auto after = Json::parse(R"({"training":{"steps":80.0,"batch_size":32,"images":5}})");
    const auto found = difference(before, after);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].path, "training.images");
    EXPECT_EQ(found[0].change, Change::AtResume);
    EXPECT_EQ(found[0].before, 0);
    EXPECT_EQ(found[1].path, "training.batch_size");
    EXPECT_EQ(found[1].change, Change::Never);
    EXPECT_EQ(found[1].after, 32);
    EXPECT_TRUE(difference(before, before).empty());
}

} // namespace espalier::config
