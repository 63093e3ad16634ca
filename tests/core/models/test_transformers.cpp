// SPDX-License-Identifier: Apache-2.0
#include "core/models/dit.h"
#include "core/models/recompute.h"
#include "core/models/registry.h"
#include "core/models/unet.h"
#include "core/models/vit.h"
#include "core/shapes/parameters.h"
#include "core/training/precision.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::models {
namespace {

using namespace espalier::tests;

config::DitConfig tinyDit()
{
    return {.hiddenSize = 48, .depth = 2, .numHeads = 4, .numClasses = 5};
}
config::VitConfig tinyVit()
{
    return {.hiddenSize = 48, .depth = 3, .numHeads = 4, .numClasses = 5, .dropPath = 0.4};
}

tensors::Batch batchOf(std::int64_t count, std::int64_t channels, std::int64_t side)
{
    return {inputTensor("input:x", {count, channels, side, side}), at::arange(count).mul(97), at::arange(count).remainder(5)};
}

/// Adam from scratch on one batch; gives the first and the last loss.
template <class Loss>
std::pair<double, double> overfitted(Model& model, int steps, double rate, const Loss& loss)
{
    std::vector<at::Tensor> first, second;
    std::vector<at::Tensor> parameters;
    for (auto& p : model.parameters()) {
        if (!p.requires_grad())
            continue;
        parameters.push_back(p);
        first.push_back(at::zeros_like(p));
        second.push_back(at::zeros_like(p));
    }
    double begin = 0, end = 0;
    for (int step = 1; step <= steps; ++step) {
        const at::Tensor value = loss();
        end = value.template item<double>();
        begin = step == 1 ? end : begin;
        value.backward();
        const at::NoGradGuard guard;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            const at::Tensor g = parameters[i].grad();
            first[i].mul_(0.9).add_(g, 0.1);
            second[i].mul_(0.99).addcmul_(g, g, 0.01);
            parameters[i].addcdiv_(first[i] / (1 - std::pow(0.9, step)), (second[i] / (1 - std::pow(0.99, step))).sqrt_().add_(1e-8),
                                   -rate);
            parameters[i].mutable_grad() = at::Tensor();
        }
    }
    return {begin, end};
}

TEST(Dit, OverfitsABatch)
{
    const auto model = std::make_shared<Dit>(tinyDit(), ImageShape{3, 8, 8}, Place{});
    initialise(*model, 1);
    model->eval();
    const auto batch = batchOf(4, 3, 8);
    const at::Tensor wanted = inputTensor("input:y", {4, 3, 8, 8});
    const auto [begin, end] = overfitted(*model, 150, 3e-3, [&] { return (model->forward(batch, {}, {}) - wanted).square().mean(); });
    EXPECT_NEAR(begin, 1.0, 0.1); // it begins by saying 0
    EXPECT_LT(end, 0.05);
}

TEST(Vit, OverfitsABatch)
{
    for (const auto pooling : {config::Pooling::Token, config::Pooling::Mean}) {
        auto c = tinyVit();
        c.pooling = pooling;
        const auto model = std::make_shared<Vit>(c, ImageShape{3, 16, 16}, Place{});
        initialise(*model, 1);
        model->eval();
        const auto batch = batchOf(8, 3, 16);
        const auto [begin, end] = overfitted(*model, 60, 3e-3, [&] {
            return -at::log_softmax(model->forward(batch, {}, {}), -1).gather(1, batch.labels.unsqueeze(1)).mean();
        });
        EXPECT_NEAR(begin, std::log(5.0), 0.2);
        EXPECT_LT(end, 0.02);
    }
}

TEST(Dit, KnowsClassesOrNone)
{
    const at::NoGradGuard guard;
    const auto batch = batchOf(4, 3, 8);
    Dit knowing(tinyDit(), ImageShape{3, 8, 8}, Place{});
    fillParameters(knowing);
    knowing.eval();
    const auto any = at::full({4}, 5, at::kLong);
    expectClose(knowing.forward({batch.x, batch.t, {}}, {}, {}), knowing.forward({batch.x, batch.t, any}, {}, {}), 1e-6, 1e-6, "any class");
    EXPECT_GT((knowing.forward(batch, {}, {}) - knowing.forward({batch.x, batch.t, any}, {}, {})).abs().max().item<double>(), 1e-3);
    auto c = tinyDit();
    c.numClasses = 0;
    Dit ignorant(c, ImageShape{3, 8, 8}, Place{});
    fillParameters(ignorant);
    ignorant.train(); // hides nothing, as there is nothing to hide
    EXPECT_EQ(ignorant.classes(), 0);
    EXPECT_TRUE(at::equal(ignorant.forward(batch, {}, tensors::Draws::at(1, 0, 0, 4)), ignorant.forward({batch.x, batch.t, any}, {}, {})));
}

TEST(Vit, DropPathIsAFunctionOfTheDraws)
{
    const at::NoGradGuard guard;
    Vit model(tinyVit(), ImageShape{3, 16, 16}, Place{});
    fillParameters(model);
    model.train();
    const auto batch = batchOf(8, 3, 16);
    const auto half = tensors::Batch{batch.x.slice(0, 4), {}, {}};
    const at::Tensor y = model.forward(batch, {}, tensors::Draws::at(1, 2, 0, 8));
    expectClose(model.forward(half, {}, tensors::Draws::at(1, 2, 4, 4)), y.slice(0, 4), 1e-5, 1e-5, "half of the batch");
    EXPECT_GT((model.forward(batch, {}, tensors::Draws::at(1, 3, 0, 8)) - y).abs().max().item<double>(), 1e-2);
    model.eval();
    EXPECT_GT((model.forward(batch, {}, {}) - y).abs().max().item<double>(), 1e-2);
}

/// Output and all gradients of one step with dropout on.
std::vector<at::Tensor> stepOf(Model& model, const tensors::Batch& batch, config::Precision precision)
{
    for (auto& parameter : model.parameters())
        parameter.mutable_grad() = at::Tensor();
    at::Tensor y;
    {
        const training::PrecisionScope scope(precision, at::kCPU);
        y = model.forward(batch, {}, tensors::Draws::at(1, 2, 0, batch.x.size(0)));
    }
    (y.to(at::kFloat) * inputTensor("input:dy", y.sizes().vec())).sum().backward();
    std::vector<at::Tensor> all{y};
    for (const auto& parameter : model.parameters())
        if (parameter.requires_grad())
            all.push_back(parameter.grad().clone());
    return all;
}

TEST(Vit, APartOfTheWayAndTheRestAreTheWholeWay)
{
    for (const auto pooling : {config::Pooling::Token, config::Pooling::Mean})
        for (const auto precision : {config::Precision::Fp32, config::Precision::Bf16}) {
            auto c = tinyVit();
            c.pooling = pooling;
            Vit model(c, ImageShape{3, 16, 16}, Place{});
            fillParameters(model);
            model.eval();
            const at::NoGradGuard noGrad;
            const training::PrecisionScope scope(precision, at::kCPU);
            const auto batch = batchOf(4, 3, 16);
            const auto whole = model.forward(batch, {}, {});
            for (std::int64_t block = 0; block <= c.depth; ++block) {
                const auto half = model.forward(batch, {.keepBlock = {}, .until = block}, {});
                EXPECT_EQ(half.sizes(), block < c.depth ? at::IntArrayRef({4, 17, 48}) : at::IntArrayRef({4, 48}));
                EXPECT_EQ(half.scalar_type(), at::kFloat) << "nothing is rounded where the way is cut";
                auto rest = batch;
                rest.x = half;
                EXPECT_TRUE(at::equal(model.forward(rest, {.keepBlock = {}, .from = block}, {}), whole)) << block;
            }
        }
}

TEST(Recompute, GivesTheSameOutputAndGradients)
{
    UNetOptions unet;
    unet.hidChannels = 32;
    unet.chMultipliers = {1, 2};
    unet.numResBlocks = 1;
    unet.applyAttn = {false, true};
    unet.dropRate = 0.25;
    const std::pair<std::shared_ptr<Model>, std::int64_t> networks[] = {
        {std::make_shared<Dit>(tinyDit(), ImageShape{3, 8, 8}, Place{}), 8},
        {std::make_shared<Vit>(tinyVit(), ImageShape{3, 16, 16}, Place{}), 16},
        {std::make_shared<UNet>(unet, ImageShape{3, 8, 8}, Place{at::kCPU, at::kFloat, true}), 8}};
    for (const auto& [model, side] : networks) {
        fillParameters(*model);
        model->train();
        const auto batch = batchOf(4, 3, side);
        for (const auto precision : {config::Precision::Fp32, config::Precision::Bf16}) {
            SCOPED_TRACE(model->kind() + (precision == config::Precision::Bf16 ? ", bf16" : ""));
            model->recompute = false;
            const auto kept = stepOf(*model, batch, precision);
            model->recompute = true;
            const auto again = stepOf(*model, batch, precision);
            ASSERT_EQ(kept.size(), again.size());
            EXPECT_TRUE(at::equal(kept[0], again[0]));
            double largest = 0.0; // some gradients are zero in theory and noise in fact
            for (std::size_t i = 1; i < kept.size(); ++i)
                largest = std::max(largest, kept[i].abs().max().item<double>());
            for (std::size_t i = 1; i < kept.size(); ++i) {
                // What a U-Net's skips carry back is added in another order.
                if (model->kind() == "unet")
                    expectClose(again[i], kept[i], (precision == config::Precision::Bf16 ? 2e-2 : 1e-5) * largest, 0.0, "gradient");
                else
                    EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
            }
        }
    }
}

TEST(Recompute, DoesNotKeepWhatIsInside)
{
    const at::Tensor x = at::ones({4}).requires_grad_();
    int runs = 0;
    c10::weak_intrusive_ptr<c10::TensorImpl> inside(c10::intrusive_ptr<c10::TensorImpl>{});
    const at::Tensor y = recomputed({x}, {}, [&](const std::vector<at::Tensor>& in) {
        const at::Tensor h = in[0].exp();
        inside = c10::weak_intrusive_ptr<c10::TensorImpl>(h.getIntrusivePtr());
        ++runs;
        return h * h;
    });
    EXPECT_EQ(inside.use_count(), 0u);
    EXPECT_EQ(runs, 1);
    y.sum().backward();
    EXPECT_EQ(runs, 2);
    expectClose(x.grad(), at::full({4}, 2 * std::exp(2.0)), 1e-4, 0, "gradient");
}

TEST(Registry, ABuiltTransformerHasExactlyTheParametersOfItsShape)
{
    std::vector<shapes::ModelShape> shapes;
    for (const auto& [depth, width, heads] : {std::tuple{12, 384, 6}, {12, 768, 12}, {24, 1024, 16}, {28, 1152, 16}})
        for (const std::int64_t patch : {2, 4, 8})
            shapes.push_back({4, 8, 32, config::DitConfig{patch, width, depth, heads, 4.0, true, 1000}});
    shapes.push_back({3, 3, 16, config::DitConfig{.numClasses = 10, .classDropoutProb = 0.0}});
    shapes.push_back({3, 3, 16, config::DitConfig{.mlpRatio = 2.5}});
    for (const auto& [depth, width, heads, patch] :
         {std::tuple{12, 192, 3, 16}, {12, 384, 6, 16}, {12, 768, 12, 16}, {24, 1024, 16, 16}, {32, 1280, 16, 14}})
        shapes.push_back({3, 0, 224, config::VitConfig{patch, width, depth, heads, 4.0, 1000, 0.1, config::Pooling::Token, patch != 14}});
    shapes.push_back({1, 0, 32, config::VitConfig{.pooling = config::Pooling::Mean}});
    for (const auto& shape : shapes) {
        SCOPED_TRACE(shapes::describe(shape));
        const auto table = shapes::parameterTable(shape);
        // On no memory at all: the largest would take gigabytes.
        const auto made = make(shape.model, {shape.inChannels, shape.side, shape.side}, at::kMeta, true);
        ASSERT_TRUE(made) << made.error().message;
        const auto parameters = (*made)->named_parameters();
        ASSERT_EQ(parameters.size(), table.size());
        for (std::size_t i = 0; i < table.size(); ++i) {
            EXPECT_EQ(parameters[i].key(), table[i].name);
            EXPECT_EQ(parameters[i].value().sizes().vec(), table[i].shape) << table[i].name;
            EXPECT_EQ(parameters[i].value().requires_grad(), table[i].trained) << table[i].name;
        }
    }
}

TEST(Registry, RefusesTransformersByTheNameOfTheField)
{
    const auto refusal = [](const config::ModelConfig& c, ImageShape image = {3, 32, 32}) {
        const auto made = make(c, image, at::kCPU, true);
        return made ? std::string() : made.error().message;
    };
    EXPECT_TRUE(refusal(config::DitConfig{.numHeads = 5}).starts_with("model.num_heads"));
    EXPECT_TRUE(refusal(config::VitConfig{.patchSize = 5}).starts_with("data.side 32 must be a multiple of model.patch_size 5"));
    EXPECT_TRUE(refusal(config::VitConfig{}, {3, 32, 16}).starts_with("data.side"));
}

} // namespace
} // namespace espalier::models
