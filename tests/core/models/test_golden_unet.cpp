// SPDX-License-Identifier: Apache-2.0
#include "core/models/registry.h"
#include "core/models/unet.h"
#include "core/models/unet_blocks.h"
#include "tests/core/tensors/tensor_support.h"

#include <set>

namespace espalier::models {
namespace {

using namespace espalier::tests;

UNetOptions optionsOf(const Json& constructor, std::int64_t blockSize)
{
    UNetOptions o;
    o.dropRate = constructor.value("drop_rate", 0.0);
    o.inChannels = constructor.value("in_channels", std::int64_t{3} * blockSize * blockSize);
    o.outChannels = constructor.value("out_channels", std::int64_t{3} * blockSize * blockSize);
    o.hidChannels = constructor.at("hid_channels");
    o.chMultipliers = constructor.at("ch_multipliers").get<std::vector<std::int64_t>>();
    o.numResBlocks = constructor.at("num_res_blocks");
    const Json& attention = constructor.at("apply_attn");
    o.applyAttn =
        attention.is_boolean() ? std::vector<bool>(o.chMultipliers.size(), attention.get<bool>()) : attention.get<std::vector<bool>>();
    o.timeEmbeddingDim = constructor.value("time_embedding_dim", std::int64_t{0});
    o.resampleWithConv = constructor.value("resample_with_conv", true);
    o.blockSize = blockSize;
    return o;
}

/// The first input name in an "about" text that contains `part`, up to a space or quote: held-out files use another prefix.
std::string tagOf(const Json& document)
{
    return document.at("about").get<std::string>().find("input:held.") != std::string::npos ? "held." : "";
}

std::int64_t parametersOf(const torch::nn::Module& module)
{
    std::int64_t count = 0;
    for (const auto& p : module.parameters())
        count += p.numel();
    return count;
}

void checkForward(const std::string& name, const Json& c, const Json& document, const tensors::TensorMap& golden, bool channelsLast)
{
    SCOPED_TRACE(name + (channelsLast ? ", channels last" : ", contiguous"));
    const std::int64_t block = c.value("block_size", std::int64_t{1});
    const auto xShape = c.at("x_shape").get<std::vector<std::int64_t>>();
    const auto model = std::make_shared<UNet>(optionsOf(c.at("constructor"), block), ImageShape{xShape[1], xShape[2], xShape[3]},
                                              Place{at::kCPU, at::kFloat, channelsLast});
    if (c.contains("parameters")) {
        EXPECT_EQ(parametersOf(*model), c.at("parameters").get<std::int64_t>());
    }
    fillParameters(*model);
    model->eval();
    std::map<std::string, at::Tensor> outputs;
    model->watch = [&](const std::string& at, const at::Tensor& output) { outputs[at] = output; };

    const std::string prefix = "input:" + tagOf(document) + "unet." + name;
    at::Tensor x = inputTensor(prefix + ".x", xShape);
    if (channelsLast)
        x = x.contiguous(at::MemoryFormat::ChannelsLast);
    const bool differentiates = c.contains("gradients");
    x.requires_grad_(differentiates);
    const at::Tensor t = at::tensor(c.at("t").get<std::vector<std::int64_t>>());
    const at::AutoGradMode mode(differentiates);
    const at::Tensor y = model->forward({x, t, {}}, {}, {});
    const at::Tensor target = inputTensor(prefix + ".target", y.sizes().vec());
    const at::Tensor loss = (target - y).square().flatten(1).mean(1).mean();

    expectClose(y, golden.at(name + ".output"), 3e-5, 1e-5, "output");
    EXPECT_NEAR(loss.item<double>(), c.at("loss").get<double>(), 1e-5 * c.at("loss").get<double>());
    expectStatistics(y, c.at("output").get<std::vector<double>>(), 1e-4, 1e-4, "output");
    for (const auto& [at, wanted] : c.at("activations").items()) {
        ASSERT_TRUE(outputs.contains(at)) << at;
        EXPECT_EQ(outputs[at].sizes().vec(), wanted.at(0).get<std::vector<std::int64_t>>()) << at;
        expectStatistics(outputs[at], std::vector<double>(wanted.begin() + 1, wanted.end()), 1e-4, 1e-4, at);
    }
    if (!differentiates)
        return;
    loss.backward();
    expectClose(x.grad(), golden.at(name + ".x_grad"), 3e-5, 1e-5, "gradient of x");
    const auto zero = c.at("zero_gradients").get<std::set<std::string>>();
    std::size_t seen = 0;
    for (const auto& item : model->named_parameters()) {
        ASSERT_TRUE(item.value().grad().defined()) << item.key();
        if (zero.contains(item.key())) {
            EXPECT_LT(item.value().grad().abs().max().item<double>(), 1e-4) << item.key();
            continue;
        }
        ASSERT_TRUE(c.at("gradients").contains(item.key())) << item.key();
        expectStatistics(item.value().grad(), c.at("gradients").at(item.key()).get<std::vector<double>>(), 1e-4, 1e-4, item.key());
        ++seen;
    }
    EXPECT_EQ(seen, c.at("gradients").size());
}

void checkAllForwards(bool channelsLast)
{
    const auto folder = goldenFolder() / "unet";
    ESPALIER_NEED_GOLDEN(folder / "forward.json");
    const Json document = readJson(folder / "forward.json");
    const auto golden = readGoldenTensors(folder / "forward.safetensors");
    for (const auto& [name, c] : document.at("cases").items())
        checkForward(name, c, document, golden, channelsLast);
}

TEST(GoldenUNet, ForwardAndGradientsAreThePublishedOnes)
{
    checkAllForwards(false);
}
TEST(GoldenUNet, ForwardAndGradientsAreThePublishedOnesInChannelsLast)
{
    checkAllForwards(true);
}

TEST(GoldenUNet, NamesShapesAndFirstValuesAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "unet";
    ESPALIER_NEED_GOLDEN(folder / "names.json");
    const Json document = readJson(folder / "names.json");
    const auto& totals = document.at("totals");
    for (const char* name : {"cifar10", "celeba", "celebahq"}) {
        const Json& wanted = totals.at(name);
        UNetOptions o = optionsOf(wanted.at("model"), 1);
        const UNet model(o, {3, 64, 64}, {});
        EXPECT_EQ(parametersOf(model), wanted.at("parameters").get<std::int64_t>()) << name;
        EXPECT_EQ(model.parameters().size(), wanted.at("tensors").get<std::size_t>()) << name;
        EXPECT_EQ(model.buffers().size(), wanted.at("buffers").get<std::size_t>()) << name;
    }
    const UNetOptions options = optionsOf(totals.at("cifar10").at("model"), 1);
    const auto model = std::make_shared<UNet>(options, ImageShape{3, 32, 32}, Place{});
    initialise(*model, 7);
    std::size_t row = 0;
    std::map<std::string, std::int64_t> perModule;
    for (const auto& item : model->named_parameters()) {
        const Json& wanted = document.at("cifar10").at(row++);
        const std::string& name = item.key();
        ASSERT_EQ(name, wanted.at(0).get<std::string>());
        EXPECT_EQ(item.value().sizes().vec(), wanted.at(1).get<std::vector<std::int64_t>>()) << name;
        const auto kind = wanted.at(2).get<std::string>();
        const double smallest = item.value().min().item<double>(), largest = item.value().max().item<double>();
        if (kind == "zeros" || kind == "ones") {
            EXPECT_EQ(smallest, kind == "ones") << name;
            EXPECT_EQ(largest, kind == "ones") << name;
        } else {
            const double bound = wanted.at(3).get<double>();
            EXPECT_LE(std::max(-smallest, largest), bound * 1.000001) << name;
            EXPECT_GT(std::min(-smallest, largest), bound * 0.9) << name;
            const std::string scale = kind == "xavier" ? "" : "near zero ";
            const double s = kind == "xavier" ? 1.0 : 1e-10;
            EXPECT_NEAR(xavierUniform(item.value().sizes(), s).value, bound, 1e-6 * bound) << scale << name;
            // The variance of U(-a, a) is a^2 / 3; 5 standard errors of the estimate.
            const double variance = item.value().to(at::kDouble).square().mean().item<double>() * 3 / (bound * bound);
            EXPECT_NEAR(variance, 1.0, 5 * std::sqrt(0.8 / static_cast<double>(item.value().numel()))) << name;
        }
        std::string top = name.substr(0, name.find('.'));
        if (top.ends_with("samples"))
            top = name.substr(0, name.find('.', top.size() + 1));
        perModule[top] += item.value().numel();
    }
    EXPECT_EQ(row, document.at("cifar10").size());
    for (const auto& [module, count] : document.at("per_module").items())
        EXPECT_EQ(perModule[module], count.get<std::int64_t>()) << module;

    const Json& folded = totals.at("cifar10, block_size 2");
    config::UNetConfig c;
    c.blockSize = 2;
    const auto made = make(c, {3, 32, 32}, at::kCPU, false);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(parametersOf(**made), folded.at("parameters").get<std::int64_t>());
    EXPECT_EQ((*made)->named_parameters().front().key(), folded.at("first_name").get<std::string>());
    EXPECT_EQ((*made)->named_parameters()["_model.in_conv.weight"].sizes().vec(), folded.at("in_conv").get<std::vector<std::int64_t>>());
}

/// "ResidualBlock(32,64,embed_dim=16)" -> 32, 64, 16
std::vector<std::int64_t> numbersIn(const std::string& text)
{
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (std::isdigit(static_cast<unsigned char>(text[i]))) {
            std::size_t length = 0;
            numbers.push_back(std::stoll(text.substr(i), &length));
            i += length;
        }
    return numbers;
}

TEST(GoldenUNet, BlocksAreThePublishedOnes)
{
    const auto folder = goldenFolder() / "unet";
    ESPALIER_NEED_GOLDEN(folder / "blocks.json");
    const Json document = readJson(folder / "blocks.json");
    const auto golden = readGoldenTensors(folder / "blocks.safetensors");
    const at::NoGradGuard guard;
    const std::string tag = document.at("inputs").at("x").get<std::string>().find("held.") != std::string::npos ? "held." : "";
    const auto input = [&](const char* name) {
        const auto text = document.at("inputs").at(name).get<std::string>(); // "input:block.x [1, 32, 3, 4] …"
        const auto shape = numbersIn(text.substr(text.find('['), text.find(']') - text.find('[')));
        return inputTensor(text.substr(0, text.find(' ')), shape);
    };
    const at::Tensor x = input("x"), active = at::silu(input("emb")), small = x * 0.003;
    const auto residual = [&](const char* name, const at::Tensor& on) {
        const auto n = numbersIn(document.at("modules").at(name).get<std::string>());
        ResidualBlock block(n[0], n[1], n[2], 0.5, 0, {});
        fillParameters(block);
        block.eval();
        return block.forward(on, active, {});
    };
    expectClose(residual("residual", x), golden.at("residual.y"), 2e-5, 0, "residual");
    expectClose(residual("residual_same", x), golden.at("residual_same.y"), 2e-5, 0, "residual_same");
    expectClose(residual("residual", small), golden.at("residual_small.y"), 2e-5, 0, "residual_small");
    const auto attention = [&](const char* name, const at::Tensor& on) {
        const auto n = numbersIn(document.at("modules").at(name).get<std::string>());
        AttentionBlock block(n[0], n.size() > 1 ? n[1] : n[0], n.size() > 1 ? n[2] : n[0], {});
        fillParameters(block);
        return block.forward(on);
    };
    expectClose(attention("attention", x), golden.at("attention.y"), 2e-5, 0, "attention");
    expectClose(attention("attention", small), golden.at("attention_small.y"), 2e-5, 0, "attention_small");
    expectClose(attention("attention_mid_out", x), golden.at("attention_mid_out.y"), 2e-5, 0, "attention_mid_out");

    const at::Tensor t = at::tensor(document.at("embedding").at("t").get<std::vector<std::int64_t>>());
    int resampled = 0, embedded = 0;
    for (const auto& [name, wanted] : golden) {
        const auto n = numbersIn(name);
        if (name.starts_with("down") || name.starts_with("up")) {
            const std::string size = name.substr(name.find_first_of("0123456789"), name.find('.') - name.find_first_of("0123456789"));
            const at::Tensor z = inputTensor("input:" + tag + "block.z" + size, {1, 2, n[0], n[1]});
            Downsample down(2, true, {});
            Upsample up(2, true, {});
            fillParameters(down);
            fillParameters(up);
            expectClose(name.starts_with("down") ? down.forward(z) : up.forward(z), wanted, 2e-5, 0, name);
            ++resampled;
        } else if (name.starts_with("embedding")) {
            expectClose(timestepEmbedding(t, n[0]), wanted, 1e-6, 0, name);
            ++embedded;
        }
    }
    EXPECT_GE(resampled, 4);
    EXPECT_GE(embedded, 2);
}

} // namespace
} // namespace espalier::models
