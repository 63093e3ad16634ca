// SPDX-License-Identifier: Apache-2.0
// Numbers of single values were computed from the formulas of Nichol and Dhariwal 2021 and the published DiT code in float64.
#include "core/diffusion/losses.h"
#include "core/diffusion/objective.h"
#include "core/diffusion/samplers.h"
#include "tests/core/diffusion/golden_process.h"

#include <torch/torch.h>

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;
using config::LossType;
using config::VarType;

at::Tensor one(double value)
{
    return at::full({1, 1, 1, 1}, value, at::kDouble);
}
at::Tensor output(double eps, double variance)
{
    return at::cat({one(eps), one(variance)}, 1);
}

TEST(LearnedVariance, OneStepAtEveryFourthLevel)
{
    const auto levels = levelsOf("250");
    const Process process = linearProcess().respaced(levels);
    const AncestralSampler ancestral(process, false);
    const DdimSampler ddim(linearProcess(), levels, 0.0, false);
    struct Row {
        std::int64_t k, level;
        double x0, mean, logVar, ancestral, ddim;
    };
    for (const Row& r : {Row{0, 0, 0.79653983, 0.79653983, -9.3183418, 0.79653983, 0.79653983},
                         {1, 4, 0.79102296, 0.79230683, -8.7812816, 0.81089601, 0.79448341},
                         {125, 502, 1.6790837, 0.80206787, -3.0128757, 1.1346153, 0.81114750},
                         {249, 999, 70.835818, 0.80468613, -2.5572301, 1.2223201, 0.81852590}}) {
        const auto reverse = process.reverse(output(0.35, -0.4), one(0.8), at::tensor({r.k}), false);
        const auto expect = [&](const at::Tensor& value, double wanted) { // eight digits are given
            EXPECT_NEAR(value.item<double>(), wanted, 6e-8 * std::abs(wanted)) << r.k;
        };
        expect(reverse.x0, r.x0);
        expect(reverse.mean, r.mean);
        expect(reverse.logVar, r.logVar);
        expect(ancestral.step(r.k, output(0.35, -0.4), one(0.8), one(1.5)).next, r.ancestral);
        expect(ddim.step(r.k, output(0.35, -0.4), one(0.8), one(1.5)).next, r.ddim);
        EXPECT_EQ(ancestral.levelOf(r.k), r.level);
        EXPECT_EQ(ddim.levelOf(r.k), r.level);
    }
}

TEST(LearnedVariance, TheLossOfOneValue)
{
    const Process process = linearProcess();
    const auto lossOf = [&](std::int64_t level, double x0, double eps, double said, double v) {
        const at::Tensor t = at::tensor({level});
        return lossPerSample(process, LossType::Mse, output(said, v), one(x0), process.noised(one(x0), t, one(eps)), t, one(eps));
    };
    const auto vb = [&](std::int64_t level) { return lossOf(level, 0.3, -0.7, -0.5, 0.2).vb.item<double>(); };
    EXPECT_NEAR(lossOf(500, 0.3, -0.7, -0.5, 0.2).mse.item<double>(), 0.04, 1e-12);
    EXPECT_NEAR(vb(500), 3.1815925e-4, 1e-10);
    EXPECT_NEAR(vb(1), 0.090862827, 1e-8);
    EXPECT_NEAR(vb(999), 5.8887908e-4, 1e-10);
    EXPECT_NEAR(vb(0), 1.5825555, 1e-6);
    EXPECT_NEAR(lossOf(0, 0.3, -0.7, -0.5, 0.2).sum().item<double>(), 1.6225555, 1e-6);
    EXPECT_NEAR(lossOf(0, 1.2, 0.4, 0.1, -1.0).vb.item<double>(), 0.27654769, 1e-7); // beyond the last pixel value
    for (const std::int64_t level : {1, 10, 500, 999}) // nothing is left to say: exact noise, and the variance of the posterior
        EXPECT_NEAR(lossOf(level, 0.3, -0.7, -0.7, -1.0).vb.item<double>(), 0.0, 1e-12) << level;
}

TEST(LearnedVariance, TheBoundDoesNotPullAtThePrediction)
{
    const Process learned = linearProcess(), fixed = linearProcess(1000, VarType::FixedLarge);
    const at::Tensor x0 = inputTensor("input:x0", {3, 4, 2, 2}).clamp(-1, 1), noise = inputTensor("input:noise", {3, 4, 2, 2}),
                     t = at::tensor({0L, 3L, 700L}), xt = learned.noised(x0, t, noise);
    at::Tensor whole = inputTensor("input:output", {3, 8, 2, 2}).requires_grad_(), half = whole.detach().slice(1, 0, 4).requires_grad_();
    lossPerSample(learned, LossType::Mse, whole, x0, xt, t, noise).sum().mean().backward();
    lossPerSample(fixed, LossType::Mse, half, x0, xt, t, noise).sum().mean().backward();
    EXPECT_TRUE(at::equal(whole.grad().slice(1, 0, 4), half.grad()));
    EXPECT_GT(whole.grad().slice(1, 4).abs().min().item<double>(), 0.0);
    // The bound alone trains both.
    at::Tensor other = whole.detach().requires_grad_();
    lossPerSample(learned, LossType::Kl, other, x0, xt, t, noise).sum().mean().backward();
    EXPECT_FALSE(at::equal(other.grad().slice(1, 0, 4), half.grad()));
    EXPECT_GT(other.grad().slice(1, 0, 4).abs().max().item<double>(), 0.0);
}

TEST(LearnedVariance, WeightsAreOfTheSquaredErrorAlone)
{
    config::DiffusionConfig c;
    c.varType = VarType::LearnedRange;
    c.meanType = config::MeanType::X0;
    c.lossWeighting = config::LossWeighting::MinSnr;
    const Process process(c);
    const at::Tensor x0 = inputTensor("input:x0", {1, 1, 2, 2}).clamp(-1, 1), noise = inputTensor("input:noise", {1, 1, 2, 2}),
                     t = at::tensor({500L}), said = inputTensor("input:output", {1, 2, 2, 2});
    class Says : public models::Model {
    public:
        explicit Says(at::Tensor output) : m_output(std::move(output)) {}
        std::string kind() const override { return "says"; }
        models::ImageShape image() const override { return {1, 2, 2}; }
        at::Tensor forward(const tensors::Batch&, const tensors::Path&, const tensors::Draws&) override { return m_output; }

    private:
        at::Tensor m_output;
    } model(said);
    const auto parts = lossPerSample(process, LossType::Mse, said, x0, process.noised(x0, t, noise), t, noise);
    const auto terms = DiffusionObjective(c, true).with(model, {x0, {}, {}}, {}, {}, t, noise);
    const double mse = parts.mse.item<double>(), vb = parts.vb.item<double>();
    EXPECT_NEAR(terms.perSample.item<double>(), mse + vb, 1e-6);
    EXPECT_NEAR(terms.loss.item<double>(), 0.0843595494103264 * mse + vb, 1e-6); // the golden weight of this level
}

TEST(Respaced, ProcessesRememberTheNetworksLevels)
{
    const Process twice = linearProcess().respaced(levelsOf("500")).respaced({0, 100, 499});
    EXPECT_EQ(twice.networkLevel(2), 999);
    EXPECT_EQ(twice.networkLevel(1), levelsOf("500")[100]);
    const double bar = linearProcess().tables().alphasBar[999];
    EXPECT_NEAR(twice.tables().alphasBar[2], bar, 1e-12 * bar);
    EXPECT_EQ(linearProcess().networkLevel(7), 7);
}

TEST(Respaced, SamplersFollowTheSettings)
{
    config::SamplerConfig c;
    c.kind = config::SamplerKind::Ddpm;
    const auto stepsOf = [&](VarType varType) { return makeSampler(linearProcess(1000, varType), c)->steps(); };
    EXPECT_EQ(stepsOf(VarType::FixedLarge), 1000);
    c.timestepRespacing = "10,15,20";
    EXPECT_EQ(stepsOf(VarType::FixedSmall), 45);
    c.kind = config::SamplerKind::Ddim;
    c.steps = 7; // not looked at
    EXPECT_EQ(stepsOf(VarType::LearnedRange), 45);
    c.timestepRespacing.clear();
    // Clipping is the sampler's: far from the image x_0 leaves [-1, 1] without it.
    const auto x0 = [&](bool clip) {
        c.clipDenoised = clip;
        const auto sampler = makeSampler(linearProcess(1000, VarType::FixedLarge), c);
        return sampler->step(sampler->steps() - 1, one(0.0), one(1.0), one(0.0)).x0.item<double>();
    };
    EXPECT_EQ(x0(true), 1.0);
    EXPECT_GT(x0(false), 100.0);
}

} // namespace
} // namespace espalier::diffusion
