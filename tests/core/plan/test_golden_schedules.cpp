// SPDX-License-Identifier: Apache-2.0
// Schedules, maps of depth, choices and votes beside those of the released code of AutoProg and AutoProg-Zero.
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/plan/growth_map.h"
#include "core/plan/selection.h"
#include "core/plan/strategy.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cmath>

namespace espalier::plan {
namespace {

/// A folder of other cases may lack this topic.
class GoldenSchedules : public testing::Test {
protected:
    void SetUp() override
    {
        for (const auto* name : {"schedules.json", "growth.json", "zero.json"})
            ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "progressive" / name);
    }
};

Json golden(const char* name)
{
    const auto text = readFile(tests::goldenFolder() / "progressive" / name);
    EXPECT_TRUE(text) << name;
    return text ? Json::parse(*text) : Json::object();
}

using Whole = std::vector<std::int64_t>;

std::vector<std::int64_t> placesOf(const std::vector<bool>& flags)
{
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < flags.size(); ++i)
        if (flags[i])
            places.push_back(static_cast<std::int64_t>(i));
    return places;
}

TEST_F(GoldenSchedules, RoundsToMultiplesAsPublished)
{
    const auto rows = golden("schedules.json")["make_divisible"];
    ASSERT_GT(rows.size(), 0u);
    for (const auto& row : rows)
        EXPECT_EQ(roundTo(row[0].get<double>(), row[1].get<std::int64_t>()), row[2].get<std::int64_t>()) << row;
}

TEST_F(GoldenSchedules, GrowsEvenlyAsPublished)
{
    const auto all = golden("schedules.json")["stages"];
    int compared = 0;
    for (const auto& [name, one] : all.items()) {
        const auto& settings = one["settings"];
        const auto stages = settings["stages"].get<std::int64_t>();
        if (settings["r_scale"].get<double>() < 0.0 || settings["l_scale"].get<double>() < 0.0)
            continue;
        EXPECT_EQ(growing(settings["r_scale"].get<double>(), settings["r_max"].get<std::int64_t>(), 32, stages),
                  one["resolution"].get<Whole>())
            << name;
        EXPECT_EQ(growing(settings["l_scale"].get<double>(), settings["l_max"].get<std::int64_t>(), 1, stages), one["depth"].get<Whole>())
            << name;
        ++compared;
    }
    EXPECT_GT(compared, 0);
    const auto zero = golden("zero.json");
    for (const auto& one : zero["schedules"]) {
        const auto stages = one["stages"].get<std::int64_t>();
        EXPECT_EQ(growing(one["r_scale"].get<double>(), one["r_max"].get<std::int64_t>(), 32, stages), one["resolution"].get<Whole>())
            << one;
        EXPECT_EQ(growing(one["l_scale"].get<double>(), 4, 1, stages), one["level"].get<Whole>()) << one;
    }
}

TEST_F(GoldenSchedules, RegularisesAsPublished)
{
    const auto all = golden("schedules.json")["stages"];
    int compared = 0;
    for (const auto& [name, one] : all.items()) {
        SCOPED_TRACE(name);
        const auto& settings = one["settings"];
        const auto scale = [&](const char* key) { return settings[key].get<double>(); };
        if (scale("dp_scale") < 0.0 || scale("re_scale") < 0.0) // what begins late is not offered
            continue;
        ++compared;
        config::RunConfig config;
        config.data.side = settings["r_max"].get<std::int64_t>();
        config.data.augment.operations = 2;
        config.data.augment.magnitude = 9.0;
        config.data.augment.erase = settings["reprob"].get<double>();
        config.model = config::VitConfig{.patchSize = 16,
                                         .hiddenSize = 48,
                                         .depth = settings["l_max"].get<std::int64_t>(),
                                         .numHeads = 3,
                                         .dropPath = settings["drop_path"].get<double>()};
        config.training.steps = 1000;
        config.training.batchSize = 8;
        config.training.ema.decays = {0.9};
        config.schedule = config::AutoProgSchedule{.stages = settings["stages"].get<std::int64_t>(),
                                                   .sideStart = scale("r_scale"),
                                                   .depthStart = scale("l_scale"),
                                                   .sideMultiple = 32,
                                                   .randAugmentStart = scale("aa_scale"),
                                                   .dropStart = scale("dp_scale"),
                                                   .eraseStart = scale("re_scale")};
        config.search.enabled = false;
        const auto plan = makeStrategy(config, {1000})->begin();
        ASSERT_TRUE(plan) << plan.error().message;
        for (std::size_t k = 0; k < plan->stages.size(); ++k) {
            const auto& stage = plan->stages[k];
            const auto& model = std::get<config::VitConfig>(stage.shape.model);
            EXPECT_EQ("rand-m" + std::to_string(stage.strengths.randAugment) + "-mstd0.5-inc1", one["rand_augment"][k]) << k;
            EXPECT_NEAR(model.dropPath, one["drop_path"][k].get<double>(), 1e-9) << k;
            EXPECT_NEAR(stage.strengths.eraseProb, one["random_erasing"][k].get<double>(), 1e-9) << k;
            EXPECT_EQ(model.depth, one["depth"][k].get<std::int64_t>()) << k;
            EXPECT_EQ(sideOf(stage), one["resolution"][k].get<std::int64_t>()) << k;
        }
    }
    EXPECT_GT(compared, 0);
}

TEST_F(GoldenSchedules, MapsDepthsAsPublished)
{
    const auto maps = golden("growth.json")["block_map"];
    ASSERT_GT(maps.size(), 0u);
    for (const auto& map : maps) {
        const auto from = map["from"].get<std::int64_t>(), to = map["to"].get<std::int64_t>();
        EXPECT_EQ(depthMap(from, to), map["source"].get<Whole>()) << map;
        EXPECT_EQ(newPositions(from, to), map["new"].get<Whole>()) << map;
    }
}

TEST_F(GoldenSchedules, KeepsTheBlocksOfASubNetAsPublished)
{
    const auto growth = golden("growth.json");
    for (const auto& one : growth["elastic_vit"]["cases"])
        EXPECT_EQ(
            placesOf(keptBlocks(one["minimum"].get<std::int64_t>(), one["depth"].get<std::int64_t>(), one["maximum"].get<std::int64_t>())),
            one["keep"].get<Whole>())
            << one;
    // The transformers of VOLO-D1: 7 of 9 blocks grow to 14 of 18.
    EXPECT_EQ(placesOf(keptBlocks(7, 11, 14)), (Whole{0, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13}));
    for (std::int64_t least = 1; least <= 8; ++least)
        for (std::int64_t most = least; most <= 2 * least; ++most) {
            auto smaller = keptBlocks(least, least, most);
            for (std::int64_t depth = least; depth <= most; ++depth) {
                const auto kept = keptBlocks(least, depth, most);
                EXPECT_EQ(static_cast<std::int64_t>(placesOf(kept).size()), depth);
                for (std::size_t i = 0; i < kept.size(); ++i)
                    EXPECT_TRUE(kept[i] || !smaller[i]) << "a smaller one lies in a larger one";
                smaller = kept;
            }
        }
}

TEST_F(GoldenSchedules, ChoosesByThePowerLawAsPublished)
{
    const auto cases = golden("schedules.json")["selection"]["cases"];
    ASSERT_GT(cases.size(), 0u);
    for (const auto& one : cases) {
        const auto losses = one["mean_loss"].get<std::vector<double>>(), times = one["time"].get<std::vector<double>>();
        const auto choice = choosePowerLaw(losses, times);
        EXPECT_NEAR(choice.exponent, one["w"].get<double>(), 1e-5) << one;
        EXPECT_EQ(one["candidates"][choice.chosen], one["chosen"]) << one;
        ASSERT_EQ(losses.size(), one["scores"].size());
        for (std::size_t i = 0; i < losses.size(); ++i)
            EXPECT_NEAR(choice.scores[i], one["scores"][i].get<double>(), 1e-4) << one;
        auto scaledTimes = times, scaledLosses = losses;
        for (auto& time : scaledTimes)
            time *= 1000.0;
        for (auto& loss : scaledLosses)
            loss *= 7.0;
        EXPECT_EQ(choosePowerLaw(losses, scaledTimes).chosen, choice.chosen);
        EXPECT_EQ(choosePowerLaw(scaledLosses, times).chosen, choice.chosen);
    }
    EXPECT_NEAR(choosePowerLaw({3.0, 3.0 * std::pow(2.0, -0.25), 3.0 * std::pow(4.0, -0.25)}, {1.0, 2.0, 4.0}).exponent, 0.25, 1e-9);
    EXPECT_EQ(choosePowerLaw({1.5}, {0.1}).chosen, 0u) << "one candidate needs no fit";
    // The third loss is 3 % below the law of the others.
    std::vector<double> losses;
    for (const double time : {1.0, 2.0, 4.0, 8.0})
        losses.push_back(3.0 * std::pow(time, -0.25) * (time == 4.0 ? 0.97 : 1.0));
    const auto below = choosePowerLaw(losses, {1.0, 2.0, 4.0, 8.0});
    EXPECT_NEAR(below.exponent, 0.256943, 1e-6);
    EXPECT_NEAR(below.scores[2], 2.9381, 1e-4);
    EXPECT_EQ(below.chosen, 2u);
    const double nan = std::nan("");
    EXPECT_EQ(choosePowerLaw({nan, 2.0, 3.0}, {0.1, 0.2, 0.1}).chosen, 1u) << "what is not finite is never chosen";
}

TEST_F(GoldenSchedules, VotesAsPublished)
{
    const auto cases = golden("zero.json")["vote"]["cases"];
    ASSERT_GT(cases.size(), 0u);
    for (const auto& one : cases) {
        const auto rounds = one["ntk"].size();
        const auto count = one["candidates"].size();
        std::vector<double> time(count), ntk(count), zico(count);
        for (std::size_t i = 0; i < count; ++i) {
            time[i] = one["time"].back()[i].get<double>();
            for (std::size_t r = 0; r < rounds; ++r) {
                ntk[i] += one["ntk"][r][i].get<double>() / static_cast<double>(rounds);
                zico[i] += one["zico"][r][i].get<double>() / static_cast<double>(rounds);
            }
        }
        const auto result = vote(time, ntk, zico, {});
        EXPECT_EQ(one["candidates"][result.chosen], one["chosen"]) << one;
        for (std::size_t i = 0; i < count; ++i)
            EXPECT_DOUBLE_EQ(result.totals[i], one["totals_in_final_order"][one["candidates"][i].get<std::string>()].get<double>()) << one;
    }
    const double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(vote({0.1, 0.1}, {-infinity, -5.0}, {1.0, 1.0}, {}).chosen, 1u) << "a kernel without a condition is the worst";
    EXPECT_EQ(vote({0.2, 0.1}, {std::nan(""), std::nan("")}, {2.0, 2.0}, {}).chosen, 1u);
    const auto tied = vote({0.1, 0.2, 0.3}, {0.5, 0.5, 0.3}, {0, 0, 0}, {});
    EXPECT_EQ(tied.ranks[1][1], 1.0);
    EXPECT_EQ(tied.ranks[2][1], 3.0) << "after two firsts comes a third";
    const auto chain = vote({0.0, 0.8e-6, 1.6e-6}, {0, 0, 0}, {0, 0, 0}, {});
    EXPECT_EQ(chain.ranks[1][0], 1.0);
    EXPECT_EQ(chain.ranks[2][0], 3.0) << "a group is as long as its first one reaches";
}

TEST_F(GoldenSchedules, UnfreezesAsPublished)
{
    const auto rows = golden("zero.json")["trainable"];
    ASSERT_GT(rows.size(), 0u);
    for (const auto& row : rows) {
        const auto level = row["level"].get<std::int64_t>();
        const auto depth = row["model"].get<std::string>().starts_with("DiT-XL")  ? 28
                           : row["model"].get<std::string>().starts_with("DiT-L") ? 24
                                                                                  : 12;
        EXPECT_EQ(placesOf(unfrozenBlocks(depth, level, 4, true)), row["blocks"].get<Whole>()) << row;
        for (const auto block : placesOf(unfrozenBlocks(depth, level, 4, false)))
            EXPECT_LT(block % 4, level);
    }
    EXPECT_EQ(placesOf(unfrozenBlocks(28, 2, 4, false)), (Whole{0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25}));
}

} // namespace
} // namespace espalier::plan
