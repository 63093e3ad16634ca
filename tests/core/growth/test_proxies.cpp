// SPDX-License-Identifier: Apache-2.0
#include "core/growth/proxies.h"

#include "core/diffusion/objective.h"
#include "tests/core/growth/growth_support.h"
#include "tests/core/models/golden_dit.h"

#include <limits>

namespace espalier::growth {
namespace {

using namespace espalier::tests;

constexpr double kWorst = -std::numeric_limits<double>::infinity();

at::Tensor row(std::vector<double> values)
{
    return at::tensor(values, at::kDouble);
}

/// f(x) = W x + b, of rows of x.
class Linearly : public models::Model {
public:
    Linearly(std::int64_t in, std::int64_t out)
    {
        m_linear = register_module("linear", std::make_shared<models::Linear>(in, out, models::Place{.dtype = at::kDouble}));
        const at::NoGradGuard guard;
        for (auto& parameter : parameters())
            parameter.fill_(0.5);
    }
    std::string kind() const override { return "linearly"; }
    models::ImageShape image() const override { return {1, 1, m_linear->weight.size(1)}; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override
    {
        return m_linear->forward(batch.x);
    }

private:
    std::shared_ptr<models::Linear> m_linear;
};

double scoreOf(const at::Tensor& x, std::int64_t outputs = 1)
{
    Linearly model(x.size(1), outputs);
    return ntkScore(model, {.x = x}, {}, {});
}

TEST(Ntk, LinearMapsHaveTheConditionOfTheirInputs)
{
    EXPECT_DOUBLE_EQ(scoreOf(at::stack({row({1, 0}), row({0, 2})})), -4.0);
    EXPECT_DOUBLE_EQ(scoreOf(at::stack({row({1, 1}), row({1, -1})})), -1.0);
    EXPECT_DOUBLE_EQ(scoreOf(at::stack({row({1, 0}), row({0, 2})}), 3), -4.0); // the kernel is 3 X Xᵀ
    // Biases alone would make it worse.
    Linearly model(2, 3);
    const auto x = at::stack({row({1, 0}), row({0, 2})});
    EXPECT_TRUE(at::equal(tangentKernel(model, {.x = x}, {}, {}), 3 * x.mm(x.t())));
}

TEST(Ntk, TwoSamplesHaveAClosedForm)
{
    EXPECT_NEAR(conditionScore(at::stack({row({5, 4}), row({4, 5})})), -9.0, 1e-12);
    const double a = 3, c = 1, b = 0.5, q = std::sqrt((a - c) * (a - c) + 4 * b * b);
    EXPECT_NEAR(conditionScore(at::stack({row({a, b}), row({b, c})})), -(a + c + q) / (a + c - q), 1e-12);
}

TEST(Ntk, WhatIsBrokenIsWorst)
{
    EXPECT_EQ(scoreOf(at::stack({row({1, 2}), row({2, 1}), row({3, -1})})), kWorst); // three samples, two weights
    EXPECT_EQ(scoreOf(at::stack({row({1, 2}), row({1, 2})})), kWorst);
    EXPECT_EQ(scoreOf(at::stack({row({0, 0}), row({0, 0})})), kWorst);
    EXPECT_EQ(scoreOf(at::stack({row({1, NAN}), row({2, 1})})), kWorst);
    EXPECT_EQ(scoreOf(at::stack({row({1e200, 0}), row({0, 1})})), kWorst);
    EXPECT_EQ(conditionScore(at::stack({row({1, 2}), row({2, 1})})), kWorst); // an eigenvalue below 0
    EXPECT_EQ(conditionScore(at::zeros({0, 0}, at::kDouble)), kWorst);
    Linearly frozen(2, 1);
    for (auto& parameter : frozen.parameters())
        parameter.requires_grad_(false);
    EXPECT_EQ(ntkScore(frozen, {.x = at::eye(2, at::kDouble)}, {}, {}), kWorst);
}

/// An image in which every network sees something else.
tensors::Batch someBatch(std::int64_t count, std::int64_t side)
{
    return {
        inputTensor("input:proxies", {count, 4, side, side}), at::arange(count, at::kLong) * 200 + 7, at::arange(count, at::kLong) % 3, {}};
}

TEST(Ntk, IsTheProductOfPerSampleGradientsInPiecesOrNot)
{
    at::set_num_threads(1);
    auto net = makeNet(ditShape(2), "x:");
    net.model->train();
    const auto draws = tensors::Draws::at(3, 0, 0, 3);
    const auto batch = someBatch(3, 8);
    const auto before = everythingIn(net.state);
    const auto kernel = tangentKernel(*net.model, batch, {}, draws);
    const auto pieces = tangentKernel(*net.model, batch, {}, draws, 100);
    expectClose(pieces, kernel, 1e-9 * kernel.abs().max().item<double>(), 0, "in pieces");
    EXPECT_TRUE(allEqual(everythingIn(net.state), before));
    EXPECT_TRUE(net.model->is_training());
    net.model->recompute = true;
    expectClose(tangentKernel(*net.model, batch, {}, draws, 5000), kernel, 1e-6 * kernel.abs().max().item<double>(), 0, "recomputed");
    net.model->recompute = false;
    // The whole batch at once, as published: hidden labels are those of the slots.
    const auto output = net.model->forward(batch, {}, draws);
    std::vector<at::Tensor> rows;
    for (std::int64_t i = 0; i < 3; ++i) {
        output[i].sum().backward({}, /*retain_graph=*/true);
        std::vector<at::Tensor> flat;
        for (auto& slot : net.state.slots) {
            EXPECT_EQ(slot.value.grad().defined(), slot.value.requires_grad()) << slot.name; // those before were left undefined
            if (slot.value.requires_grad() && slot.name.find("weight") != std::string::npos)
                flat.push_back(slot.value.grad().flatten().to(at::kDouble));
            slot.value.mutable_grad() = at::Tensor();
        }
        rows.push_back(at::cat(flat));
    }
    const auto jacobian = at::stack(rows);
    // Single precision, in another order.
    expectClose(kernel, jacobian.mm(jacobian.t()), 1e-5 * kernel.abs().max().item<double>(), 0, "Jacobian");
}

TEST(Ntk, FreezingTakesAwayExactlyWhatIsFrozen)
{
    at::set_num_threads(1);
    auto net = makeNet(ditShape(4), "x:");
    const auto batch = someBatch(4, 8);
    net.model->eval();
    const auto kernelOf = [&](const std::vector<shapes::PartRange>& trainable) {
        setGradients(net.state, net.shape, trainable);
        return tangentKernel(*net.model, batch, {}, {});
    };
    const auto all = kernelOf({}), some = kernelOf(rangesOf({0, 2})), rest = kernelOf({{"blocks", 1, 2}, {"blocks", 3, 4}});
    const double largest = all.abs().max().item<double>();
    expectClose(all - some, rest, 1e-5 * largest, 0, "frozen blocks");
    EXPECT_GT(at::linalg_eigvalsh(all - some)[0].item<double>(), -1e-6 * largest);
    EXPECT_GT(rest.diagonal().min().item<double>(), 0.0);
}

TEST(Zico, IsTheHandMadeOne)
{
    EXPECT_NEAR(zicoOf({{row({1, 2, -3}), row({3, 2, -1})}, {row({1, -1}), row({-1, 1})}}), std::log(8.0), 1e-12);
    const std::vector<at::Tensor> pair{row({0.3, -2, 5, 0.01}), row({0.4, 1, 7, 0.02})};
    const double two = 0.7 / 0.1 + 3.0 / 3.0 + 12.0 / 2.0 + 0.03 / 0.01;
    EXPECT_NEAR(zicoOf({pair}), std::log(two), 1e-12);
    EXPECT_NEAR(zicoOf({{-5 * pair[0], -5 * pair[1]}}), zicoOf({pair}), 1e-12);
    EXPECT_EQ(zicoOf({{row({1, 2}), row({1, 2})}}), 0.0); // nothing differs: the module does not count
    EXPECT_EQ(zicoOf({{row({0.1, 2}), row({0.1, 2}), row({0.1, 2})}}), 0.0);
    EXPECT_NEAR(zicoOf({{row({1, -2, 3}), row({-4, 5, -6})}}), std::log(3.0), 1e-12);
    EXPECT_EQ(zicoOf({{row({1, NAN}), row({1, 2})}}), kWorst);
    EXPECT_EQ(zicoOf({}), 0.0);
}

TEST(Zico, CountsConvolutionsAndLinearLayersThatTrain)
{
    at::set_num_threads(1);
    auto net = makeNet(ditShape(2), "x:");
    diffusion::DiffusionObjective objective(config::DiffusionConfig{});
    const auto before = everythingIn(net.state);
    const std::vector<tensors::Draws> draws{tensors::Draws::at(3, 0, 0, 4), tensors::Draws::at(3, 1, 0, 4)};
    const std::vector<tensors::Batch> batches(2, {someBatch(4, 8).x, {}, someBatch(4, 8).labels, {}});
    const auto scoreWith = [&](const std::vector<shapes::PartRange>& trainable) {
        setGradients(net.state, net.shape, trainable);
        return zicoScore(*net.model, objective, batches, {}, draws);
    };
    const double both = scoreWith({}), first = scoreWith(rangesOf({0})), second = scoreWith({{"blocks", 1, 2}});
    EXPECT_TRUE(allEqual(everythingIn(net.state), before));
    EXPECT_FALSE(net.slot("blocks.1.attn.qkv.weight").value.grad().defined());
    EXPECT_NEAR(both, first + second, 1e-4 * both); // a sum over modules
    EXPECT_GT(second, 0.0);
    for (auto& slot : net.state.slots) // the table of classes is no module of it
        slot.value.requires_grad_(slot.name == "y_embedder.embedding_table.weight");
    EXPECT_EQ(zicoScore(*net.model, objective, batches, {}, draws), 0.0);
    setGradients(net.state, net.shape, {{"blocks", 1, 2}});
    const std::vector<tensors::Batch> same(2, batches[0]);
    const std::vector<tensors::Draws> equal(2, draws[0]);
    EXPECT_EQ(zicoScore(*net.model, objective, same, {}, equal), 0.0);
}

} // namespace
} // namespace espalier::growth
