// SPDX-License-Identifier: Apache-2.0
// Left out of the golden files, because they describe other generators or programs: trainer_stream_cpu and sample_stream_cpu (CPU
// generator of PyTorch), the toy data, network and histogram (2-D points), image files and their rounding (core/formats).
#include "core/diffusion/losses.h"
#include "core/diffusion/samplers.h"
#include "tests/core/tensors/tensor_support.h"

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;
using config::BetaSchedule;
using config::MeanType;
using config::VarType;

template <class E>
E named(const std::string& text)
{
    for (const auto& [value, name] : config::Names<E>::kAll)
        if (text == name)
            return value;
    ADD_FAILURE() << "no " << text;
    return {};
}

/// The stand-in network of the golden files.
at::Tensor toyNet(const at::Tensor& x, const at::Tensor& t)
{
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
    shape.front() = -1;
    return 0.7 * at::tanh(x) + 0.2 * x * at::cos(0.01 * t.to(at::kFloat)).view(shape) - 0.1;
}

void expectTable(const Table& table, const std::vector<std::int64_t>& index, const Json& wanted, const std::string& what)
{
    ASSERT_EQ(index.size(), wanted.size()) << what;
    for (std::size_t k = 0; k < index.size(); ++k) {
        const double value = table.at(static_cast<std::size_t>(index[k])), golden = numberOf(wanted[k]);
        if (std::isinf(golden))
            EXPECT_EQ(value, golden) << what << " at " << index[k];
        else
            EXPECT_NEAR(value, golden, std::max(1e-12 * std::abs(golden), what.find("logvar") != std::string::npos ? 1e-9 : 0.0))
                << what << " at " << index[k];
    }
}

std::vector<std::int64_t> firstIndices(std::size_t count)
{
    std::vector<std::int64_t> index(count);
    for (std::size_t i = 0; i < count; ++i)
        index[i] = static_cast<std::int64_t>(i);
    return index;
}

TEST(GoldenDiffusion, TablesOfEverySchedule)
{
    const auto file = goldenFolder() / "ddpm" / "schedules.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const auto index = document.at("index").get<std::vector<std::int64_t>>();
    const double start = document.at("beta_start"), end = document.at("beta_end");
    for (const auto& [name, golden] : document.at("schedules").items()) {
        const ProcessTables p = processTables(betaSchedule(named<BetaSchedule>(name), start, end, document.at("T")));
        const std::map<std::string, const Table*> tables{{"betas", &p.betas},
                                                         {"alphas_bar", &p.alphasBar},
                                                         {"sqrt_alphas_bar", &p.sqrtAlphasBar},
                                                         {"sqrt_one_minus_alphas_bar", &p.sqrtOneMinusAlphasBar},
                                                         {"sqrt_recip_alphas_bar", &p.sqrtRecipAlphasBar},
                                                         {"sqrt_recip_m1_alphas_bar", &p.sqrtRecipM1AlphasBar},
                                                         {"posterior_var", &p.posteriorVar},
                                                         {"posterior_mean_coef1", &p.posteriorMeanCoef1},
                                                         {"posterior_mean_coef2", &p.posteriorMeanCoef2},
                                                         {"logvar_fixed_large", &p.logVarFixedLarge},
                                                         {"logvar_fixed_small", &p.logVarFixedSmall}};
        for (const auto& [table, wanted] : golden.items()) {
            ASSERT_TRUE(tables.contains(table)) << table;
            expectTable(*tables.at(table), index, wanted, name + " " + table);
        }
    }
    for (const auto& [name, golden] : document.at("openai").items()) { // "cosine T=50"; its linear schedule is rescaled to T
        const std::int64_t T = std::stoll(name.substr(name.find('=') + 1));
        const double scale = 1000.0 / static_cast<double>(T);
        const ProcessTables p =
            processTables(betaSchedule(named<BetaSchedule>(name.substr(0, name.find(' '))), 1e-4 * scale, 0.02 * scale, T));
        const auto at = golden.at("index").get<std::vector<std::int64_t>>();
        expectTable(p.betas, at, golden.at("betas"), name + " betas");
        expectTable(p.alphasBar, at, golden.at("alphas_bar"), name + " alphas_bar");
    }
    for (const auto& [name, golden] : document.at("short").items())
        expectTable(
            betaSchedule(named<BetaSchedule>(name.substr(0, name.find(' '))), start, end, std::stoll(name.substr(name.find('=') + 1))),
            firstIndices(golden.size()), golden, name);
}

/// What the "about" line of operations.json says.
struct Operations {
    Json document = readJson(goldenFolder() / "ddpm" / "operations.json");
    std::string about = document.at("about");
    std::string tag = about.find("input:held.") != std::string::npos ? "input:held.ddpm." : "input:ddpm.";
    std::vector<std::int64_t> shape = Json::parse(about.substr(about.find("shape [") + 6, about.find(']') - about.find("shape [") - 5));
    Table betas = betaSchedule(about.find("quad") != std::string::npos ? BetaSchedule::Quad : BetaSchedule::Linear, 1e-4, 0.02, 1000);
    at::Tensor t = at::tensor(document.at("t").get<std::vector<std::int64_t>>());
    at::Tensor x0 = inputTensor(tag + "x0", shape).clamp(-1, 1), noise = inputTensor(tag + "noise", shape),
               z = inputTensor(tag + "z", shape);
};

/// |a - b| <= relative * max(1, |b|), or relative to the largest where cancellation is large.
void expectStep(const at::Tensor& a, const at::Tensor& b, const std::string& what, bool ofLargest = false)
{
    if (ofLargest)
        expectClose(a, b, std::max(2e-5, 1e-5 * b.abs().max().item<double>()), 0, what);
    else
        expectClose(a / b.abs().clamp_min(1), b / b.abs().clamp_min(1), 2e-5, 0, what);
}

TEST(GoldenDiffusion, SingleOperationsAndLosses)
{
    ESPALIER_NEED_GOLDEN(goldenFolder() / "ddpm" / "operations.json");
    const Operations o;
    const auto golden = readGoldenTensors(goldenFolder() / "ddpm" / "operations.safetensors");
    const Process any(o.betas, MeanType::Eps, VarType::FixedLarge);
    const at::Tensor xt = any.noised(o.x0, o.t, o.noise);
    expectStep(xt, golden.at("q_sample"), "q_sample");
    expectStep(any.posteriorMean(o.x0, xt, o.t), golden.at("posterior_mean"), "posterior_mean");
    expectStep(any.x0FromEps(xt, o.t, o.noise), golden.at("x0_from_eps"), "x0_from_eps", true);
    expectStep(any.x0FromMean(xt, o.t, golden.at("posterior_mean")), golden.at("x0_from_mean"), "x0_from_mean", true);
    int steps = 0;
    for (const char* mean : {"eps", "x_0", "mean"})
        for (const char* var : {"fixed-large", "fixed-small"}) {
            const Process process(o.betas, named<MeanType>(mean), named<VarType>(var));
            const at::Tensor output = toyNet(xt, o.t);
            for (const bool clip : {true, false}) {
                const AncestralSampler sampler(process, clip);
                std::vector<at::Tensor> next, x0;
                for (std::int64_t i = 0; i < o.t.size(0); ++i) { // each sample stands at its own level
                    const auto one = [&](const at::Tensor& all) { return all.slice(0, i, i + 1); };
                    auto step = sampler.step(o.t[i].item<std::int64_t>(), one(output), one(xt), one(o.z));
                    next.push_back(step.next);
                    x0.push_back(step.x0);
                }
                const std::string key = std::string("step.") + mean + (clip ? ".clip" : ".noclip");
                expectStep(at::cat(next), golden.at(key + "." + var + ".sample"), key + var, !clip);
                expectStep(at::cat(x0), golden.at(key + ".pred_x0"), key + ".pred_x0", !clip);
                ++steps;
            }
            for (const auto& [kind, type] : {std::pair{"mse", config::LossType::Mse}, std::pair{"kl", config::LossType::Kl}}) {
                const Json& losses = o.document.at("losses_per_sample");
                const std::string key = std::string(kind) + " " + mean + " " + (std::string(kind) == "kl" ? var : "any");
                const at::Tensor loss = lossPerSample(process, type, output, o.x0, xt, o.t, o.noise).sum();
                expectClose(loss, at::tensor(losses.at(key).get<std::vector<double>>()), 1e-6, 2e-5, key);
            }
        }
    EXPECT_EQ(steps, 12);
    // q_mean_var: variance 1 - abar and its logarithm, looked up as float32.
    const ProcessTables& p = any.tables();
    for (std::int64_t i = 0; i < o.t.size(0); ++i) {
        const double bar = p.alphasBar[static_cast<std::size_t>(o.t[i].item<std::int64_t>())];
        EXPECT_NEAR(1 - bar, o.document["q_mean_var"]["var"][i].get<double>(), 1e-7);
        EXPECT_NEAR(std::log(1 - bar), o.document["q_mean_var"]["logvar"][i].get<double>(), 1e-6);
    }
}

TEST(GoldenDiffusion, LikelihoodsAndDivergences)
{
    ESPALIER_NEED_GOLDEN(goldenFolder() / "ddpm" / "operations.json");
    const Operations o;
    const Json& h = o.document.at("helpers");
    const auto tensorAt = [&](const char* key) { return at::tensor(h.at(key).get<std::vector<double>>()).to(at::kFloat); };
    const at::Tensor x = tensorAt("x"), grid = tensorAt("grid");
    const auto mu = h.at("mu").get<std::string>(); // "0.5 * fill input:ddpm.mu [9]"
    const std::string name = mu.substr(mu.find("input:"), mu.find(" [") - mu.find("input:"));
    const at::Tensor mean = inputTensor(name, {x.size(0)}) * std::stod(mu);
    const auto scales = h.at("log_scales").get<std::vector<double>>();
    for (std::size_t i = 0; i < scales.size(); ++i)
        expectClose(discretisedLogLikelihood(x, mean, at::full({}, scales[i], at::kFloat)),
                    at::tensor(h.at("discretized_gaussian_loglik(x,mu,log_scale)").at(i).get<std::vector<double>>()), 1e-5, 1e-5,
                    "discretised");
    expectClose(continuousLogLikelihood(x, mean, grid), tensorAt("continuous_gaussian_loglik(x,mu,logvar=grid)").to(at::kFloat), 1e-5, 1e-5,
                "continuous");
    expectClose(normalKl(x, grid, mean, -grid), tensorAt("normal_kl(x,grid,mu,-grid)"), 1e-5, 1e-5, "normal_kl");
    expectClose(approximateNormalCdf(grid), tensorAt("approx_std_normal_cdf(grid)"), 1e-5, 1e-5, "cdf");
}

TEST(GoldenDiffusion, WholeSamplingLoops)
{
    const auto folder = goldenFolder() / "ddpm";
    ESPALIER_NEED_GOLDEN(folder / "loops.json");
    const Json document = readJson(folder / "loops.json");
    const auto golden = readGoldenTensors(folder / "loops.safetensors");
    const auto about = document.at("about").get<std::string>();
    const std::string held = about.find("input:held.") != std::string::npos ? "input:held." : "input:";
    const std::int64_t T = std::stoll(about.substr(about.find("T=") + 2));
    const Table betas = betaSchedule(BetaSchedule::Linear, 1e-3, 0.35, T);
    for (const char* var : {"fixed-large", "fixed-small"}) {
        const AncestralSampler sampler({betas, MeanType::Eps, named<VarType>(var)});
        const std::string key = std::string("ancestral.") + var;
        const auto shape = golden.at(key).sizes().vec();
        at::Tensor x = inputTensor(held + "ddpm.xT", shape);
        for (std::int64_t i = sampler.steps(); i-- > 0;) {
            const at::Tensor t = at::full({x.size(0)}, sampler.levelOf(i), at::kLong);
            const auto step = sampler.step(i, toyNet(x, t), x, inputTensor(held + "ddpm.loop." + std::to_string(i), shape));
            if (i % 5 == 4) {
                expectClose(step.x0, golden.at(key + ".preds")[i / 5], 1e-4, 0, key + ".preds " + std::to_string(i));
            }
            x = step.next;
        }
        expectClose(x, golden.at(key), 1e-4, 0, key);
    }
    {
        const AncestralSampler sampler({betas, MeanType::Eps, VarType::FixedLarge}, false);
        const auto shape = golden.at("toy.ancestral").sizes().vec();
        at::Tensor x = inputTensor(held + "toy.xT", shape);
        for (std::int64_t i = sampler.steps(); i-- > 0;)
            x = sampler
                    .step(i, toyNet(x, at::full({x.size(0)}, i, at::kLong)), x, inputTensor(held + "toy.loop." + std::to_string(i), shape))
                    .next;
        expectClose(x, golden.at("toy.ancestral"), 1e-4, 0, "toy.ancestral");
    }
    int runs = 0;
    for (const auto& [key, wanted] : golden) { // ddim.<schedule>.<S>.eta<eta>.<variance asked for>
        if (!key.starts_with("ddim."))
            continue;
        const auto skipEnd = key.find('.', 5), stepsEnd = key.find('.', skipEnd + 1), etaEnd = key.find(".fixed");
        const auto skip = named<config::SkipSchedule>(key.substr(5, skipEnd - 5));
        const Process full(betaSchedule(BetaSchedule::Linear, 1e-4, 0.02, 1000), MeanType::Eps, named<VarType>(key.substr(etaEnd + 1)));
        const DdimSampler sampler(full, subsequence(skip, std::stoll(key.substr(skipEnd + 1)), 1000),
                                  std::stod(key.substr(stepsEnd + 4, etaEnd - stepsEnd - 4)));
        at::Tensor x = inputTensor(held + "ddpm.xT", wanted.sizes().vec());
        for (std::int64_t i = sampler.steps(); i-- > 0;) {
            const at::Tensor t = at::full({x.size(0)}, sampler.levelOf(i), at::kLong);
            x = sampler.step(i, toyNet(x, t), x, inputTensor(held + "ddim.loop." + std::to_string(i), wanted.sizes().vec())).next;
        }
        expectClose(x, wanted, 1e-4, 0, key);
        ++runs;
    }
    EXPECT_GE(runs, 8);
}

TEST(GoldenDiffusion, SubsequencesAndCoefficientsOfDdim)
{
    const auto file = goldenFolder() / "ddpm" / "loops.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    for (const auto& [name, wanted] : document.at("subsequences").items()) { // "linear 10" or "linear 7 of 40"
        const std::size_t first = name.find(' '), of = name.find(" of ");
        const std::int64_t T = of == std::string::npos ? 1000 : std::stoll(name.substr(of + 4));
        EXPECT_EQ(subsequence(named<config::SkipSchedule>(name.substr(0, first)), std::stoll(name.substr(first + 1)), T),
                  wanted.get<std::vector<std::int64_t>>())
            << name;
    }
    const ProcessTables full = processTables(betaSchedule(BetaSchedule::Linear, 1e-4, 0.02, 1000));
    for (const auto& [key, wanted] : document.at("coefficients").items()) { // linear.10.eta0.fixed-small
        const auto skipEnd = key.find('.'), stepsEnd = key.find('.', skipEnd + 1), etaEnd = key.find(".fixed");
        const auto levels = subsequence(named<config::SkipSchedule>(key.substr(0, skipEnd)), std::stoll(key.substr(skipEnd + 1)), 1000);
        const double eta = std::stod(key.substr(stepsEnd + 4, etaEnd - stepsEnd - 4));
        const DdimTables d = ddimTables(full.alphasBar, levels, eta, named<VarType>(key.substr(etaEnd + 1)));
        EXPECT_EQ(d.varType, named<VarType>(wanted.at("variance_type_used"))) << key;
        for (const auto& [name, table] : std::map<std::string, const Table*>{{"alphas_bar", &d.alphasBar},
                                                                             {"betas", &d.betas},
                                                                             {"c1", &d.c1},
                                                                             {"c2", &d.c2},
                                                                             {"model_var", &d.modelVar},
                                                                             {"model_logvar", &d.modelLogVar}}) {
            ASSERT_EQ(table->size(), wanted.at(name).size()) << key << name;
            for (std::size_t i = 0; i < table->size(); ++i) {
                const double golden = numberOf(wanted.at(name)[i]);
                EXPECT_NEAR((*table)[i], golden, 1e-10 * std::abs(golden) + 1e-14) << key << " " << name << " " << i;
            }
        }
    }
}

} // namespace
} // namespace espalier::diffusion
