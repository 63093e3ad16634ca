// SPDX-License-Identifier: Apache-2.0
#include "core/plan/comparison.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/plan/strategy.h"
#include "core/runs/scalars.h"
#include "tests/core/runs/run_files.h"

#include <gtest/gtest.h>

namespace espalier::plan {
namespace {

constexpr double kBegan = 1'000'000.0; // seconds since 1970

/// Meta model of 60 steps, two modules of 40, 40 steps together: on one clock that ticks a second a step, in the shares given.
class Comparison : public tests::RunFiles {
protected:
    struct Ran {
        runs::RunFolder folder;
        Plan plan;
    };

    static Plan planned()
    {
        auto overlay = config::merge(config::findPreset("vit-assembled-garden")->overlay, {{"training", {{"steps", 0}, {"seconds", 0}}}});
        overlay["schedule"] = {
            {"kind", "assembled"}, {"modules", 2}, {"pt", {{"steps", 60}}}, {"mt", {{"steps", 40}}}, {"ft", {{"steps", 40}}}};
        const auto config = config::read(overlay);
        if (!config)
            throw std::runtime_error(config.error().message);
        auto plan = makeStrategy(*config, {2000})->begin();
        if (!plan)
            throw std::runtime_error(plan.error().message);
        return *std::move(plan);
    }

    /// A point every ten steps, from `begin` on the wall; `seconds` is what the clock showed before.
    static void clock(const runs::RunFolder& folder, int attempt, std::int64_t from, std::int64_t to, double seconds, double begin,
                      double perStep = 1.0)
    {
        std::filesystem::create_directories(folder.scalarsFolder(attempt));
        auto writer = runs::ScalarWriter::create(folder.scalarsFile(attempt, runs::tags::kTrainingSeconds), runs::tags::kTrainingSeconds);
        ASSERT_TRUE(writer) << writer.error().message;
        for (auto step = from + 10; step <= to; step += 10)
            writer->add({step, begin + static_cast<double>(step - from) * perStep, seconds + static_cast<double>(step - from) * perStep});
        ASSERT_TRUE(writer->flush());
    }
    static void tell(const runs::RunFolder& folder, const auto& what, double time)
    {
        std::filesystem::create_directories(folder.root());
        auto events = runs::EventLog::open(folder.eventsFile());
        ASSERT_TRUE(events && events->append(runs::makeEvent(what, time)));
    }
    static runs::Evaluated top1(std::int64_t step, int stage, double value, const std::string& recipe = "Top-1 of 200, EMA")
    {
        return {.step = step, .stage = stage, .weights = "ema", .metric = "top1", .value = value, .recipe = {{"name", recipe}}};
    }

    /// The modules train from second 60: in turn, or at once on two devices.
    Ran assembled(bool beside, const std::string& name = "assembled")
    {
        Ran ran{newRun(name), planned()};
        const double second = beside ? 60.0 : 100.0, whole = beside ? 100.0 : 140.0;
        tell(ran.folder, runs::Started{1, 0, 1, "0"}, kBegan);
        clock(ran.folder, 1, 0, 60, 0.0, kBegan);
        for (int k = 0; k < 2; ++k) {
            const auto branch = ran.folder.branch("module-" + std::to_string(k));
            const double begin = k == 0 ? 60.0 : second;
            tell(branch, runs::Started{1, 60, 1, std::to_string(k)}, kBegan + begin);
            clock(branch, 1, 60, 100, 60.0, kBegan + begin);
        }
        std::filesystem::create_directories(ran.folder.scalarsFolder(2));
        tell(ran.folder, runs::Started{2, 100, 1, "0"}, kBegan + whole);
        tell(ran.folder, runs::Resumed{2, 100}, kBegan + whole);
        clock(ran.folder, 2, 100, 140, 140.0, kBegan + whole);
        tell(ran.folder, top1(60, 0, 90.0), kBegan + 60); // of the meta model: not what this is about
        tell(ran.folder, top1(120, 3, 30.0), kBegan + whole + 20);
        tell(ran.folder, top1(140, 3, 50.0), kBegan + whole + 40);
        for (const auto& [stage, steps, seconds] : {std::tuple("meta", 60, 60.0), std::tuple("module-0", 100, 100.0),
                                                    std::tuple("module-1", 100, 100.0), std::tuple("assembled", 140, 180.0)})
            ran.plan.ledger.push_back(stageFinished(stage, {steps, steps * 10, seconds, 1.0}));
        return ran;
    }
    Ran endToEnd(double perStep = 1.0, const std::string& name = "end-to-end")
    {
        Ran ran{newRun(name), {}};
        tell(ran.folder, runs::Started{1, 0, 1, "0"}, kBegan);
        clock(ran.folder, 1, 0, 180, 0.0, kBegan, perStep);
        for (const auto& [step, value] : {std::pair(60, 10.0), std::pair(120, 40.0), std::pair(180, 45.0)})
            tell(ran.folder, top1(step, 0, value), kBegan + step * perStep);
        return ran;
    }
    static ComparedRun compared(const Ran& ran)
    {
        runs::RunFollower follower(ran.folder.root());
        follower.poll();
        return comparedRun(follower, ran.plan.stages.empty() ? nullptr : &ran.plan);
    }
    static TimesSpent spent(const Ran& ran)
    {
        runs::RunFollower follower(ran.folder.root());
        follower.poll();
        return TimesSpent(follower, ran.plan.stages.empty() ? nullptr : &ran.plan);
    }
};

TEST_F(Comparison, ModulesInTurnTakeAsLongOnTheWallAsOnTheDevice)
{
    const auto times = spent(assembled(false));
    EXPECT_NEAR(times.all().device, 180.0, 1e-6);
    EXPECT_NEAR(times.all().wall, 180.0, 1e-6);
    EXPECT_NEAR(times.untilStep(30).device, 30.0, 1e-6);
    EXPECT_NEAR(times.untilStep(60).device, 60.0, 1e-6);
    EXPECT_NEAR(times.untilStep(120).device, 160.0, 1e-6); // both modules before it
    EXPECT_NEAR(times.untilStep(120).wall, 160.0, 1e-6);
    EXPECT_NEAR(times.untilStep(125).wall, 165.0, 1e-6); // between two reports
}

TEST_F(Comparison, ModulesSideBySideAddUpOnDevicesAndCountOnceOnTheWall)
{
    const auto times = spent(assembled(true));
    EXPECT_NEAR(times.all().device, 180.0, 1e-6);
    EXPECT_NEAR(times.all().wall, 140.0, 1e-6);
    EXPECT_NEAR(times.untilStep(120).device, 160.0, 1e-6);
    EXPECT_NEAR(times.untilStep(120).wall, 120.0, 1e-6);
}

TEST_F(Comparison, EveryRankIsADevice)
{
    Ran ran{newRun("two"), {}};
    tell(ran.folder, runs::Started{1, 0, 2, "0,1"}, kBegan);
    clock(ran.folder, 1, 0, 100, 0.0, kBegan);
    // Killed after its checkpoint of step 60, it goes on a day later on one device.
    tell(ran.folder, runs::Started{2, 60, 1, "0"}, kBegan + 86'400);
    tell(ran.folder, runs::Resumed{2, 60}, kBegan + 86'400);
    clock(ran.folder, 2, 60, 100, 60.0, kBegan + 86'400);
    const auto times = spent(ran);
    EXPECT_NEAR(times.all().device, 2 * 60.0 + 40.0, 1e-6);
    EXPECT_NEAR(times.all().wall, 100.0, 1e-6); // neither the night nor what was lost
    EXPECT_NEAR(times.untilStep(80).device, 2 * 60.0 + 20.0, 1e-6);
}

TEST_F(Comparison, TimeSinceTheLastReportComesFromTheLedger)
{
    auto ran = assembled(false);
    ran.plan.ledger.clear();
    ran.plan.ledger.push_back(stageFinished("meta", {64, 640, 66.0, 1.0}));
    const auto times = spent(ran);
    EXPECT_NEAR(times.untilStep(60).device, 60.0, 1e-6);
    EXPECT_NEAR(times.untilStep(64).device, 66.0, 1e-6);
}

TEST_F(Comparison, EqualDeviceTimeAndEqualWallClockAreTwoQuestions)
{
    const std::vector runs{compared(endToEnd()), compared(assembled(true))};
    ASSERT_EQ(runs[1].series.size(), 1u);
    ASSERT_EQ(runs[1].series[0].points.size(), 2u) << "the meta model is another network";
    const auto device = compare(runs, Equal::DeviceTime);
    ASSERT_TRUE(device) << device.error().message;
    EXPECT_EQ(device->metric, "top1");
    EXPECT_NEAR(device->equal, 180.0, 1e-6);
    EXPECT_EQ(device->rows[0].atEqual->value, 45.0);
    EXPECT_EQ(device->rows[1].atEqual->value, 50.0);
    EXPECT_NEAR(*device->rows[1].reached, 180.0, 1e-6);
    EXPECT_NEAR(*device->rows[1].speedUp, 1.0, 1e-6);

    const auto wall = compare(runs, Equal::WallTime);
    ASSERT_TRUE(wall) << wall.error().message;
    EXPECT_NEAR(wall->equal, 140.0, 1e-6); // when the assembled run had ended
    EXPECT_EQ(wall->rows[0].atEqual->value, 40.0);
    EXPECT_EQ(wall->rows[1].atEqual->value, 50.0);
    EXPECT_NEAR(*wall->rows[1].reached, 140.0, 1e-6);
    EXPECT_NEAR(*wall->rows[1].speedUp, 180.0 / 140.0, 1e-6);
}

TEST_F(Comparison, WhatCannotBeComparedIsSaidInOneSentence)
{
    EXPECT_FALSE(compare({compared(endToEnd())}, Equal::WallTime));
    Ran other{newRun("other"), {}};
    tell(other.folder, top1(10, 0, 5.0, "Top-1 of 50"), kBegan);
    const auto recipes = compare({compared(assembled(true)), compared(other)}, Equal::WallTime);
    ASSERT_FALSE(recipes);
    EXPECT_NE(recipes.error().message.find("no evaluation of one recipe"), std::string::npos);
    Ran none{newRun("none"), {}};
    const auto missing = compare({compared(other), compared(none)}, Equal::WallTime);
    ASSERT_FALSE(missing);
    EXPECT_TRUE(missing.error().message.starts_with("none has measured nothing")) << missing.error().message;
}

} // namespace
} // namespace espalier::plan
