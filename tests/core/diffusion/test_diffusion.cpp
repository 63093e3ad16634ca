// SPDX-License-Identifier: Apache-2.0
// Numbers without a source in this file were computed from the formulas of Ho et al. 2020 and Song et al. 2020 in float64.
#include "core/diffusion/losses.h"
#include "core/diffusion/objective.h"
#include "core/diffusion/samplers.h"
#include "tests/core/tensors/tensor_support.h"

#include <numeric>

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;
using config::BetaSchedule;
using config::MeanType;
using config::VarType;

Process linear(VarType varType = VarType::FixedLarge, MeanType meanType = MeanType::Eps)
{
    return {betaSchedule(BetaSchedule::Linear, 1e-4, 0.02, 1000), meanType, varType};
}

/// A network that answers with a function of x and t.
class Answer : public models::Model {
public:
    explicit Answer(Network network) : m_network(std::move(network)) {}
    std::string kind() const override { return "answer"; }
    models::ImageShape image() const override { return {1, 2, 2}; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override
    {
        return m_network(batch.x, batch.t);
    }

private:
    Network m_network;
};

at::Tensor sampled(const Sampler& sampler, const Network& network, at::Tensor x, std::uint64_t seed, const at::Tensor& slots)
{
    for (std::int64_t i = sampler.steps(); i-- > 0;)
        x = sampler.advance(i, network, x, seed, slots).next;
    return x;
}

// (3/24)² and (9/24)² of 800 lie between two levels, 12.5 and 112.5: in exact arithmetic both ties go to the even one.
TEST(Subsequence, TiesGoWhereThePublishedCodeSendsThem)
{
    const auto levels = subsequence(config::SkipSchedule::Quadratic, 25, 1000);
    ASSERT_EQ(levels.size(), 25u);
    EXPECT_EQ(levels[3], 12);
    EXPECT_EQ(levels[9], 112);
    EXPECT_EQ(levels.back(), 800);
}

TEST(Process, TablesOfTheCifarRun)
{
    const ProcessTables p = linear().tables();
    struct Row {
        std::size_t t;
        double beta, bar, snr, variance, c1, c2;
    };
    for (const Row& r : {Row{0, 1e-4, 0.9999, 9999, 0, 1, 0},
                         Row{1, 1.199199199e-4, 0.999780092072, 4546.357657, 5.453187661e-05, 0.5452914995, 0.454708499},
                         Row{100, 2.091991992e-3, 0.895141590898, 8.536669577, 2.05455353e-03, 0.01889545559, 0.9810761026},
                         Row{500, 1.005995996e-2, 0.077796658365, 0.08435954941, 1.005133578e-02, 0.003058057076, 0.9941043508},
                         Row{999, 0.02, 4.03582976538e-05, 4.035992651e-05, 0.01999998353, 1.283514872e-04, 0.9899486783}}) {
        EXPECT_NEAR(p.betas[r.t], r.beta, 1e-9 * r.beta);
        EXPECT_NEAR(p.alphasBar[r.t], r.bar, 1e-9 * r.bar);
        EXPECT_NEAR(p.alphasBar[r.t] / (1 - p.alphasBar[r.t]), r.snr, 1e-8 * r.snr);
        EXPECT_NEAR(p.posteriorVar[r.t], r.variance, 1e-9 * r.variance);
        EXPECT_NEAR(p.posteriorMeanCoef1[r.t], r.c1, 1e-9 * r.c1);
        EXPECT_NEAR(p.posteriorMeanCoef2[r.t], r.c2, 1e-9 * r.c2);
    }
    const auto noisier = std::find_if(p.alphasBar.begin(), p.alphasBar.end(), [](double bar) { return bar < 0.5; });
    EXPECT_EQ(noisier - p.alphasBar.begin(), 259);
    const auto barOf = [](BetaSchedule schedule, std::size_t t) {
        return processTables(betaSchedule(schedule, 1e-4, 0.02, 1000)).alphasBar[t];
    };
    EXPECT_NEAR(barOf(BetaSchedule::Quad, 499), 0.33318777, 1e-8);
    EXPECT_NEAR(barOf(BetaSchedule::Warmup10, 99), 0.36356325, 1e-8);
    EXPECT_NEAR(barOf(BetaSchedule::Warmup50, 499), 0.0063527108, 1e-10);
    EXPECT_NEAR(barOf(BetaSchedule::Const, 99), 0.13261956, 1e-8);
    EXPECT_NEAR(barOf(BetaSchedule::Jsd, 499), 0.5, 1e-12);
    EXPECT_EQ(barOf(BetaSchedule::Jsd, 999), 0.0);
    EXPECT_NEAR(barOf(BetaSchedule::Cosine, 499), 0.49384359, 1e-8);
}

TEST(Process, TheMeanOfANoiselessPairIsNoiseless)
{
    for (const auto& [schedule, name] : config::Names<BetaSchedule>::kAll) {
        const ProcessTables p = processTables(betaSchedule(schedule, 1e-4, 0.02, 1000));
        for (std::size_t t = 0; t < 1000; ++t)
            EXPECT_NEAR(p.posteriorMeanCoef1[t] + p.posteriorMeanCoef2[t] * p.sqrtAlphasBar[t], std::sqrt(p.alphasBarBefore[t]), 1e-11)
                << name << " " << t;
    }
}

TEST(Process, TheTrueNoiseGivesTheImageBack)
{
    const Process process = linear();
    const at::Tensor x0 = inputTensor("input:x0", {900, 8}).clamp(-1, 1), noise = inputTensor("input:noise", {900, 8}), t = at::arange(900);
    expectClose(process.x0FromEps(process.noised(x0, t, noise), t, noise), x0, 1e-4, 0, "x0");
}

TEST(Losses, AgreeWithHandMadeNumbers)
{
    const auto one = [](double v) { return at::full({1}, v, at::kFloat); };
    EXPECT_NEAR(normalKl(one(0.3), one(-1), one(-0.2), one(0.5)).item<double>(), 0.437381417, 1e-6);
    EXPECT_NEAR(discretisedLogLikelihood(one(-1), one(-0.99), one(-4)).item<double>(), -0.994240, 2e-5);
    EXPECT_NEAR(discretisedLogLikelihood(one(0), one(0.01), one(-4)).item<double>(), -1.922027, 2e-5);
    EXPECT_NEAR(discretisedLogLikelihood(one(1), one(0.98), one(-4)).item<double>(), -1.660010, 2e-5);
}

TEST(DiffusionObjective, DrawsTheSameLossesHoweverTheBatchIsSplit)
{
    config::DiffusionConfig c;
    DiffusionObjective objective(c);
    Answer model([](const at::Tensor& x, const at::Tensor& t) { return 0.5 * x + 0.001 * t.to(at::kFloat).view({-1, 1, 1, 1}); });
    const at::Tensor images = inputTensor("input:images", {6, 1, 2, 2}).clamp(-1, 1);
    const auto whole = objective(model, {images, {}, {}}, {}, tensors::Draws::at(5, 3, 0, 6));
    const auto half = objective(model, {images.slice(0, 4, 6), {}, {}}, {}, tensors::Draws::at(5, 3, 4, 2));
    EXPECT_TRUE(at::equal(whole.perSample.slice(0, 4, 6), half.perSample));
    EXPECT_NEAR(whole.loss.item<double>(), whole.perSample.mean().item<double>(), 1e-7);
    EXPECT_FALSE(at::equal(whole.perSample, objective(model, {images, {}, {}}, {}, tensors::Draws::at(5, 4, 0, 6)).perSample));
}

TEST(DiffusionObjective, WeightsChangeWhatIsLearntAndNotWhatIsShown)
{
    config::DiffusionConfig c;
    c.meanType = MeanType::X0;
    const auto weighted = [&](bool strict) {
        config::DiffusionConfig with = c;
        with.lossWeighting = config::LossWeighting::MinSnr;
        return DiffusionObjective(with, strict);
    };
    DiffusionObjective plain(c), ours = weighted(false), published = weighted(true);
    Answer model([](const at::Tensor& x, const at::Tensor&) { return 0.5 * x; });
    const at::Tensor images = inputTensor("input:images", {2, 1, 2, 2}).clamp(-1, 1), noise = inputTensor("input:noise", {2, 1, 2, 2});
    const at::Tensor t = at::tensor({5, 500}, at::kLong);
    const auto lossOf = [&](DiffusionObjective& objective) {
        return objective.with(model, {images, {}, {}}, {}, tensors::Draws::at(5, 3, 0, 2), t, noise);
    };
    const auto unweighted = lossOf(plain).perSample;
    EXPECT_TRUE(at::equal(lossOf(ours).perSample, unweighted));
    const double first = unweighted[0].item<double>(), second = unweighted[1].item<double>();
    // Of the golden table: 5 and 0.0844 at these levels, 1.0497 on average.
    const double sum = 0.5 * (5.0 * first + 0.0843595494103264 * second);
    EXPECT_NEAR(lossOf(published).loss.item<double>(), sum, 1e-5 * sum);
    EXPECT_NEAR(lossOf(ours).loss.item<double>(), sum / 1.049711159579961, 1e-5 * sum);
}

TEST(DiffusionObjective, TheBestAnswerToKnownDataHasTheKnownLoss)
{
    // Data N(0, 1/4): the best network is sqrt(1 - bar) / (bar / 4 + 1 - bar) x, its mean square error bar s^2 / (bar s^2 + 1 - bar).
    config::DiffusionConfig c;
    DiffusionObjective objective(c);
    const ProcessTables p = objective.process().tables();
    const Lookup factor([&] {
        Table f(1000);
        for (std::size_t t = 0; t < 1000; ++t)
            f[t] = std::sqrt(1 - p.alphasBar[t]) / (0.25 * p.alphasBar[t] + 1 - p.alphasBar[t]);
        return f;
    }());
    Answer model([&](const at::Tensor& x, const at::Tensor& t) { return factor(t, x) * x; });
    const at::Tensor images = 0.5 * tensors::Draws::at(1, 0, 0, 20000).normal(Stream::Garden, {1, 2, 2});
    const auto draws = tensors::Draws::at(2, 0, 0, 20000);
    const at::Tensor noise = draws.normal(Stream::Noise, {1, 2, 2});
    for (const auto& [level, wanted] : {std::pair{10, 0.991284}, {100, 0.680936}, {300, 0.139821}, {500, 0.0206543}})
        // 80 000 squares of normal numbers: 5 standard errors.
        EXPECT_NEAR(objective.with(model, {images, {}, {}}, {}, draws, at::full({20000}, level, at::kLong), noise).loss.item<double>(),
                    wanted, 5 * wanted * std::sqrt(2 / 80000.0))
            << level;
    EXPECT_NEAR(objective(model, {images, {}, {}}, {}, draws).loss.item<double>(), 0.173053, 0.01);
}

TEST(Samplers, OneAncestralStepOfASilentNetwork)
{
    const AncestralSampler sampler(linear());
    const at::Tensor x = at::full({1, 1}, 0.5), silent = at::zeros({1, 1}), noise = at::ones({1, 1});
    const auto check = [&](std::int64_t t, double mean, double deviation, double x0) {
        const auto without = sampler.step(t, silent, x, at::zeros({1, 1})), with = sampler.step(t, silent, x, noise);
        EXPECT_NEAR(without.next.item<double>(), mean, 1e-6) << t;
        EXPECT_NEAR(with.next.item<double>() - mean, deviation, 1e-6) << t;
        EXPECT_NEAR(with.x0.item<double>(), x0, 1e-6) << t;
    };
    check(999, 0.49510270, 0.14142135, 1.0);
    check(500, 0.50011021, 0.10029935, 1.0);
    check(10, 0.50007480, 0.01729738, 0.50054926);
    check(0, 0.50002497, 0.0, 0.50002497);
}

TEST(Samplers, DdimOverEveryLevelIsAncestral)
{
    const ProcessTables p = linear().tables();
    std::vector<std::int64_t> all(1000);
    std::iota(all.begin(), all.end(), 0);
    const DdimTables d = ddimTables(p.alphasBar, all, 1.0, VarType::FixedSmall);
    for (std::size_t t = 0; t < 1000; ++t) {
        EXPECT_NEAR(d.c1[t], p.posteriorMeanCoef1[t], 1e-9) << t;
        EXPECT_NEAR(d.c2[t], p.posteriorMeanCoef2[t], 1e-9) << t;
        EXPECT_NEAR(d.modelVar[t], p.posteriorVar[t], 1e-11) << t;
    }
}

TEST(Samplers, WholeDdimRunsEndWhereTheFormulaSays)
{
    const Network shrink = [](const at::Tensor& x, const at::Tensor&) { return 0.3 * x; };
    const at::Tensor start = at::tensor({2.0f / 11, -2.0f / 11, 0.6f, -0.6f}).view({4, 1}), slots = at::arange(4);
    const auto run = [&](config::SkipSchedule skip, std::int64_t steps) {
        return sampled(DdimSampler(linear(), subsequence(skip, steps, 1000), 0.0), shrink, start, 1, slots);
    };
    using enum config::SkipSchedule;
    expectClose(run(Linear, 50).flatten(), at::tensor({0.878345, -0.878345, 1.0, -1.0}), 1e-4, 0, "linear 50");
    expectClose(run(Quadratic, 50).flatten(), at::tensor({0.834149, -0.834149, 1.0, -1.0}), 1e-4, 0, "quadratic 50");
    expectClose(run(Linear, 10).flatten(), at::tensor({0.884694, -0.884694, 1.0, -1.0}), 1e-4, 0, "linear 10");
}

TEST(Samplers, TheExactScoreOfANormalGivesItBack)
{
    for (const auto& [varType, wanted] : {std::pair{VarType::FixedLarge, 0.476}, {VarType::FixedSmall, 0.483}}) {
        const Process process = linear(varType);
        const ProcessTables& p = process.tables();
        const Network best = [&](const at::Tensor& x, const at::Tensor& t) {
            const double bar = p.alphasBar[static_cast<std::size_t>(t[0].item<std::int64_t>())];
            return std::sqrt(1 - bar) / (0.25 * bar + 1 - bar) * x;
        };
        const at::Tensor slots = at::arange(1024), start = Sampler::start(3, slots, {1, 2, 2});
        const at::Tensor end = sampled(AncestralSampler(process), best, start, 3, slots);
        EXPECT_NEAR(end.std().item<double>(), wanted, 0.02); // below 0.5 because of clipping
        const DdimSampler ddim(process, subsequence(config::SkipSchedule::Linear, 100, 1000), 0.0);
        EXPECT_NEAR(sampled(ddim, best, at::full({1, 1}, 1.5), 3, at::arange(1)).item<double>(), 0.728971, 1e-4);
    }
}

TEST(Samplers, NoiseIsKeyedByTheNumberOfTheSample)
{
    const Network network = [](const at::Tensor& x, const at::Tensor&) { return 0.2 * x; };
    const Process process(betaSchedule(BetaSchedule::Linear, 1e-3, 0.3, 20), MeanType::Eps, VarType::FixedLarge);
    config::SamplerConfig ddim;
    ddim.steps = 7;
    ddim.eta = 0.7;
    config::SamplerConfig ancestral = ddim;
    ancestral.kind = config::SamplerKind::Ddpm;
    for (const auto& c : {ddim, ancestral}) {
        const auto sampler = makeSampler(process, c);
        const auto run = [&](const at::Tensor& slots) {
            return sampled(*sampler, network, Sampler::start(11, slots, {3, 4, 4}), 11, slots);
        };
        const at::Tensor whole = run(at::arange(6));
        EXPECT_TRUE(at::equal(run(at::tensor({4L, 2L})), whole.index_select(0, at::tensor({4L, 2L}))));
        EXPECT_FALSE(at::equal(whole[0], whole[1]));
    }
}

} // namespace
} // namespace espalier::diffusion
