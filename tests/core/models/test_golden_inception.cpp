// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_file.h"
#include "tests/core/models/inception_support.h"

#include <filesystem>
#include <unistd.h>

namespace espalier::models {
namespace {

using namespace espalier::tests;

/// One network for all tests: filling 24 million numbers takes a while.
Inception& filledNetwork()
{
    static const auto network = [] {
        auto made = std::make_shared<Inception>(Place{at::kCPU, at::kFloat, true});
        tensors::TensorMap weights;
        for (auto& [name, tensor] : filledInceptionWeights(*made))
            weights.emplace(name, std::move(tensor));
        const auto loaded = loadWeights(*made, std::move(weights), "the fill");
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
        return made;
    }();
    return *network;
}

/// [{"first", "sum", "l2", "index_sum"}] of each image.
void expectRows(const at::Tensor& rows, const Json& wanted, const Json& tolerance, double first, const std::string& what)
{
    ASSERT_EQ(rows.size(0), static_cast<std::int64_t>(wanted.size())) << what;
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
        const Json& w = wanted[static_cast<std::size_t>(i)];
        const at::Tensor v = rows[i].to(at::kDouble).flatten();
        const at::Tensor begin = at::tensor(w.at("first").get<std::vector<double>>(), at::kDouble);
        expectClose(v.narrow(0, 0, begin.size(0)), begin, first, 0, what);
        const double sum = tolerance.at("sum_l2_relative"), weighted = tolerance.at("index_sum_relative");
        const double absolute = v.abs().sum().item<double>();
        EXPECT_NEAR(v.sum().item<double>(), w.at("sum").get<double>(), sum * absolute) << what;
        EXPECT_NEAR(v.norm().item<double>(), w.at("l2").get<double>(), sum * w.at("l2").get<double>()) << what;
        const at::Tensor index = at::arange(v.size(0)).remainder(1013).to(at::kDouble);
        EXPECT_NEAR((v * index).sum().item<double>(), w.at("index_sum").get<double>(), weighted * (v.abs() * index).sum().item<double>())
            << what;
    }
}

void expectBlocks(const std::map<std::string, at::Tensor>& outputs, const Json& wanted, double relative)
{
    for (const auto& [name, w] : wanted.items()) {
        ASSERT_TRUE(outputs.contains(name)) << name;
        const at::Tensor& got = outputs.at(name);
        EXPECT_EQ(got.sizes().slice(1).vec(), w.at("shape").get<std::vector<std::int64_t>>()) << name;
        for (std::int64_t i = 0; i < got.size(0); ++i) {
            const at::Tensor v = got[i].to(at::kDouble);
            const auto at = static_cast<std::size_t>(i);
            EXPECT_NEAR(v.sum().item<double>(), w.at("sum")[at].get<double>(), relative * v.abs().sum().item<double>()) << name;
            EXPECT_NEAR(v.norm().item<double>(), w.at("l2")[at].get<double>(), relative * w.at("l2")[at].get<double>()) << name;
        }
    }
}

TEST(GoldenInception, NamesShapesAndCountsAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "metrics";
    ESPALIER_NEED_GOLDEN(folder / "inception_keys.json");
    const Json document = readJson(folder / "inception_keys.json");
    const auto network = std::make_shared<Inception>(Place{});
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> names;
    std::int64_t count = 0, beforeClassifier = 0;
    for (const auto& module : network->named_modules()) {
        const auto prefix = module.key().empty() ? "" : module.key() + ".";
        for (const auto& item : module.value()->named_parameters(false)) {
            names.emplace_back(prefix + item.key(), item.value().sizes().vec());
            count += item.value().numel();
            beforeClassifier += prefix == "fc." ? 0 : item.value().numel();
        }
        for (const auto& item : module.value()->named_buffers(false))
            names.emplace_back(prefix + item.key(), item.value().sizes().vec());
    }
    std::size_t row = 0;
    for (const Json& wanted : document.at("module_state_dict")) {
        if (wanted.at(0).get<std::string>().ends_with("num_batches_tracked"))
            continue; // we do not count
        ASSERT_LT(row, names.size());
        EXPECT_EQ(names[row].first, wanted.at(0).get<std::string>());
        EXPECT_EQ(names[row].second, wanted.at(1).get<std::vector<std::int64_t>>()) << names[row].first;
        ++row;
    }
    EXPECT_EQ(row, names.size());
    EXPECT_EQ(names.size(), document.at("counts").at("published_file").get<std::size_t>());
    EXPECT_EQ(count, document.at("counts").at("parameters").get<std::int64_t>());
    EXPECT_EQ(beforeClassifier, document.at("counts").at("parameters_before_fc").get<std::int64_t>());
}

TEST(GoldenInception, ResizesInBothPublishedWays)
{
    const auto file = goldenFolder() / "metrics" / "inception_features.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const double tolerance = document.at("tolerance").at("resize_absolute");
    for (const auto& [label, c] : document.at("cases").items()) {
        const Json& about = c.at("images");
        const auto images = inceptionImages(about.at("name"), about.at("height"), about.at("width"));
        EXPECT_EQ(images.to(at::kLong).flatten(1).sum(1).equal(at::tensor(about.at("sum").get<std::vector<std::int64_t>>())), true);
        for (const auto& [name, resize] : {std::pair{"tf1", InceptionResize::Tf1}, std::pair{"half_pixel", InceptionResize::HalfPixel}}) {
            const auto got = inceptionInput(images, resize);
            const Json& wanted = c.at("resize").at(name);
            const auto rows = wanted.at("rows").get<std::vector<std::int64_t>>(),
                       columns = wanted.at("columns").get<std::vector<std::int64_t>>();
            for (const auto& [field, image, channel] : {std::tuple{"image0_channel0", 0, 0}, std::tuple{"image1_channel2", 1, 2}})
                for (std::size_t y = 0; y < rows.size(); ++y)
                    for (std::size_t x = 0; x < columns.size(); ++x)
                        EXPECT_NEAR(got[image][channel][rows[y]][columns[x]].item<double>(), wanted.at(field)[y][x].get<double>(),
                                    tolerance)
                            << label << " " << name << " " << field << " " << y << " " << x;
            for (std::size_t i = 0; i < 2; ++i) {
                const auto v = got[static_cast<std::int64_t>(i)].to(at::kDouble);
                EXPECT_NEAR(v.sum().item<double>(), wanted.at("sum")[i].get<double>(), tolerance * static_cast<double>(v.numel()));
                EXPECT_NEAR(v.norm().item<double>(), wanted.at("l2")[i].get<double>(), 1e-6 * wanted.at("l2")[i].get<double>());
            }
        }
    }
}

TEST(GoldenInception, FeaturesAreThePublishedOnes)
{
    const auto file = goldenFolder() / "metrics" / "inception_features.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const Json& tolerance = document.at("tolerance");
    const c10::InferenceMode inference;
    Inception& network = filledNetwork();
    for (const auto& [label, c] : document.at("cases").items())
        for (const auto& [name, resize] :
             {std::pair{"torch_fidelity", InceptionResize::Tf1}, std::pair{"pytorch_fid", InceptionResize::HalfPixel}}) {
            SCOPED_TRACE(label + " " + name);
            std::map<std::string, at::Tensor> outputs;
            network.watch = [&](const std::string& at, const at::Tensor& output) { outputs[at] = output; };
            const Json& about = c.at("images");
            const auto images = inceptionImages(about.at("name"), about.at("height"), about.at("width"));
            const auto features = network.forward(inceptionInput(images, resize), true);
            network.watch = nullptr;
            const Json& wanted = c.at(name);
            const double first = tolerance.at("first_absolute");
            expectRows(features.pool, wanted.at("pool"), tolerance, first, "pool");
            expectRows(features.spatial, wanted.at("spatial"), tolerance, first, "spatial");
            const auto logits = network.logitsWithoutBias(features.pool);
            expectRows(logits, wanted.at("logits_unbiased"), tolerance, first, "logits");
            expectRows(logits.softmax(1), wanted.at("softmax_unbiased"), tolerance, tolerance.at("softmax_first_absolute"), "softmax");
            expectBlocks(outputs, wanted.at("blocks"), tolerance.at("blocks_sum_l2_relative"));
            if (name == std::string("pytorch_fid")) { // torchvision's own pools give these: they must not match
                const auto mistake = c.at("mistake_unpatched_pools").at("pool_first8")[0].get<std::vector<double>>();
                EXPECT_GT((features.pool[0].narrow(0, 0, 8).to(at::kDouble) - at::tensor(mistake, at::kDouble)).abs().max().item<double>(),
                          100 * first);
            }
        }
}

TEST(GoldenInception, ReadsAWeightsFileAndNamesWhatDoesNotFit)
{
    const auto file = std::filesystem::temp_directory_path() / ("inception-" + std::to_string(::getpid()) + ".safetensors");
    const c10::InferenceMode inference;
    auto weights = filledInceptionWeights(filledNetwork());
    weights.emplace_back("Mixed_5b.branch1x1.bn.num_batches_tracked", at::zeros({}, at::kLong)); // some files count
    ASSERT_TRUE(tensors::writeTensors(file, weights));
    const auto read = readInception(file, at::kCPU);
    ASSERT_TRUE(read) << read.error().message;
    const auto input = inceptionInput(inceptionImages("input:weights", 8, 8), InceptionResize::Tf1);
    EXPECT_TRUE(at::equal((*read)->forward(input, false).pool, filledNetwork().forward(input, false).pool));
    EXPECT_FALSE((*read)->forward(input, false).spatial.defined());

    // The published file is a PyTorch one.
    const auto torch = std::filesystem::path(file).replace_extension(".pth");
    std::vector<formats::SafetensorsItem> items;
    for (const auto& [name, value] : weights)
        if (value.scalar_type() == at::kFloat)
            items.push_back(
                {name, formats::DType::F32, value.sizes().vec(), [kept = value.contiguous()]() -> Result<std::span<const std::byte>> {
                     return std::span(static_cast<const std::byte*>(kept.data_ptr()), static_cast<std::size_t>(kept.nbytes()));
                 }});
    ASSERT_TRUE(formats::writeTorch(torch, formats::torchStateDict(std::move(items))));
    const auto same = readInception(torch, at::kCPU);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_TRUE(at::equal((*same)->forward(input, false).pool, (*read)->forward(input, false).pool));
    std::filesystem::remove(torch);

    weights.emplace_back("AuxLogits.fc.weight", at::zeros({2}));
    ASSERT_TRUE(tensors::writeTensors(file, weights));
    EXPECT_NE(readInception(file, at::kCPU).error().message.find("AuxLogits.fc.weight"), std::string::npos);
    weights.pop_back();
    std::erase_if(weights, [](const auto& item) { return item.first == "Mixed_7c.branch_pool.bn.running_var"; });
    ASSERT_TRUE(tensors::writeTensors(file, weights));
    const auto few = readInception(file, at::kCPU).error().message;
    EXPECT_NE(few.find("Mixed_7c.branch_pool.bn.running_var"), std::string::npos) << few;
    EXPECT_NE(few.find(file.string()), std::string::npos) << few;
    std::filesystem::remove(file);
}

} // namespace
} // namespace espalier::models
