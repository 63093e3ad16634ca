// SPDX-License-Identifier: Apache-2.0
#include "core/models/registry.h"
#include "core/models/unet.h"
#include "core/models/unet_blocks.h"
#include "core/shapes/parameters.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

/// v = 0.05 sin(0.37 i + 1.3 j) for element i of tensor j, plus 1 for the scales of norms: the numbers below go with it.
void fillWithSines(torch::nn::Module& module)
{
    const at::NoGradGuard guard;
    double j = 0;
    for (auto& item : module.named_parameters()) {
        at::Tensor& p = item.value();
        at::Tensor v = 0.05 * at::sin(0.37 * at::arange(p.numel()).to(at::kDouble) + 1.3 * j++);
        if (p.dim() == 1 && item.key().ends_with("weight"))
            v = v + 1;
        p.copy_(v.view(p.sizes()));
    }
}

at::Tensor sines(at::IntArrayRef shape, double step)
{
    std::int64_t count = 1;
    for (const auto size : shape)
        count *= size;
    return at::sin(step * at::arange(count).to(at::kDouble)).to(at::kFloat).view(shape);
}

UNetOptions tiny()
{
    UNetOptions o;
    o.hidChannels = 32;
    o.chMultipliers = {1, 2};
    o.numResBlocks = 1;
    o.applyAttn = {false, true};
    o.dropRate = 0.25;
    return o;
}

TEST(UNet, BlocksAgreeWithNumbersOfTheSpecification)
{
    const at::NoGradGuard guard;
    const at::Tensor x = sines({1, 32, 4, 4}, 0.01);
    AttentionBlock attention(32, Place{});
    fillWithSines(attention);
    const at::Tensor a = attention.forward(x)[0];
    EXPECT_NEAR(a[0][0][0].item<double>(), -0.0188286, 2e-4);
    EXPECT_NEAR(a[0][1][2].item<double>(), 0.0408254, 2e-4);
    EXPECT_NEAR(a[31][3][3].item<double>(), -0.9408270, 2e-4);
    EXPECT_NEAR(a.sum().item<double>(), 62.153510, 0.05);
    ResidualBlock residual(32, 64, 128, 0.0, 0, Place{});
    fillWithSines(residual);
    const at::Tensor embedding = at::cos(0.05 * at::arange(128).to(at::kDouble)).to(at::kFloat).unsqueeze(0);
    const at::Tensor r = residual.forward(x, at::silu(embedding), {})[0];
    EXPECT_NEAR(r[0][0][0].item<double>(), -0.6905643, 2e-4);
    EXPECT_NEAR(r[0][1][2].item<double>(), -3.0657282, 2e-4);
    EXPECT_NEAR(r[63][3][3].item<double>(), -1.8363541, 2e-4);
    EXPECT_NEAR(r.sum().item<double>(), -88.313906, 0.05);
}

TEST(UNet, TheWholeCifarNetworkAgreesWithNumbersOfTheSpecification)
{
    const at::NoGradGuard guard;
    const auto model = std::make_shared<UNet>(UNetOptions{}, ImageShape{}, Place{at::kCPU, at::kFloat, true});
    fillWithSines(*model);
    model->eval();
    std::map<std::string, at::Tensor> outputs;
    model->watch = [&](const std::string& name, const at::Tensor& output) { outputs[name] = output; };
    const at::Tensor y = model->forward({sines({2, 3, 32, 32}, 0.01), at::tensor({std::int64_t{0}, std::int64_t{500}}), {}}, {}, {});
    const auto expect = [](const at::Tensor& tensor, std::vector<std::int64_t> at, double wanted) {
        at::Tensor value = tensor;
        for (const auto i : at)
            value = value[i];
        EXPECT_NEAR(value.item<double>(), wanted, 2e-4);
    };
    EXPECT_NEAR(y.mean().item<double>(), -0.06327965, 2e-4);
    EXPECT_NEAR(y.abs().sum().item<double>(), 413.213529, 0.05);
    expect(y, {0, 0, 0, 0}, -0.0323681);
    expect(y, {0, 1, 15, 15}, -0.1182543);
    expect(y, {1, 1, 15, 15}, -0.1552302);
    expect(y, {1, 2, 31, 31}, -0.0313545);
    expect(outputs["embed"], {1, 1}, -0.2299574);
    expect(outputs["in_conv"], {1, 127, 31, 31}, 0.1050495);
    expect(outputs["downsamples.level_0.0"], {0, 0, 0, 0}, 0.3540285);
    expect(outputs["downsamples.level_0.2"], {1, 127, 15, 15}, 0.1410735);
    expect(outputs["downsamples.level_1.0"], {1, 255, 15, 15}, -0.1516487);
}

TEST(UNet, TimestepEmbeddingIsSinesThenCosines)
{
    const at::Tensor e = timestepEmbedding(at::tensor({std::int64_t{1}, std::int64_t{500}, std::int64_t{0}}), 128);
    EXPECT_NEAR(e[0][0].item<double>(), 0.8414710, 1e-6);
    EXPECT_NEAR(e[0][64].item<double>(), 0.5403023, 1e-6);
    EXPECT_NEAR(e[0].sum().item<double>(), 69.017594, 1e-3);
    EXPECT_NEAR(e[1].sum().item<double>(), 22.239570, 1e-3);
    EXPECT_TRUE(at::equal(e[2], at::cat({at::zeros({64}), at::ones({64})})));
}

TEST(UNet, AttentionDoesNotCareWhereThingsAre)
{
    const at::NoGradGuard guard;
    AttentionBlock block(32, Place{});
    fillParameters(block);
    const at::Tensor x = inputTensor("input:x", {2, 32, 4, 4}), order = at::tensor({3, 1, 0, 2, 15, 14, 13, 12, 4, 6, 5, 7, 8, 11, 10, 9});
    const auto moved = [&](const at::Tensor& image) { return image.flatten(2).index_select(2, order).view_as(image); };
    expectClose(block.forward(moved(x)), moved(block.forward(x)), 1e-5, 1e-5, "moved");
}

TEST(UNet, AResidualBlockWhoseLastConvolutionIsZeroIsItsSkip)
{
    const at::NoGradGuard guard;
    ResidualBlock same(32, 32, 16, 0.5, 0, Place{});
    fillParameters(same);
    for (auto& item : same.named_parameters())
        if (item.key().starts_with("conv2"))
            item.value().zero_();
    const at::Tensor x = inputTensor("input:x", {2, 32, 4, 4});
    EXPECT_TRUE(at::equal(same.forward(x, at::zeros({2, 16}), tensors::Draws::at(1, 0, 0, 2)), x));
}

TEST(UNet, DropoutIsAFunctionOfTheDrawsInEveryMemoryFormat)
{
    const at::NoGradGuard guard;
    const auto outputOf = [&](bool channelsLast, const tensors::Draws& draws, bool train) {
        const auto model = std::make_shared<UNet>(tiny(), ImageShape{3, 8, 8}, Place{at::kCPU, at::kFloat, channelsLast});
        fillParameters(*model);
        model->train(train);
        const std::int64_t count = draws.slot.size(0), first = draws.slot[0].item<std::int64_t>();
        at::Tensor x = inputTensor("input:x", {8, 3, 8, 8}).slice(0, first, first + count);
        return model->forward({x, at::full({count}, 3, at::kLong), {}}, {}, draws);
    };
    const auto draws = tensors::Draws::at(1, 2, 0, 4);
    const at::Tensor y = outputOf(true, draws, true);
    EXPECT_TRUE(at::equal(y, outputOf(true, draws, true)));
    expectClose(outputOf(false, draws, true), y, 1e-4, 1e-4, "contiguous");
    expectClose(outputOf(true, tensors::Draws::at(1, 2, 2, 2), true), y.slice(0, 2, 4), 1e-4, 1e-4, "half of the batch");
    EXPECT_GT((outputOf(true, tensors::Draws::at(1, 3, 0, 4), true) - y).abs().max().item<double>(), 1e-2);
    EXPECT_GT((outputOf(true, draws, false) - y).abs().max().item<double>(), 1e-2);
}

TEST(UNet, KnowsClassesAndHidesSomeWhileItTrains)
{
    const at::NoGradGuard guard;
    UNetOptions options = tiny();
    options.classes = 5;
    options.classDropout = 0.25;
    options.dropRate = 0.0;
    UNet model(options, ImageShape{3, 8, 8}, Place{});
    fillParameters(model);
    constexpr std::int64_t kImages = 400;
    const at::Tensor x = inputTensor("input:x", {1, 3, 8, 8}).expand({kImages, 3, 8, 8}), t = at::full({kImages}, 3, at::kLong);
    const auto outputs = [&](const at::Tensor& labels) { return model.forward({x, t, labels}, {}, tensors::Draws::at(1, 2, 0, kImages)); };
    const auto differing = [](const at::Tensor& a, const at::Tensor& b) { // images
        return (a - b).abs().flatten(1).amax(1).gt(1e-4).sum().item<std::int64_t>();
    };
    const at::Tensor second = at::full({kImages}, 2, at::kLong), any = at::full({kImages}, 5, at::kLong);
    model.eval();
    const at::Tensor exact = outputs(second), unconditional = outputs(any);
    expectClose(outputs({}), unconditional, 1e-6, 1e-6, "no labels");
    EXPECT_EQ(differing(exact, unconditional), kImages);
    model.train();
    EXPECT_EQ(differing(outputs(any), unconditional), 0);
    const std::int64_t hidden = differing(outputs(second), exact);
    EXPECT_GT(hidden, 60); // 100 are expected, with a standard deviation of 9
    EXPECT_LT(hidden, 140);
}

TEST(UNet, LevelsThatAreSaidOneByOneRunAsTheSameNetwork)
{
    const at::NoGradGuard guard;
    UNetOptions plain = tiny(), listed = tiny(), uneven = tiny();
    plain.numResBlocks = 2;
    listed.levelBlocks = {2, 2};
    uneven.levelBlocks = {2, 1};
    const auto run = [](const UNetOptions& options, std::vector<std::string>& names) {
        const auto model = std::make_shared<UNet>(options, ImageShape{3, 8, 8}, Place{});
        initialise(*model, 5);
        model->train(); // masks too
        model->watch = [&](const std::string& name, const at::Tensor&) { names.push_back(name); };
        const auto draws = tensors::Draws::at(1, 0, 0, 4);
        return model->forward({draws.normal(Stream::Noise, {3, 8, 8}), at::full({4}, 10, at::kLong), {}}, {}, draws);
    };
    std::vector<std::string> first, second, third;
    EXPECT_TRUE(at::equal(run(plain, first), run(listed, second)));
    EXPECT_EQ(first, second);
    EXPECT_EQ(run(uneven, third).sizes().vec(), (std::vector<std::int64_t>{4, 3, 8, 8}));
    EXPECT_EQ(third, (std::vector<std::string>{"embed", "in_conv", "downsamples.level_0.0", "downsamples.level_0.1",
                                               "downsamples.level_0.2", "downsamples.level_1.0", "middle.0", "middle.1", "middle.2",
                                               "upsamples.level_1.0", "upsamples.level_1.1", "upsamples.level_1.2", "upsamples.level_0.0",
                                               "upsamples.level_0.1", "upsamples.level_0.2", "out_conv"}));
}

TEST(UNet, FirstValuesDependOnSeedAndNameAlone)
{
    const auto a = std::make_shared<UNet>(tiny(), ImageShape{3, 8, 8}, Place{});
    UNetOptions deeper = tiny();
    deeper.numResBlocks = 2;
    const auto b = std::make_shared<UNet>(deeper, ImageShape{3, 8, 8}, Place{at::kCPU, at::kFloat, true});
    initialise(*a, 5);
    initialise(*b, 5);
    const auto of = [](const std::shared_ptr<UNet>& model, const char* name) { return model->named_parameters()[name]; };
    EXPECT_TRUE(at::equal(of(a, "in_conv.weight"), of(b, "in_conv.weight")));
    EXPECT_TRUE(at::equal(of(a, "middle.1.project_in.weight"), of(b, "middle.1.project_in.weight")));
    EXPECT_FALSE(at::equal(of(a, "middle.0.conv1.weight"), of(a, "middle.2.conv1.weight")));
    initialise(*b, 6);
    EXPECT_FALSE(at::equal(of(a, "in_conv.weight"), of(b, "in_conv.weight")));
}

TEST(UNet, TheUntrainedLossIsOne)
{
    const at::NoGradGuard guard;
    const auto model = std::make_shared<UNet>(tiny(), ImageShape{3, 16, 16}, Place{});
    initialise(*model, 1);
    model->eval();
    const auto draws = tensors::Draws::at(1, 0, 0, 64);
    const at::Tensor noise = draws.normal(Stream::Noise, {3, 16, 16});
    const at::Tensor y = model->forward({noise, draws.timesteps(1000), {}}, {}, draws);
    EXPECT_NEAR((y - noise).square().mean().item<double>(), 1.0, 0.03); // 49 152 squares: 5 standard errors
}

TEST(Registry, ABuiltModelHasExactlyTheParametersOfItsShape)
{
    config::UNetConfig cifar, folded, plain, deep, uneven;
    folded.blockSize = 2;
    folded.numClasses = 10;
    plain.hidChannels = 32;
    plain.resampleWithConv = false;
    plain.applyAttn = {true, false, false, true};
    deep.hidChannels = 32;
    deep.chMultipliers = {1, 1, 2, 2, 4, 4};
    deep.applyAttn = {false, false, false, false, true, false};
    deep.numResBlocks = 3;
    uneven = config::withLevelBlocks(folded, {3, 1, 2, 1});
    for (const auto& c : {cifar, folded, plain, deep, uneven, config::withLevelBlocks(plain, {1, 1, 1, 4})}) {
        shapes::ModelShape shape;
        shape.side = 64;
        shape.model = c;
        const auto table = shapes::parameterTable(shape);
        const auto made = make(c, {3, 64, 64}, at::kCPU, true);
        ASSERT_TRUE(made) << made.error().message;
        const auto parameters = (*made)->named_parameters();
        ASSERT_EQ(parameters.size(), table.size());
        for (std::size_t i = 0; i < table.size(); ++i) {
            EXPECT_EQ(parameters[i].key(), table[i].name);
            EXPECT_EQ(parameters[i].value().sizes().vec(), table[i].shape) << table[i].name;
            if (table[i].init != shapes::Init::Normal)
                continue;
            initialise(**made, 1);
            EXPECT_NEAR(parameters[i].value().std().item<double>(), table[i].bound, 0.05 * table[i].bound) << table[i].name; // 5632 draws
        }
    }
}

TEST(Registry, RefusesByTheNameOfTheField)
{
    const auto refusal = [](config::UNetConfig c, ImageShape image = {3, 32, 32}) {
        const auto made = make(c, image, at::kCPU, true);
        return made ? std::string() : made.error().message;
    };
    config::UNetConfig c;
    EXPECT_EQ(refusal(c), "");
    c.chMultipliers = {2, 2, 2, 2};
    EXPECT_TRUE(refusal(c).starts_with("model.ch_multipliers"));
    c = {};
    c.applyAttn = {true};
    EXPECT_TRUE(refusal(c).starts_with("model.apply_attn"));
    c = {};
    c.levelBlocks = {1, 2};
    EXPECT_TRUE(refusal(c).starts_with("model.level_blocks"));
    c = {};
    c.hidChannels = 40;
    EXPECT_TRUE(refusal(c).starts_with("model.hid_channels"));
    c = {};
    EXPECT_NE(refusal(c, {3, 36, 32}).find("multiple of 8, but it is 36"), std::string::npos) << refusal(c, {3, 36, 32});
}

} // namespace
} // namespace espalier::models
