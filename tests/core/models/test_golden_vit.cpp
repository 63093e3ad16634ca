// SPDX-License-Identifier: Apache-2.0
#include "core/models/vit.h"
#include "tests/core/models/golden_sums.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

struct Golden {
    Json document;
    tensors::TensorMap tensors;
    std::string tag; // of names of inputs and parameters
    at::Tensor target;

    at::Tensor input() const
    {
        return inputTensor(document.at("input").at("name"), document.at("input").at("shape").get<std::vector<std::int64_t>>());
    }
    /// The published recipe gives its uniforms by name; kept are those with keep + uniform >= 1.
    at::Tensor mask(const std::string& name, double rate, std::int64_t count) const
    {
        std::vector<float> uniform;
        for (const double u : goldenUniform(name, static_cast<std::size_t>(count)))
            uniform.push_back(static_cast<float>((u + 1) / 2));
        const double keep = 1 - rate;
        return at::floor(at::tensor(uniform) + keep) / keep;
    }
};

Golden readGolden()
{
    const auto folder = goldenFolder() / "vit";
    Golden golden{readJson(folder / "model.json"), readGoldenTensors(folder / "model.safetensors"), "", {}};
    const auto name = golden.document.at("input").at("name").get<std::string>(); // "input:x", or "held:input:x"
    golden.tag = name.substr(0, name.find("input:"));
    std::vector<float> rows;
    for (const auto& row : golden.document.at("target").at("rows"))
        for (const auto& value : row)
            rows.push_back(value.get<float>());
    golden.target = at::tensor(rows).view({static_cast<std::int64_t>(golden.document.at("target").at("rows").size()), -1});
    return golden;
}

std::shared_ptr<Vit> filled(const Golden& golden, const std::string& name, double dropPath = 0.0)
{
    const Json& s = golden.document.at("settings");
    config::VitConfig c{.patchSize = s.at("patch_size"),
                        .hiddenSize = s.at("embed_dim"),
                        .depth = s.at("depth"),
                        .numHeads = s.at("num_heads"),
                        .numClasses = s.at("num_classes"),
                        .dropPath = dropPath};
    if (name == "no_qkv_bias_eps_1e-5") {
        c.qkvBias = false;
        c.normEpsilon = 1e-5;
    }
    if (name == "average_pool")
        c.pooling = config::Pooling::Mean;
    const std::int64_t side = s.at("img_size");
    auto model = std::make_shared<Vit>(c, ImageShape{3, side, side}, Place{});
    const at::NoGradGuard guard;
    for (auto& item : model->named_parameters())
        item.value().copy_(tensorOf(goldenParameter(golden.tag + item.key(), item.value().sizes().vec()), item.value().sizes()));
    return model;
}

/// Logits, loss and all gradients of a case.
void checkCase(const Golden& golden, Vit& model, const at::Tensor& logits, const Json& wanted)
{
    at::Tensor x = golden.input().requires_grad_();
    const at::Tensor y = model.forward({x, {}, {}}, {}, {});
    expectClose(y, logits, 2e-5, 1e-4, "logits");
    const at::Tensor loss = (-golden.target * at::log_softmax(y, -1)).sum(-1).mean();
    EXPECT_NEAR(loss.item<double>(), wanted.at("loss").get<double>(), 1e-5);
    loss.backward();
    expectSums(x.grad(), wanted.at("input_gradient"), "gradient of x");
    std::size_t seen = 0;
    for (const auto& item : model.named_parameters()) {
        ASSERT_TRUE(wanted.at("gradients").contains(item.key())) << item.key();
        expectSums(item.value().grad(), wanted.at("gradients").at(item.key()), item.key());
        ++seen;
    }
    EXPECT_EQ(seen, wanted.at("gradients").size());
}

TEST(GoldenVit, ForwardAndGradientsAreThePublishedOnes)
{
    ESPALIER_NEED_GOLDEN(goldenFolder() / "vit/model.json");
    const auto golden = readGolden();
    for (const auto& [name, wanted] : golden.document.at("cases").items()) {
        SCOPED_TRACE(name);
        for (const bool recompute : {false, true}) {
            const auto model = filled(golden, name);
            model->eval();
            model->recompute = recompute;
            std::map<std::string, at::Tensor> outputs;
            model->watch = [&](const std::string& at, const at::Tensor& output) { outputs[at] = output; };
            checkCase(golden, *model, golden.tensors.at(name + ".logits"), wanted);
            if (name == "class_token") {
                expectClose(outputs["tokens"], golden.tensors.at("class_token.tokens_in"), 2e-5, 1e-4, "tokens");
                expectClose(outputs["blocks.0"], golden.tensors.at("class_token.block_0"), 2e-5, 1e-4, "block 0");
            }
        }
    }
}

TEST(GoldenVit, DropPathIsThePublishedOne)
{
    ESPALIER_NEED_GOLDEN(goldenFolder() / "vit/model.json");
    const auto golden = readGolden();
    const Json& training = golden.document.at("drop_path").at("training");
    const double rate = training.at("rate");
    const auto model = filled(golden, "class_token", rate);
    model->train();
    const auto rates = dropPathRates(rate, golden.document.at("settings").at("depth"));
    const auto order = training.at("uniform_order").get<std::vector<std::string>>();
    std::int64_t asked = 0;
    model->masks = [&](std::int64_t branch) {
        EXPECT_EQ(branch, asked + 2); // block 0 is never dropped
        return golden.mask(order.at(static_cast<std::size_t>(asked++)), rates[static_cast<std::size_t>(branch / 2)], golden.target.size(0));
    };
    checkCase(golden, *model, golden.tensors.at("training_drop_path.logits"), training);
    EXPECT_EQ(asked, static_cast<std::int64_t>(order.size()));
}

TEST(GoldenVit, DropPathRisesAsPublished)
{
    ESPALIER_NEED_GOLDEN(goldenFolder() / "vit/model.json");
    const auto rates = readJson(goldenFolder() / "vit/model.json").at("drop_path_rates");
    for (const auto& [name, wanted] : rates.items()) { // "depths [12] rate 0.1"
        const auto ours = dropPathRates(std::stod(name.substr(name.rfind(' '))), static_cast<std::int64_t>(wanted.size()));
        for (std::size_t i = 0; i < ours.size(); ++i)
            EXPECT_NEAR(ours[i], wanted[i].get<double>(), 1e-6 * ours[i]) << name << " block " << i; // published in float32
    }
    EXPECT_FALSE(rates.empty());
}

TEST(GoldenVit, FirstValuesAreThePublishedOnes)
{
    const config::VitConfig c{.patchSize = 16, .depth = 2, .numClasses = 1000};
    const auto model = std::make_shared<Vit>(c, ImageShape{3, 224, 224}, Place{});
    initialise(*model, 3);
    for (const auto& item : model->named_parameters()) {
        const auto& name = item.key();
        const at::Tensor value = item.value().to(at::kDouble);
        const double count = static_cast<double>(value.numel()), largest = value.abs().max().item<double>();
        const double square = value.square().mean().item<double>();
        if (name.starts_with("patch_embed")) { // uniform up to 1 / sqrt(3 · 16 · 16), weight and bias
            EXPECT_LE(largest, 0.036084 * 1.0001) << name;
            EXPECT_NEAR(square, 0.036084 * 0.036084 / 3, 5 * 0.036084 * 0.036084 * 0.3 / std::sqrt(count)) << name;
        } else if (name.find("norm") != std::string::npos) {
            EXPECT_TRUE(value.eq(name.ends_with("weight") ? 1 : 0).all().item<bool>()) << name;
        } else if (name.ends_with("bias")) {
            EXPECT_EQ(largest, 0.0) << name;
        } else {
            EXPECT_NEAR(std::sqrt(square), 0.02, 5 * 0.02 / std::sqrt(2 * count)) << name;
        }
    }
}

} // namespace
} // namespace espalier::models
