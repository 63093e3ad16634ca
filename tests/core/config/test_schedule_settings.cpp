// SPDX-License-Identifier: Apache-2.0
#include "core/config/data_side.h"

#include "tests/core/config/problems.h"

namespace espalier::config {

namespace {

constexpr const char* kOfVit = R"({"training":{"steps":10},"model":{"kind":"vit","depth":4}})";
constexpr const char* kOfUNet = R"({"training":{"steps":10}})";
constexpr const char* kOfFeatures = R"({"training":{"steps":10},"data":{"source":"features","path":"/f","side":256,"flip":false},
    "latents":{"enabled":true},"samples":{"every":0},"model":{"kind":"dit"}})";

} // namespace

TEST(ScheduleSettings, AListHasAnEntryForEachStage)
{
    EXPECT_EQ(problemsOf(kOfVit, R"({"schedule":{"kind":"stages","stages":3,"depth":[2,3,4],"side":[16,24,32],"share":[1,1,2.5]}})"), "");
    expectProblem(kOfVit, R"({"schedule":{"kind":"stages","stages":3,"depth":[2,4]}})", "schedule.depth",
                  "must have an entry for each of the 3 stages (schedule.stages), or none; it has 2.");
    expectProblem(kOfVit, R"({"schedule":{"kind":"stages","share":[1,0]}})", "schedule.share", "above 0 for every stage");
}

TEST(ScheduleSettings, EachFamilyGrowsInItsOwnWay)
{
    expectProblem(kOfVit, R"({"schedule":{"kind":"stages","levels":[1,2]}})", "schedule.levels",
                  "must be empty, because a transformer grows");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"stages","depth":[1,2]}})", "schedule.depth", "must be empty, because a U-Net grows");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"stages","erase_prob":[0,0.5]}})", "schedule.erase_prob", "must be empty");
    EXPECT_EQ(problemsOf(kOfUNet, R"({"schedule":{"kind":"stages","levels":[2,4],"drop":[0,0.1]}})"), "");
}

TEST(ScheduleSettings, StagesMaySayTheLengthOfTheRun)
{
    EXPECT_EQ(problemsOf("{}", R"({"schedule":{"kind":"stages","steps":[5,10]}})"), "");
    expectProblem("{}", R"({"schedule":{"kind":"stages","share":[5,10]}})", "training.steps", "The training has no end");
}

TEST(ScheduleSettings, OfAnotherKindAreRefusedAndNotPassedOver)
{
    expectProblem(kOfVit, R"({"schedule":{"side":[16,32]}})", "schedule.side",
                  "schedule.side is a setting of schedule.kind stages; schedule.kind is plain.");
    expectProblem(kOfVit, R"({"schedule":{"stages":3}})", "schedule.stages", "of schedule.kind stages, autoprog, autoprog-zero;");
    expectProblem(kOfUNet, R"({"model":{"depth":3}})", "model.depth",
                  "model.depth is a setting of model.kind dit, vit; model.kind is unet.");
}

TEST(ScheduleSettings, MogrowNeedsAnAverage)
{
    const char* none = R"({"training":{"ema":{"decays":[]}},"schedule":{"kind":"autoprog"}})";
    expectProblem(kOfVit, none, "schedule.growth", "training.ema.decays is empty");
    EXPECT_EQ(problemsOf(kOfVit, R"({"training":{"ema":{"decays":[]}},"schedule":{"kind":"autoprog","growth":"clone"}})"), "");
}

TEST(ScheduleSettings, AutoProgZeroIsToldAsManyStagesAsItHas)
{
    const char* dit = R"({"training":{"steps":10},"model":{"kind":"dit","num_stages":3}})";
    expectProblem(dit, R"({"schedule":{"kind":"autoprog-zero"}})", "model.num_stages", "must be 4, the stages of the schedule");
    EXPECT_EQ(problemsOf(dit, R"({"schedule":{"kind":"autoprog-zero","stages":3}})"), "");
    expectProblem(dit, R"({"schedule":{"kind":"autoprog-zero","stages":3},"search":{"time_weight":0,"ntk_weight":0,"zico_weight":0}})",
                  "search.time_weight", "without a vote");
}

TEST(ScheduleSettings, AutoProgMaySearchOnLatents)
{
    EXPECT_EQ(problemsOf(kOfFeatures, R"({"schedule":{"kind":"autoprog","side_start":1}})"), "") << "among depths";
    EXPECT_EQ(problemsOf(kOfFeatures, R"({"data":{"source":"folder","flip":true},"latents":{"vae":"/v","when":"stage"},
        "schedule":{"kind":"autoprog"}})"),
              "");
}

TEST(ScheduleSettings, LatentsOfOneSideDoNotGrow)
{
    expectProblem(kOfFeatures, R"({"schedule":{"kind":"stages","side":[128,256]}})", "schedule.side", "latents of one side; it has 128.");
    expectProblem(kOfFeatures, R"({"schedule":{"kind":"autoprog-zero"}})", "schedule.side_start", "must be 1");
    EXPECT_EQ(problemsOf(kOfFeatures, R"({"schedule":{"kind":"autoprog-zero","side_start":1}})"), "");
}

TEST(ScheduleSettings, AnAssembledModelIsDealtOutToItsModules)
{
    EXPECT_EQ(problemsOf(kOfVit, R"({"schedule":{"kind":"assembled"}})"), "");
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","modules":3}})", "schedule.modules", "must divide the 4 blocks");
    EXPECT_EQ(problemsOf(kOfVit, R"({"schedule":{"kind":"assembled","modules":3,"division":[1,2,1]}})"), "");
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","modules":3,"division":[2,2]}})", "schedule.division", "it has 2.");
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","modules":2,"division":[2,3]}})", "schedule.division", "it deals out 5.");
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","modules":2,"division":[4,0]}})", "schedule.division", "element 2 is 0");
}

TEST(ScheduleSettings, AnAssembledUNetIsMadeOfItsLevels)
{
    for (const auto* fine : {R"({"schedule":{"kind":"assembled"}})", R"({"schedule":{"kind":"assembled","modules":4}})",
                             R"({"schedule":{"kind":"assembled","pt":{"steps":1,"drop":0.2},"mt":{"steps":1},"ft":{"steps":1}}})"})
        EXPECT_EQ(problemsOf(kOfUNet, fine), "");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"assembled","modules":3}})", "schedule.modules",
                  "schedule.modules must be 4, the levels of the U-Net (model.ch_multipliers), or 0, which takes their number; it is 3.");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"assembled","division":[2,2,2,2]}})", "schedule.division", "must be empty for a U-Net");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"assembled","meta_blocks":17}})", "schedule.meta_blocks", "at most 16 for a U-Net");
    expectProblem(kOfUNet, R"({"schedule":{"kind":"assembled","phase":"MT","meta_from":"/m","module":4}})", "schedule.module",
                  "from 0 to 3");
    const auto modules = [](const char* overlay) {
        const auto config = read(Json::parse(overlay));
        EXPECT_TRUE(config) << config.error().message;
        return modulesOf(std::get<AssembledSchedule>(config->schedule), config->model);
    };
    EXPECT_EQ(modules(R"({"training":{"steps":9},"schedule":{"kind":"assembled"},
        "model":{"ch_multipliers":[1,2,2],"apply_attn":[false,false,true]}})"),
              3);
    EXPECT_EQ(modules(R"({"training":{"steps":9},"schedule":{"kind":"assembled"},"model":{"kind":"vit"}})"), 4);
}

TEST(ScheduleSettings, PhasesOfAnAssembledModelNeedWhatComesBeforeThem)
{
    const auto refused = [](const char* schedule, const char* path, const char* part) {
        const auto overlay = std::string(R"({"schedule":{"kind":"assembled",)") + schedule + "}}";
        expectProblem(kOfVit, overlay.c_str(), path, part);
    };
    refused(R"("phase":"MT")", "schedule.meta_from", "must name the meta model, because schedule.phase is MT");
    refused(R"("phase":"FT","module_files":"/a;;/c;/d")", "schedule.module_files", "module 1 is missing");
    refused(R"("module_files":"/a;/b")", "schedule.module_files", "a place for each of the 4 modules, with ; between them; it has 2");
    refused(R"("phase":"PT","meta_from":"/m")", "schedule.meta_from", "must be empty");
    refused(R"("module":2)", "schedule.module", "because schedule.phase is all and not MT");
    refused(R"("phase":"MT","meta_from":"/m","module":4)", "schedule.module", "from 0 to 3");
    refused(R"("weights":"best")", "schedule.weights", "names no weights");
    refused(R"("weights":"ema:0.5")", "schedule.weights", "is no average of this run, whose training.ema.decays are 0.9999.");
    refused(R"("mt":{"steps":5},"ft":{"epochs":1})", "schedule.pt.epochs", "schedule.pt has no end");
}

TEST(ScheduleSettings, PhasesOfAnAssembledModelHaveSettingsOfTheirOwn)
{
    const char* lengths = R"({"schedule":{"kind":"assembled","pt":{"epochs":3},"mt":{"epochs":1},"ft":{"epochs":1}}})";
    EXPECT_EQ(problemsOf(R"({"model":{"kind":"vit","depth":4}})", lengths), "") << "their lengths are the run's";
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","ft":{"batch_size":96,"micro_batch":64}}})", "schedule.ft.micro_batch",
                  "96 is no multiple of its micro-batch 64");
    expectProblem(kOfVit, R"({"schedule":{"kind":"assembled","ft":{"micro_batch":64,"mix_group":48}}})", "schedule.ft.mix_group",
                  "must divide its micro-batch 64");
    expectProblem(R"({"training":{"steps":10},"model":{"kind":"dit","depth":4}})", R"({"schedule":{"kind":"assembled","mt":{"drop":0.1}}})",
                  "schedule.mt.drop", "a DiT drops nothing");
    expectProblem(kOfVit, R"({"schedule":{"pt":{"steps":3}}})", "schedule.pt.steps", "of schedule.kind assembled; schedule.kind is plain");
    Json overlay = Json::parse(R"({"model":{"kind":"vit","depth":4},"schedule":{"kind":"assembled"}})");
    ASSERT_TRUE(applySetting(overlay, "schedule.mt.data_share=0.5"));
    ASSERT_TRUE(applySetting(overlay, "schedule.pt.steps=9"));
    EXPECT_EQ(overlay["schedule"]["mt"]["data_share"], 0.5);
    EXPECT_FALSE(applySetting(overlay, "schedule.mt.data_share=0"));
}

TEST(ScheduleSettings, SmallerImagesKeepTheirProportions)
{
    DataConfig data;
    data.side = 32;
    data.augment.padding = 4;
    const auto half = atSide(data, 16);
    EXPECT_EQ(half.side, 16);
    EXPECT_EQ(half.augment.padding, 2);
    EXPECT_EQ(atSide(data, 24).augment.padding, 3);
    data.augment.padding = 1;
    EXPECT_EQ(atSide(data, 8).augment.padding, 1); // a padded crop still moves
    data.augment.padding = 3;
    EXPECT_EQ(atSide(data, 16).augment.padding, 2); // 1.5
    EXPECT_EQ(atSide(data, 32).augment.padding, 3);
}

} // namespace espalier::config
