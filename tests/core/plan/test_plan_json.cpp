// SPDX-License-Identifier: Apache-2.0
#include "core/plan/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace espalier::plan {

namespace {

Plan example()
{
    Stage first;
    first.id = "stage-00";
    first.weights = {PartSource{{"embed"}},
                     PartSource{{"in_conv"}},
                     PartSource{{"downsamples", 0, 2}},
                     PartSource{{"downsamples", 2}, PartSource::From::File, "weights.safetensors", {"downsamples", 2, 4}, "ema:0.9999"},
                     PartSource{{"middle"}},
                     PartSource{{"upsamples"}},
                     PartSource{{"out_conv"}}};
    first.trainable = {{"middle"}, {"upsamples", 1, 3}};
    first.length = {100, {}, 2.5};
    first.globalBatch = 16;
    first.devices = "cpu:2";
    Stage second;
    second.id = "stage-01";
    second.branch = "left";
    second.after = {"stage-00"};
    second.weights = {PartSource{}};
    second.length = {{}, 1000, {}};
    return {{first, second}, {stageFinished("stage-00", {100, 1600, 2.25, 1e12})}, {{"kind", "plain"}}};
}

std::string refusal(const char* pointer, Json value)
{
    auto json = toJson(example());
    json[Json::json_pointer(pointer)] = std::move(value);
    const auto plan = planFromJson(json);
    return plan ? "" : plan.error().message;
}

} // namespace

TEST(PlanJson, EverythingSurvives)
{
    const auto plan = example();
    const auto text = toJson(plan).dump(1);
    const auto back = planFromText(text);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, plan);
    EXPECT_EQ(toJson(*back).dump(1), text);
    EXPECT_EQ(toJson(plan)["version"], 1);
}

TEST(PlanJson, WhatASearchTookIsKeptWithWhatItFound)
{
    auto plan = example();
    plan.ledger.push_back({"stage-01-search:0", {{1.0, 2.0}}, true, {1.5, 3e9}});
    plan.left = {0.25, 1e9};
    const auto back = planFromText(toJson(plan).dump());
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, plan);
    EXPECT_EQ(spentOnSearching(*back), (Spent{1.75, 4e9}));
    EXPECT_NE(refusal("/left", {{"seconds", -1.0}, {"flops", 0.0}}).find("numbers from 0"), std::string::npos);
    EXPECT_EQ(endOf({plan.stages, {stageFinished("stage-00", {1, 2, 3.0, 4.0, 5.0, 6.0})}}, "stage-00")->searchFlops, 6.0);
}

TEST(PlanJson, KeepsNumbersThatJsonHasNot)
{
    auto plan = example();
    const double inf = std::numeric_limits<double>::infinity();
    plan.ledger.push_back({"probe", {{std::nan(""), inf, -inf, 0.1}}, false});
    const auto back = planFromText(toJson(plan).dump());
    ASSERT_TRUE(back) << back.error().message;
    const auto& row = back->ledger[1].table[0];
    EXPECT_TRUE(std::isnan(row[0]));
    EXPECT_EQ(row[1], inf);
    EXPECT_EQ(row[2], -inf);
    EXPECT_EQ(row[3], 0.1);
}

TEST(PlanJson, RefusesWhatCannotBeFollowed)
{
    ASSERT_EQ(refusal("/version", 1), "");
    const std::tuple<const char*, Json, const char*> cases[] = {
        {"/version", 2, "version 2"},
        {"/version", 0, "version"},
        {"/version", "1", "a whole number"},
        {"/extra", 1, "unknown field \"extra\""},
        {"/strategy", 3, "an object"},
        {"/stages", Json::array(), "no stages"},
        {"/stages", 3, "a list"},
        {"/stages/0", 3, "stages[0] must be an object"},
        {"/stages/0/id", "../x", "folders"},
        {"/stages/0/id", "", "folders"},
        {"/stages/0/id", "stage-01", "twice"},
        {"/stages/1/branch", "a/b", "folders"},
        {"/stages/0/after", Json::array({"stage-01"}), "circle"},
        {"/stages/0/after", Json::array({"nowhere"}), "no other stage"},
        {"/stages/1/after", Json::array({"stage-00", "stage-00"}), "twice"},
        {"/stages/0/after", Json::array({3}), "stage ids"},
        {"/stages/0/batch", 0, "from 1 to 1000000"},
        {"/stages/0/batch", 1.5, "whole number"},
        {"/stages/0/devices", "tpu", "devices must be"},
        {"/stages/0/shape/side", 36, "multiple of 8"},
        {"/stages/0/side", 12, "multiple of 8"},
        {"/stages/0/side", 64, "its side must be from 1 to 32"},
        {"/stages/0/shape/model/hid_channels", 33, "multiple of 32"},
        {"/stages/0/trainable", Json::parse(R"([{"part":"head"}])"), "no part \"head\""},
        {"/stages/0/weights", Json::array(), "do not fill"},
        {"/stages/0/weights/0/to", Json::parse(R"({"part":"middle"})"), "two sources fill middle"},
        {"/stages/0/weights/0/from", "elsewhere", "fresh, stage or file"},
        {"/stages/0/weights/3/file", "", "must name the file"},
        {"/stages/0/weights/3/weights", "best", "raw or an average"},
        {"/stages/0/length", Json::object(), "no end"},
        {"/stages/0/length/steps", 0, "above zero"},
        {"/stages/0/length/steps", "x", "a whole number"},
        {"/stages/0/length/seconds", -1, "above zero"},
        {"/stages/0/length/epochs", 1, "unknown field"},
        {"/ledger/0/table", Json::array({1}), "rows of numbers"},
        {"/ledger/0/table", Json::parse("[[null]]"), "rows of numbers"},
        {"/ledger/0/wall_clock", 1, "true or false"},
        {"/ledger/1", toJson(example())["ledger"][0], "twice"},
    };
    for (const auto& [pointer, value, part] : cases) {
        const auto message = refusal(pointer, value);
        EXPECT_NE(message.find(part), std::string::npos) << pointer << " = " << value << " gave: " << message;
    }
}

TEST(PlanJson, HostileTextGetsOneSentence)
{
    for (const auto& text : {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string(100000, '['),
                             std::string((std::size_t{16} << 20) + 1, ' ')})
        EXPECT_FALSE(planFromText(text));
    auto json = toJson(example());
    const Json stages(1025, json["stages"][0]);
    json["stages"] = stages;
    EXPECT_NE(planFromText(json.dump()).error().message.find("at most 1024"), std::string::npos);
    const auto text = toJson(example()).dump();
    for (std::size_t length = 0; length < text.size(); length += 29)
        EXPECT_FALSE(planFromText(std::string_view(text).substr(0, length)));
}

} // namespace espalier::plan
