// SPDX-License-Identifier: Apache-2.0
#include "tests/core/models/golden_dit.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

TEST(GoldenDit, ForwardIsThePublishedOne)
{
    const auto folder = goldenFolder() / "dit";
    ESPALIER_NEED_GOLDEN(folder / "forward.json");
    const Json document = readJson(folder / "forward.json"), &c = document.at("case"), &constructor = c.at("model");
    const auto golden = readGoldenTensors(folder / "forward.safetensors");
    const std::string tag = "input:" + c.at("tag").get<std::string>();
    const std::int64_t channels = constructor.at("in_channels"), side = constructor.at("input_size");
    const at::Tensor t = wholeNumbers(c.at("t")), y = wholeNumbers(c.at("y"));
    const at::NoGradGuard guard;
    for (const auto& [dtype, suffix, stated] : {std::tuple{at::kFloat, "", 1e-5}, {at::kDouble, ".f64", 1e-9}}) {
        SCOPED_TRACE(suffix);
        const double share = ditTolerance(stated);
        const auto model = filledDit(constructor, dtype);
        std::map<std::string, at::Tensor> outputs;
        model->watch = [&](const std::string& name, const at::Tensor& output) { outputs[name] = output; };
        const auto input = [&, type = dtype](const std::string& name, std::int64_t count, std::int64_t size) {
            return inputTensor(tag + name, {count, channels, size, size}).to(type);
        };
        expectGolden(model->forward({input("x", t.size(0), side), t, y}, {}, {}), golden.at(std::string("out") + suffix), share, "out");
        if (dtype == at::kFloat) {
            expectGolden(outputs["condition"], golden.at("c"), share, "c");
            expectGolden(outputs["tokens"], golden.at("tokens"), share, "tokens");
            expectGolden(outputs["final_layer"], golden.at("final_tokens"), share, "final_tokens");
            for (const auto i : {std::int64_t{0}, constructor.at("depth").get<std::int64_t>() - 1})
                expectGolden(outputs["blocks." + std::to_string(i)], golden.at("block" + std::to_string(i)), share, "block");
        }
        // What guidance works on: the first half of the images, twice.
        const auto n = static_cast<std::int64_t>(c.at("guide_t").size());
        const at::Tensor half = input("x_cfg", 2 * n, side).slice(0, 0, n), at = wholeNumbers(c.at("guide_t")),
                         labels = wholeNumbers(c.at("guide_y"));
        const at::Tensor any = at::full_like(labels, model->classes());
        expectGolden(model->forward({at::cat({half, half}), at::cat({at, at}), at::cat({labels, any})}, {}, {}),
                     golden.at(std::string("cfg_raw") + suffix), share, "cfg_raw");
        const Json& variant = c.at("variant");
        const auto other = filledDit(variant, dtype);
        const at::Tensor labelled = wholeNumbers(c.at("variant_y"));
        expectGolden(other->forward({input("x_variant", labelled.size(0), variant.at("input_size")), t, labelled}, {}, {}),
                     golden.at(std::string("out_variant") + suffix), share, "out_variant");
    }
}

TEST(GoldenDit, TablesAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "dit";
    ESPALIER_NEED_GOLDEN(folder / "forward.json");
    const Json document = readJson(folder / "forward.json"), &constructor = document.at("case").at("model");
    const auto golden = readGoldenTensors(folder / "forward.safetensors");
    EXPECT_GT(ditTolerance(1e-9), 0.0); // compares the features of timesteps
    const std::int64_t grid = constructor.at("input_size").get<std::int64_t>() / constructor.at("patch_size").get<std::int64_t>();
    expectClose(positionTable(constructor.at("hidden_size"), grid), golden.at("pos_embed"), 1e-7, 0, "pos_embed");
    expectClose(positionTable(48, 4)[0], golden.at("pos_embed_48_grid4"), 1e-7, 0, "pos_embed_48_grid4");
    int tables = 0;
    for (const auto& [name, wanted] : document.at("pos_embed_tables").items()) { // "d384_grid16"
        const std::int64_t width = std::stoll(name.substr(1)), side = std::stoll(name.substr(name.find("grid") + 4));
        const at::Tensor table = positionTable(width, side)[0].to(at::kDouble);
        const double count = static_cast<double>(table.numel());
        const at::Tensor weights = at::arange(1, table.numel() + 1, at::kDouble).view(table.sizes()) / count;
        const double tolerance = 1e-7 * std::sqrt(count); // each element may round the other way
        EXPECT_NEAR(table.sum().item<double>(), wanted.at("sum").get<double>(), tolerance) << name;
        EXPECT_NEAR(table.square().sum().item<double>(), wanted.at("sum_squares").get<double>(), tolerance) << name;
        EXPECT_NEAR((table * weights).sum().item<double>(), wanted.at("weighted_sum").get<double>(), tolerance) << name;
        const auto part = [&](std::int64_t token, std::int64_t at) { return table[token].slice(0, at, at + 2); };
        const auto expectTwo = [&](const char* key, const at::Tensor& two) {
            expectClose(two, at::tensor(wanted.at(key).get<std::vector<double>>(), at::kDouble), 1e-7, 0, name + " " + key);
        };
        expectTwo("row1_first2", part(side, 0)); // the first half is of the column
        expectTwo("row1_middle2", part(side, width / 2));
        expectTwo("col1_first2", part(1, 0));
        expectTwo("col1_middle2", part(1, width / 2));
        ++tables;
    }
    EXPECT_GT(tables, 0);
}

TEST(GoldenDit, FirstValuesAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "dit";
    ESPALIER_NEED_GOLDEN(folder / "init.json");
    const Json document = readJson(folder / "init.json");
    const config::DitConfig c{.depth = 2, .learnSigma = true, .numClasses = 1000};
    const auto model = std::make_shared<Dit>(c, ImageShape{4, 32, 32}, Place{});
    initialise(*model, 3);
    const auto parameters = model->named_parameters();
    ASSERT_EQ(parameters.size(), document.at("parameters").size());
    for (const auto& item : parameters) {
        const Json& wanted = document.at("parameters").at(item.key());
        const at::Tensor value = item.value().to(at::kDouble);
        const double count = static_cast<double>(value.numel()), deviation = value.square().mean().sqrt().item<double>();
        EXPECT_EQ(item.value().requires_grad(), item.key() != "pos_embed");
        if (wanted == "zero") {
            EXPECT_EQ(deviation, 0.0) << item.key();
        } else if (wanted.is_string()) {
            EXPECT_TRUE(at::equal(item.value(), positionTable(384, 16)));
        } else if (wanted.at("rule") == "normal") {
            EXPECT_NEAR(deviation, wanted.at("std").get<double>(), 5 * 0.02 / std::sqrt(2 * count)) << item.key();
        } else {
            const double bound = wanted.at("bound");
            EXPECT_NEAR(value.abs().max().item<double>(), bound, 2e-3 * bound) << item.key();
            EXPECT_NEAR(deviation, wanted.at("expected_std").get<double>(), 5 * 0.45 * bound / std::sqrt(count)) << item.key();
        }
    }
    model->train();
    const auto draws = tensors::Draws::at(1, 0, 0, 2);
    EXPECT_EQ(
        model->forward({at::ones({2, 4, 32, 32}), wholeNumbers({0, 999}), wholeNumbers({1, 2})}, {}, draws).abs().max().item<double>(),
        0.0);
}

TEST(GoldenDit, LabelsAreHiddenAsPublished)
{
    const auto file = goldenFolder() / "dit/labels.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const at::Tensor labels = wholeNumbers(document.at("labels")),
                     uniform = at::tensor(document.at("uniform_draws").get<std::vector<float>>());
    const std::int64_t classes = document.at("num_classes");
    for (const auto& c : document.at("cases")) {
        const double dropout = c.at("dropout_prob");
        LabelEmbedding embedding(classes, 1, dropout, 0.02, Place{}, dropout > 0);
        ASSERT_EQ(embedding.weight.size(0), c.at("table_rows").get<std::int64_t>());
        const at::NoGradGuard guard;
        embedding.weight.copy_(at::arange(embedding.weight.size(0)).unsqueeze(1));
        embedding.eval(); // what is hidden is given below
        at::Tensor asked = labels;
        if (!c.at("force_drop_ids").is_null())
            asked = labels.masked_fill(wholeNumbers(c.at("force_drop_ids")).eq(1), classes);
        else if (c.at("train").get<bool>())
            asked = embedding.seen(labels, uniform);
        if (c.at("used").is_string()) { // there is no such row
            EXPECT_ANY_THROW(embedding.forward(asked, labels.size(0), {}));
            continue;
        }
        EXPECT_TRUE(at::equal(embedding.forward(asked, labels.size(0), {}).squeeze(1).to(at::kLong), wholeNumbers(c.at("used"))))
            << c.dump();
    }
}

} // namespace
} // namespace espalier::models
