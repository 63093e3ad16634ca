// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/shapes/parameters.h"
#include "core/shapes/parts.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

namespace espalier::shapes {

namespace {

Json names()
{
    std::ifstream file(tests::goldenFolder() / "unet" / "names.json");
    return Json::parse(file);
}

/// The shape of a published "model" group.
ModelShape shapeOf(Json model)
{
    ModelShape shape;
    shape.inChannels = shape.outChannels = model["in_channels"].get<std::int64_t>();
    model.erase("in_channels");
    shape.side = 0;
    const auto read = config::readModel(model);
    EXPECT_TRUE(read) << read.error().message;
    shape.model = *read;
    return shape;
}

/// "cifar10, block_size 2" is the model of "cifar10" with that block size.
ModelShape shapeOfTotal(const Json& totals, const std::string& name)
{
    const auto comma = name.find(", block_size ");
    auto model = totals[name.substr(0, comma)]["model"];
    if (comma != name.npos)
        model["block_size"] = std::stoll(name.substr(comma + 13));
    return shapeOf(model);
}

/// The precision to which the golden file gives bounds.
std::string nineDigits(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

} // namespace

TEST(UNetNamesGolden, TotalsAreThePublishedOnes)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "unet" / "names.json");
    const auto json = names();
    ASSERT_FALSE(json["totals"].empty());
    for (const auto& [name, total] : json["totals"].items()) {
        const auto shape = shapeOfTotal(json["totals"], name);
        const auto table = parameterTable(shape);
        EXPECT_EQ(parameterCount(shape), total["parameters"]) << name;
        EXPECT_EQ(total.value("buffers", 0), 0) << name << ": every tensor of a U-Net is a parameter";
        if (total.contains("tensors")) {
            EXPECT_EQ(table.size(), total["tensors"].get<std::size_t>()) << name;
        }
        if (total.contains("first_name")) {
            EXPECT_EQ(table.front().name, total["first_name"]) << name;
        }
        if (total.contains("in_conv")) {
            EXPECT_EQ(Json(table[4].shape), total["in_conv"]) << name;
        }
    }
}

TEST(UNetNamesGolden, NamesShapesAndInitialisationInThePublishedOrder)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "unet" / "names.json");
    const auto json = names();
    int models = 0;
    for (const auto& [name, total] : json["totals"].items()) {
        if (!json.contains(name))
            continue;
        ++models;
        const auto table = parameterTable(shapeOfTotal(json["totals"], name));
        ASSERT_EQ(table.size(), json[name].size());
        for (std::size_t i = 0; i < table.size(); ++i) {
            const auto& row = json[name][i];
            EXPECT_EQ(table[i].name, row[0]);
            EXPECT_EQ(Json(table[i].shape), row[1]) << row[0];
            const auto init = row[2].get<std::string>();
            EXPECT_EQ(table[i].init, init == "ones" ? Init::Ones : init == "zeros" ? Init::Zeros : Init::Xavier) << row[0];
            if (row.size() > 3) {
                EXPECT_EQ(nineDigits(table[i].bound), nineDigits(row[3].get<double>())) << row[0];
                const double scale = init == "xavier" ? 1.0 : std::stod(init.substr(init.find('*') + 1)); // "xavier*1e-10"
                const auto fans = static_cast<double>(table[i].elements() / table[i].shape[1] + table[i].elements() / table[i].shape[0]);
                EXPECT_NEAR(table[i].bound * table[i].bound * fans / 6.0, scale, 1e-9 * scale) << row[0];
            }
        }
    }
    EXPECT_GT(models, 0);
}

TEST(UNetNamesGolden, CountsPerModule)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "unet" / "names.json");
    const auto json = names();
    std::map<std::string, std::int64_t> counts;
    for (const auto& parameter : parameterTable(shapeOfTotal(json["totals"], "cifar10"))) {
        const bool levels = parameter.part.ends_with("samples");
        counts[levels ? parameter.part + ".level_" + std::to_string(parameter.block) : parameter.part] += parameter.elements();
    }
    EXPECT_EQ(counts.size(), json["per_module"].size());
    for (const auto& [module, count] : json["per_module"].items())
        EXPECT_EQ(counts[module], count) << module;
}

TEST(UNetNamesGolden, ThePresetsAreThePublishedModels)
{
    ESPALIER_NEED_GOLDEN(tests::goldenFolder() / "unet" / "names.json");
    const auto totals = names()["totals"];
    const std::pair<const char*, const char*> pairs[] = {
        {"ddpm-cifar10", "cifar10"}, {"ddpm-celeba64", "celeba"}, {"ddpm-celebahq256", "celebahq"}};
    for (const auto& [preset, published] : pairs) {
        if (!totals.contains(published))
            continue;
        const auto model = config::readModel(config::findPreset(preset)->overlay["model"]);
        ASSERT_TRUE(model);
        EXPECT_EQ(config::writeModel(*model).dump(), config::writeModel(shapeOf(totals[published]["model"]).model).dump()) << preset;
    }
}

} // namespace espalier::shapes
