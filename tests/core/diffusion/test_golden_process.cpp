// SPDX-License-Identifier: Apache-2.0
// Tables, respacing, one-step functions and losses of the published DiT code.
#include "core/diffusion/losses.h"
#include "core/diffusion/samplers.h"
#include "tests/core/diffusion/golden_process.h"

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;
using config::LossType;
using config::MeanType;
using config::VarType;

std::filesystem::path folder()
{
    return goldenFolder() / "diffusion";
}

/// Every table of the published code, out of ours.
std::map<std::string, Table> publishedTables(const ProcessTables& p)
{
    Table after(p.alphasBar.begin() + 1, p.alphasBar.end()), logOneMinus;
    after.push_back(0.0);
    for (const double bar : p.alphasBar)
        logOneMinus.push_back(std::log(1.0 - bar));
    return {{"betas", p.betas},
            {"alphas_cumprod", p.alphasBar},
            {"alphas_cumprod_prev", p.alphasBarBefore},
            {"alphas_cumprod_next", after},
            {"sqrt_alphas_cumprod", p.sqrtAlphasBar},
            {"sqrt_one_minus_alphas_cumprod", p.sqrtOneMinusAlphasBar},
            {"log_one_minus_alphas_cumprod", logOneMinus},
            {"sqrt_recip_alphas_cumprod", p.sqrtRecipAlphasBar},
            {"sqrt_recipm1_alphas_cumprod", p.sqrtRecipM1AlphasBar},
            {"posterior_variance", p.posteriorVar},
            {"posterior_log_variance_clipped", p.posteriorLogVar},
            {"posterior_mean_coef1", p.posteriorMeanCoef1},
            {"posterior_mean_coef2", p.posteriorMeanCoef2}};
}

void expectTables(const ProcessTables& ours, const Json& golden, const std::string& what)
{
    const auto tables = publishedTables(ours);
    for (const auto& [name, wanted] : golden.items()) {
        if (name == "index" || name == "timestep_map")
            continue;
        ASSERT_TRUE(tables.contains(name)) << name;
        for (std::size_t k = 0; k < wanted.size(); ++k) {
            const auto at = golden.contains("index") ? golden["index"][k].get<std::size_t>() : k;
            const double value = tables.at(name).at(at);
            if (wanted[k].is_null()) {
                EXPECT_FALSE(std::isfinite(value)) << what << " " << name << " " << at;
                continue;
            }
            // 1e-15: 1 - beta of a beta of 1 is rounding, and what is made of it.
            EXPECT_NEAR(value, wanted[k].get<double>(), 1e-10 * std::abs(wanted[k].get<double>()) + 1e-15)
                << what << " " << name << " " << at;
        }
    }
}

Table scheduleOf(const std::string& name, std::int64_t levels)
{
    if (name == "linear")
        return linearProcess(levels).tables().betas;
    EXPECT_EQ(name, "squaredcos_cap_v2");
    return betaSchedule(config::BetaSchedule::Cosine, 0, 0, levels);
}

TEST(GoldenProcess, TablesAndRespacing)
{
    ESPALIER_NEED_GOLDEN(folder() / "tables.json");
    const Json document = readJson(folder() / "tables.json");
    int tables = 0, respaced = 0;
    for (const auto& [name, golden] : document.items()) {
        if (name == "full_1000")
            for (const auto& [schedule, wanted] : golden.items())
                expectTables(processTables(scheduleOf(schedule, 1000)), wanted, schedule);
        else if (name.starts_with('T')) { // "T25_linear"
            const auto levels = std::stoll(name.substr(1));
            expectTables(processTables(scheduleOf(name.substr(name.find('_') + 1), levels)), golden, name);
            ++tables;
        }
    }
    for (const auto& [key, of] : {std::pair{"steps_of_1000", 1000}, {"steps_of_300", 300}})
        for (const auto& [text, wanted] : document.at(key).items()) {
            EXPECT_EQ(levelsOf(text, of), wanted.get<std::vector<std::int64_t>>()) << text << " of " << of;
            ++respaced;
        }
    for (const auto& [text, error] : document.at("errors_of_1000").items())
        EXPECT_FALSE(config::respacedLevels(text, 1000)) << text;
    for (const auto& [text, golden] : document.at("respaced_tables").items()) {
        const Process process = linearProcess().respaced(levelsOf(text));
        expectTables(process.tables(), golden, text);
        for (std::size_t k = 0; k < golden.at("timestep_map").size(); ++k) {
            const auto at = golden.contains("index") ? golden["index"][k].get<std::int64_t>() : static_cast<std::int64_t>(k);
            EXPECT_EQ(process.networkLevel(at), golden["timestep_map"][k].get<std::int64_t>()) << text << " " << at;
        }
    }
    EXPECT_GE(tables, 2);
    EXPECT_GE(respaced, 6);
}

/// The inputs of the one-step functions and losses in one precision; the network is a constant.
struct Inputs {
    Inputs(const Json& document, const char* label, const Width& width)
        : t(at::tensor(document.at("case").at("step_t").at(label).get<std::vector<std::int64_t>>())), n(t.size(0)),
          side(document.at("case").at("step_side")), tag(document.at("case").at("tag")), dtype(width.dtype)
    {
    }
    at::Tensor get(const std::string& name, std::int64_t channels = 4) const
    {
        return inputTensor(name, {n, channels, side, side}).to(dtype);
    }
    at::Tensor t;
    std::int64_t n, side;
    std::string tag;
    at::ScalarType dtype;
    at::Tensor x0 = get("input:" + tag + "x_start"), noise = get("input:" + tag + "noise"), x = get("input:" + tag + "x_t"),
               output = get("input:" + tag + "model_out", 8), drawn = get("noise:" + tag + "step:0");
};

/// One step of a sampler for samples that each stand at their own level.
at::Tensor stepsOf(const Sampler& sampler, const Inputs& in)
{
    std::vector<at::Tensor> next;
    for (std::int64_t i = 0; i < in.n; ++i) {
        const auto one = [&](const at::Tensor& all) { return all.slice(0, i, i + 1); };
        next.push_back(sampler.step(in.t[i].item<std::int64_t>(), one(in.output), one(in.x), one(in.drawn)).next);
    }
    return at::cat(next);
}

TEST(GoldenProcess, OneStepFunctions)
{
    ESPALIER_NEED_GOLDEN(folder() / "process.json");
    const Json document = readJson(folder() / "process.json");
    const auto golden = readGoldenTensors(folder() / "process.safetensors");
    int compared = 0;
    for (const auto& width : kWidths)
        for (const char* label : {"full", "s250"}) {
            const Inputs in(document, label, width);
            const auto levels = std::string(label) == "full" ? levelsOf("1000") : levelsOf(document.at("case").at("step_spacing"));
            const Process whole = linearProcess(), process = whole.respaced(levels);
            const auto expect = [&](const std::string& name, const at::Tensor& value, bool ddim = false) {
                const at::Tensor wanted = golden.at(label + ("." + name) + width.suffix);
                ASSERT_EQ(wanted.scalar_type(), width.dtype);
                const double largest = wanted.abs().max().item<double>();
                for (std::int64_t i = 0; i < in.n; ++i) {
                    // There the published code takes 1 - abar of a number that was rounded to float32.
                    const bool rounded = ddim && in.t[i].item<std::int64_t>() <= 2;
                    expectClose(value[i], wanted[i],
                                width.isDouble() ? 1e-9 * largest
                                : rounded        ? 1e-4
                                                 : 1e-6 * largest,
                                width.isDouble() ? 0.0 : 1e-5, label + ("." + name) + width.suffix);
                }
                ++compared;
            };
            const ProcessTables& p = process.tables();
            const auto at = [&](const Table& table) { return Lookup(table)(in.t, in.x).expand_as(in.x); };
            auto tables = publishedTables(p);
            expect("q_sample", process.noised(in.x0, in.t, in.noise));
            expect("q_mean_variance.mean", at(p.sqrtAlphasBar) * in.x0);
            Table variance;
            for (const double bar : p.alphasBar)
                variance.push_back(1.0 - bar);
            expect("q_mean_variance.variance", at(variance));
            expect("q_mean_variance.log_variance", at(tables.at("log_one_minus_alphas_cumprod")));
            expect("q_posterior.mean", process.posteriorMean(in.x0, in.x, in.t));
            expect("q_posterior.variance", at(p.posteriorVar));
            expect("q_posterior.log_variance", process.posteriorLogVarAt(in.t, in.x).expand_as(in.x));
            for (const bool clip : {false, true}) {
                const std::string clipped = clip ? ".clip" : "";
                const auto r = process.reverse(in.output, in.x, in.t, clip);
                expect("p_mean_variance" + clipped + ".mean", r.mean);
                expect("p_mean_variance" + clipped + ".pred_xstart", r.x0);
                if (!clip) {
                    expect("p_mean_variance.variance", r.logVar.exp());
                    expect("p_mean_variance.log_variance", r.logVar);
                }
                expect("p_sample" + clipped, stepsOf(AncestralSampler(process, clip), in));
                // The step back towards noise, which no command takes, from the same clean image.
                const at::Tensor eps = process.epsFromX0(in.x, in.t, r.x0);
                const at::Tensor after = at(tables.at("alphas_cumprod_next"));
                expect("ddim_reverse_sample" + clipped, r.x0 * after.sqrt() + (1 - after).sqrt() * eps, true);
            }
            for (const char* eta : {"0.0", "0.5", "1.0"})
                expect(std::string("ddim_sample.eta") + eta, stepsOf(DdimSampler(whole, levels, std::stod(eta), false), in), true);
            if (std::string(label) != "full")
                continue;
            struct Other {
                const char* name;
                MeanType mean;
                VarType var;
            };
            for (const Other& other : {Other{"fixed_large", MeanType::Eps, VarType::FixedLarge},
                                       {"fixed_small", MeanType::Eps, VarType::FixedSmall},
                                       {"predict_xstart", MeanType::X0, VarType::LearnedRange}}) {
                const bool learned = other.var == VarType::LearnedRange;
                const auto r =
                    linearProcess(1000, other.var, other.mean).reverse(learned ? in.output : in.output.slice(1, 0, 4), in.x, in.t, false);
                expect(other.name + std::string(".mean"), r.mean);
                expect(other.name + std::string(".log_variance"), r.logVar.expand_as(in.x));
                expect(other.name + std::string(".pred_xstart"), r.x0);
            }
        }
    EXPECT_EQ(compared, 2 * (2 * 20 + 9));
}

TEST(GoldenProcess, Losses)
{
    ESPALIER_NEED_GOLDEN(folder() / "process.json");
    const Json document = readJson(folder() / "process.json");
    int compared = 0;
    for (const auto& [key, golden] : document.at("losses").items()) { // "rescaled_mse_T200"
        const auto end = key.rfind("_T");
        const std::string kind = key.substr(0, end);
        const std::int64_t levels = std::stoll(key.substr(end + 2));
        const VarType var = kind == "fixed_large" ? VarType::FixedLarge : VarType::LearnedRange;
        const Process process = linearProcess(levels, var, kind == "predict_xstart" ? MeanType::X0 : MeanType::Eps);
        const LossType type = kind == "kl" ? LossType::RescaledKl : kind == "rescaled_mse" ? LossType::RescaledMse : LossType::Mse;
        for (const auto& width : kWidths) {
            SCOPED_TRACE(key + width.suffix);
            const Inputs in(document, "full", width);
            const at::Tensor t = at::div(in.t * levels, 1000, "floor"), xt = process.noised(in.x0, t, in.noise);
            const at::Tensor output = var == VarType::LearnedRange ? in.output : in.output.slice(1, 0, 4);
            const auto losses = lossPerSample(process, type, output, in.x0, xt, t, in.noise);
            const auto expect = [&](const char* name, const at::Tensor& value) {
                ASSERT_EQ(value.defined(), golden.at(width.name).contains(name)) << name;
                if (!value.defined())
                    return;
                const at::Tensor wanted = doubles(golden.at(width.name).at(name));
                for (std::int64_t i = 0; i < in.n; ++i) // t = 0: the difference of two float32 distribution functions
                    expectClose(value[i], wanted[i], width.isDouble() ? 0.0 : 1e-7,
                                width.isDouble()                    ? 1e-9
                                : in.t[i].item<std::int64_t>() == 0 ? 5e-3
                                                                    : 1e-4,
                                name);
            };
            expect("loss", losses.sum());
            if (type != LossType::RescaledKl) {
                expect("mse", losses.mse);
                expect("vb", losses.vb);
            } else {
                const auto plain = lossPerSample(process, LossType::Kl, output, in.x0, xt, t, in.noise);
                expectClose(plain.sum() * static_cast<double>(levels), losses.sum(), 0, 1e-6, "kl");
            }
            ++compared;
        }
    }
    EXPECT_GE(compared, 20);
}

} // namespace
} // namespace espalier::diffusion
