// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/cost.h"
#include "core/shapes/parameters.h"
#include "core/shapes/parts.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <regex>
#include <set>

namespace espalier::shapes {

namespace {

Json readGolden(const char* file)
{
    std::ifstream stream(tests::goldenFolder() / file);
    return Json::parse(stream);
}

/// "DiT-XL/2" on latents of that side, as the published constructor makes it.
ModelShape publishedDit(const std::string& name, std::int64_t side)
{
    struct Size {
        const char* letters;
        std::int64_t depth, width, heads;
    };
    config::DitConfig dit{.learnSigma = true, .numClasses = 1000};
    for (const auto& size : {Size{"S", 12, 384, 6}, {"B", 12, 768, 12}, {"L", 24, 1024, 16}, {"XL", 28, 1152, 16}}) {
        if (name.substr(4, name.find('/') - 4) == size.letters)
            dit.depth = size.depth, dit.hiddenSize = size.width, dit.numHeads = size.heads;
    }
    dit.patchSize = std::stoll(name.substr(name.find('/') + 1));
    return {4, 8, side, dit};
}

/// A row of totals; "vit_base_patch16_384" says patch and side.
ModelShape publishedVit(const std::string& name, const Json& row)
{
    static const std::regex sizes("patch([0-9]+)_([0-9]+)");
    std::smatch found;
    EXPECT_TRUE(std::regex_search(name, found, sizes));
    config::VitConfig vit{.patchSize = std::stoll(found[1]),
                          .hiddenSize = row["dim"],
                          .depth = row["depth"],
                          .numHeads = row["heads"],
                          .numClasses = 1000,
                          .qkvBias = row["qkv_bias"],
                          .normEpsilon = row["norm_eps"]};
    if (row.contains("mlp_hidden"))
        vit.mlpRatio = row["mlp_hidden"].get<double>() / row["dim"].get<double>();
    return {3, 0, std::stoll(found[2]), vit};
}

void expectTable(const Json& wanted, const ModelShape& shape)
{
    const auto table = parameterTable(shape);
    ASSERT_EQ(table.size(), wanted.size());
    for (std::size_t i = 0; i < table.size(); ++i) {
        EXPECT_EQ(table[i].name, wanted[i][0]);
        EXPECT_EQ(Json(table[i].shape), wanted[i][1]) << table[i].name;
    }
}

} // namespace

TEST(DitNamesGolden, CountsNamesAndShapesAreThePublishedOnes)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "dit/names.json");
    const auto json = readGolden("dit/names.json");
    int counted = 0, listed = 0;
    for (const auto& [key, side] : {std::pair{"counts_256", 32}, {"counts_512", 64}}) {
        for (const auto& [name, wanted] : json[key].items()) {
            const auto shape = publishedDit(name, side);
            ASSERT_TRUE(checkShape(shape));
            EXPECT_EQ(parameterCount(shape), wanted["parameters"]) << name;
            EXPECT_EQ(trainedCount(shape), wanted["trainable"]) << name;
            EXPECT_EQ(parameterTable(shape).size(), wanted["tensors"].get<std::size_t>()) << name;
            EXPECT_EQ(publishedName(shape.model), name);
            ++counted;
        }
    }
    for (const auto& [name, rows] : json.items()) {
        if (name.starts_with("DiT-")) {
            expectTable(rows, publishedDit(name, 32));
            ++listed;
        }
    }
    EXPECT_GE(counted, 13);
    EXPECT_GE(listed, 1);
}

TEST(DitNamesGolden, FirstValuesFollowThePublishedRules)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "dit/init.json");
    const auto json = readGolden("dit/init.json");
    const config::DitConfig dit{.hiddenSize = 384, .depth = 2, .numHeads = 6, .learnSigma = true, .numClasses = 1000};
    const auto table = parameterTable({4, 8, 32, dit});
    ASSERT_EQ(table.size(), json["parameters"].size());
    for (const auto& parameter : table) {
        const auto& wanted = json["parameters"][parameter.name];
        if (wanted.is_string()) {
            EXPECT_EQ(parameter.init, wanted == "zero" ? Init::Zeros : Init::Fixed) << parameter.name;
            EXPECT_EQ(parameter.trained, wanted == "zero") << parameter.name;
        } else if (wanted["rule"] == "normal") {
            EXPECT_EQ(parameter.init, Init::Normal) << parameter.name;
            EXPECT_DOUBLE_EQ(parameter.bound, wanted["std"].get<double>()) << parameter.name;
        } else {
            EXPECT_EQ(parameter.init, Init::Xavier) << parameter.name;
            EXPECT_NEAR(parameter.bound, wanted["bound"].get<double>(), 1e-12) << parameter.name;
        }
    }
}

TEST(VitNamesGolden, CountsNamesAndShapesAreThePublishedOnes)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "vit/names.json");
    const auto json = readGolden("vit/names.json");
    int counted = 0;
    for (const char* key : {"totals_timm", "totals_deep_incubation"}) {
        for (const auto& [name, wanted] : json[key].items()) {
            const auto shape = publishedVit(name, wanted);
            ASSERT_TRUE(checkShape(shape));
            const auto table = parameterTable(shape);
            EXPECT_EQ(parameterCount(shape), wanted["parameters"]) << name;
            EXPECT_EQ(table.size(), wanted["tensors"].get<std::size_t>()) << name;
            if (wanted.contains("tokens")) {
                EXPECT_EQ(table[1].shape[1], wanted["tokens"]) << name;
            }
            ++counted;
        }
    }
    EXPECT_GE(counted, 15);
    const auto name = json["model"].get<std::string>();
    expectTable(json["parameters"], publishedVit(name, json["totals_timm"][name]));
}

TEST(VitNamesGolden, ModulesOfDeepIncubationAreRangesOfParts)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "assembling/structure.json");
    const auto json = readGolden("assembling/structure.json");
    const auto names = readGolden("vit/names.json")["totals_deep_incubation"];
    int modules = 0;
    for (const auto& [tag, model] : json["models"].items()) {
        for (const auto& [run, wanted] : model.items()) {
            if (run == "name")
                continue;
            auto shape = publishedVit(model["name"], names[model["name"].get<std::string>()]);
            auto& vit = std::get<config::VitConfig>(shape.model);
            const auto& ranges = wanted["block_ranges"];
            vit.depth = ranges.back()[1];
            EXPECT_EQ(parameterCount(shape), wanted["parameters"]) << tag << " " << run;
            for (std::size_t i = 0; i < ranges.size(); ++i, ++modules) {
                std::int64_t elements = 0, tensors = 0;
                for (const auto& parameter : parameterTable(shape)) {
                    const bool mine = contains({"blocks", ranges[i][0], ranges[i][1]}, parameter.part, parameter.block) ||
                                      (i == 0 && parameter.part == "embed") || (i + 1 == ranges.size() && parameter.part == "head");
                    elements += mine ? parameter.elements() : 0;
                    tensors += mine;
                }
                EXPECT_EQ(elements, wanted["parameters_by_module"][i]) << tag << " " << run << " module " << i;
                EXPECT_EQ(tensors, wanted["tensors_by_module"][i]) << tag << " " << run << " module " << i;
            }
        }
    }
    EXPECT_GT(modules, 0);
}

TEST(Transformers, ForwardCostIsThePublishedOne)
{
    // Multiply-adds in thousands of millions, counted by hand in the specification; the paper agrees to 0.02 %.
    const std::tuple<const char*, std::int64_t, double> wanted[] = {
        {"DiT-S/2", 32, 6.056}, {"DiT-S/8", 32, 0.358},    {"DiT-B/4", 32, 5.565},   {"DiT-L/2", 32, 80.698},
        {"DiT-L/8", 32, 5.011}, {"DiT-XL/2", 32, 118.621}, {"DiT-XL/4", 32, 29.044}, {"DiT-XL/2", 64, 524.538}};
    for (const auto& [name, side, macs] : wanted)
        EXPECT_NEAR(forwardFlops(publishedDit(name, side)) / 2e9, macs, 6e-4 + 1e-5 * macs) << name;
}

TEST(Transformers, RecomputingKeepsLess)
{
    config::TrainingConfig training;
    const auto shape = publishedDit("DiT-S/2", 32);
    const auto kept = trainingMemory(shape, training, 8).activations;
    training.recompute = true;
    EXPECT_LT(trainingMemory(shape, training, 8).activations, kept / 4);
}

TEST(Transformers, EveryParameterIsInExactlyOneBlock)
{
    for (const auto& shape : {publishedDit("DiT-S/4", 32), ModelShape{3, 0, 32, config::VitConfig{}}}) {
        std::size_t found = 0;
        for (const auto& part : partsOf(shape)) {
            for (std::int64_t block = 0; block < part.blocks; ++block) {
                EXPECT_TRUE(checkRange(shape, {part.name, block, block + 1}));
                const auto names = parametersOf(shape, {part.name, block, block + 1});
                EXPECT_FALSE(names.empty()) << part.name;
                found += names.size();
            }
        }
        EXPECT_EQ(found, parameterTable(shape).size());
    }
}

TEST(DitNamesGolden, StagesTrainAsManyParametersAsPublished)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "progressive" / "zero.json");
    int compared = 0;
    const auto document = readGolden("progressive/zero.json");
    for (const auto& row : document.at("trainable")) {
        SCOPED_TRACE(row.at("model").get<std::string>() + " at level " + row.at("level").dump());
        auto shape = publishedDit(row.at("model"), 32);
        std::get<config::DitConfig>(shape.model).numStages = 4;
        const auto blocks = row.at("blocks").get<std::set<std::int64_t>>();
        std::int64_t training = 0, all = 0;
        for (const auto& parameter : parameterTable(shape)) {
            if (parameter.name == "s_embedder.embedding_table.weight") {
                EXPECT_EQ(parameter.part, "embed");
            }
            if (!parameter.trained)
                continue;
            const auto count = parameter.elements();
            all += count;
            training += parameter.part != "blocks" || blocks.contains(parameter.block) ? count : 0;
        }
        EXPECT_EQ(training, row.at("parameters").get<std::int64_t>());
        EXPECT_EQ(all, row.at("total").get<std::int64_t>());
        ++compared;
    }
    EXPECT_GE(compared, 12);
}

TEST(Transformers, SayWhatTheyAre)
{
    EXPECT_EQ(describe(publishedDit("DiT-XL/2", 64)), "DiT-XL/2 at 64²");
    EXPECT_EQ(describe({3, 3, 16, config::DitConfig{.hiddenSize = 96, .depth = 4}}), "DiT 96·4/2 at 16²");
    EXPECT_EQ(describe({3, 0, 224, config::VitConfig{.patchSize = 16}}), "ViT-Ti/16 at 224²");
    EXPECT_EQ(describe({3, 0, 0, config::VitConfig{.hiddenSize = 96, .depth = 6}}), "ViT 96·6/4");
}

} // namespace espalier::shapes
