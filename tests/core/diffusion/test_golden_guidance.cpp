// SPDX-License-Identifier: Apache-2.0
// Guidance, whole sampling loops and the variational bound of the published DiT code, with a tiny DiT.
#include "core/diffusion/bound.h"
#include "core/diffusion/guidance.h"
#include "core/diffusion/losses.h"
#include "tests/core/diffusion/golden_process.h"
#include "tests/core/models/golden_dit.h"

namespace espalier::diffusion {
namespace {

using namespace espalier::tests;

TEST(GoldenGuidance, OfThreeChannelsAndOfAll)
{
    const auto folder = goldenFolder() / "dit";
    ESPALIER_NEED_GOLDEN(folder / "forward.json");
    const Json document = readJson(folder / "forward.json"), &c = document.at("case"), &constructor = c.at("model");
    const auto golden = readGoldenTensors(folder / "forward.safetensors");
    const std::int64_t channels = constructor.at("in_channels"), side = constructor.at("input_size"),
                       n = static_cast<std::int64_t>(c.at("guide_t").size());
    const at::Tensor t = wholeNumbers(c.at("guide_t")), labels = wholeNumbers(c.at("guide_y"));
    const at::NoGradGuard guard;
    int compared = 0;
    for (const auto& width : kWidths) {
        const auto model = filledDit(constructor, width.dtype);
        const double share = ditTolerance(width.isDouble() ? 1e-9 : 1e-5);
        const at::Tensor x = inputTensor("input:" + c.at("tag").get<std::string>() + "x_cfg", {n, channels, side, side}).to(width.dtype);
        for (const double scale : c.at("scales").get<std::vector<double>>()) {
            const auto key = "cfg_" + Json(scale).dump();
            config::SamplerConfig sampler;
            sampler.guidance = scale;
            sampler.guidanceChannels = config::GuidanceChannels::FirstThree;
            // Their second half is what a sampler throws away.
            expectGolden(guidedNetwork(*model, labels, sampler)(x, t), golden.at(key + width.suffix).slice(0, 0, n), share, key);
            const auto all = "cfg_all_channels_" + Json(scale).dump() + width.suffix;
            if (!golden.contains(all))
                continue;
            sampler.guidanceChannels = config::GuidanceChannels::All;
            expectGolden(guidedNetwork(*model, labels, sampler)(x, t), golden.at(all).slice(0, 0, n), share, all);
            ++compared;
        }
    }
    EXPECT_EQ(compared, 2);
}

// A whole DiT whose weights are a function of their place, and numbers that were derived from a description alone.
TEST(GoldenGuidance, TheWrittenExample)
{
    const config::DitConfig config{.hiddenSize = 8, .depth = 2, .numHeads = 2, .learnSigma = true, .numClasses = 3};
    models::Dit model(config, {4, 4, 4}, {});
    const at::NoGradGuard guard;
    for (auto& item : model.named_parameters()) {
        if (item.key() == "pos_embed")
            continue;
        const auto block = item.key().starts_with("blocks.") ? std::stod(item.key().substr(7)) + 1 : 0.0;
        const auto count = item.value().numel();
        item.value().copy_(
            (0.25 * at::sin(0.6 * at::arange(count, at::kDouble) + 0.05 * static_cast<double>(count) + block)).view(item.value().sizes()));
    }
    model.eval();
    const at::Tensor x = at::cos(0.3 * at::arange(64, at::kDouble)).view({1, 4, 4, 4}).to(at::kFloat), t = at::tensor({500L});
    config::SamplerConfig sampler;
    sampler.guidance = 4.0;
    const auto outputOf = [&](config::GuidanceChannels channels) {
        sampler.guidanceChannels = channels;
        return guidedNetwork(model, at::tensor({1L}), sampler)(x, t)[0];
    };
    const at::Tensor three = outputOf(config::GuidanceChannels::FirstThree);
    const auto expect = [&](const at::Tensor& value, double wanted) { EXPECT_NEAR(value.item<double>(), wanted, 1e-5); };
    expect(three[0][0][0], 0.51516647);
    expect(three[2][3][3], 0.01257953);
    expect(three[3][0][0], 0.00736355); // not guided
    expect(three[4][0][0], 0.18988481);
    EXPECT_NEAR(three.sum().item<double>(), 1.69762984, 1e-4);
    // The other half of the published batch shows what the fourth channel is without the class: 0.03690823.
    const at::Tensor all = outputOf(config::GuidanceChannels::All);
    expect(all[3][0][0], 0.03690823 + 4 * (0.00736355 - 0.03690823));
    EXPECT_TRUE(at::equal(all.slice(0, 4), three.slice(0, 4))); // the variance is that of the class either way
    // Guidance by 1 is the class alone, whichever channels it would act on.
    const at::Tensor plain = model.forward({x, t, at::tensor({1L})}, {}, {});
    const at::Tensor any = model.forward({x, t, at::tensor({3L})}, {}, {});
    expectClose(guided(plain, any, 1.0, 3), plain, 1e-6, 0, "scale 1");
    EXPECT_TRUE(at::equal(guided(plain, any, 0.0, 3).slice(1, 0, 3), any.slice(1, 0, 3)));
}

TEST(GoldenGuidance, WholeSamplingLoops)
{
    const auto folder = goldenFolder() / "diffusion";
    ESPALIER_NEED_GOLDEN(folder / "process.json");
    const Json document = readJson(folder / "process.json"), &c = document.at("case");
    const auto golden = readGoldenTensors(folder / "process.safetensors");
    const std::int64_t side = c.at("model").at("input_size"), n = static_cast<std::int64_t>(c.at("loop_y").size());
    const std::string tag = c.at("tag"), noise = tag.empty() ? "noise" : "noise:" + tag.substr(0, tag.size() - 1);
    const at::NoGradGuard guard;
    int compared = 0;
    for (const auto& width : kWidths)
        for (const auto& [name, trace] : document.at("loops").items()) {
            SCOPED_TRACE(name + width.suffix);
            config::SamplerConfig config;
            const bool ddim = name.starts_with("ddim");
            config.kind = ddim ? config::SamplerKind::Ddim : config::SamplerKind::Ddpm;
            config.timestepRespacing = c.at(ddim ? "loop_ddim" : "loop_spacing");
            config.clipDenoised = name.ends_with("_clip");
            config.eta = name.find("_eta") == std::string::npos ? 0.0 : std::stod(name.substr(name.find("_eta") + 4));
            const bool cfg = name.find("_cfg") != std::string::npos;
            config.guidance = cfg ? c.at("loop_scale").get<double>() : 1.0;
            config.guidanceChannels = config::GuidanceChannels::FirstThree;
            const auto model = filledDit(c.at("model"), width.dtype);
            const auto sampler = makeSampler(linearProcess(), config);
            const auto network = guidedNetwork(*model, wholeNumbers(c.at("loop_y")), config);
            const double share = ditTolerance(width.isDouble() ? 1e-9 : 1e-4);
            at::Tensor x = inputTensor("input:" + tag + "z", {n, 4, side, side}).to(width.dtype);
            const Json& rows = trace.at(width.name);
            ASSERT_EQ(static_cast<std::int64_t>(rows.size()), sampler->steps());
            for (std::int64_t k = 0; k < sampler->steps(); ++k) {
                const auto i = sampler->steps() - 1 - k;
                const at::Tensor output = network(x, at::full({n}, sampler->levelOf(i), at::kLong));
                const auto step =
                    sampler->step(i, output, x, inputTensor(noise + ":" + std::to_string(k), {n, 4, side, side}).to(width.dtype));
                x = step.next;
                if (!cfg) // theirs are of both halves, of which ours computes one
                    expectGolden(at::stack({x.mean(), x.std(), step.x0.mean(), step.x0.std()}), doubles(rows[static_cast<std::size_t>(k)]),
                                 share, "step " + std::to_string(i));
            }
            expectGolden(x, golden.at("loop." + name + width.suffix).slice(0, 0, n), share, "sample");
            ++compared;
        }
    EXPECT_GE(compared, 12);
}

TEST(GoldenBound, TermsPriorAndLoop)
{
    const auto file = goldenFolder() / "diffusion" / "bound.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file), &c = document.at("case");
    const std::string tag = c.at("tag");
    const at::Tensor y = wholeNumbers(c.at("bound_y"));
    const std::int64_t n = y.size(0), side = c.at("model").at("input_size");
    const auto input = [&](const std::string& name, const Width& width) { return inputTensor(name, {n, 4, side, side}).to(width.dtype); };
    const Process process = linearProcess().respaced(levelsOf(c.at("bound_spacing")));
    const at::NoGradGuard guard;
    for (const auto& width : kWidths) {
        SCOPED_TRACE(width.name);
        const auto model = filledDit(c.at("model"), width.dtype);
        const auto network = guidedNetwork(*model, y, {});
        const at::Tensor x0 = 0.5 * input("input:" + tag + "x_bound", width), noise = input("input:" + tag + "noise_bound", width);
        const auto expect = [&](const at::Tensor& value, const Json& wanted, double relative, const std::string& what) {
            const auto rows = wanted.front().is_array() ? wanted : Json::array({wanted});
            for (std::size_t i = 0; i < rows.size(); ++i)
                expectClose(wanted.front().is_array() ? value[static_cast<std::int64_t>(i)] : value, doubles(rows[i]),
                            width.isDouble() ? 0.0 : 1e-7, ditTolerance(width.isDouble() ? 1e-8 : relative), what);
        };
        for (const auto& [key, wanted] : document.at("vb_terms").at(width.name).items()) { // "k4"
            const std::int64_t level = std::stoll(key.substr(1));
            const at::Tensor t = at::full({n}, level, at::kLong), xt = process.noised(x0, t, noise);
            const at::Tensor output = network(xt, at::full_like(t, process.networkLevel(level)));
            expect(boundPerSample(process, output, x0, xt, t), wanted, level == 0 ? 5e-3 : 1e-4, key);
        }
        expect(priorBound(process, x0), document.at("prior").at(width.name), 1e-3, "prior");
        for (const bool clip : {false, true}) {
            const Json& wanted = document.at(clip ? "loop_clip" : "loop").at(width.name);
            const auto ours = bound(
                process, network, x0, [&](std::int64_t step) { return input("noise:" + tag + "bound:" + std::to_string(step), width); },
                clip);
            const auto last = process.levels() - 1;
            const auto columns = [&](const Json& rows, bool first) {
                Json cut = Json::array();
                for (const auto& row : rows)
                    cut.push_back(first ? Json(std::vector<Json>(row.begin(), row.end() - 1)) : Json::array({row.back()}));
                return cut;
            };
            expect(ours.vb.slice(1, 0, last), columns(wanted.at("vb"), true), 1e-4, "vb");
            expect(ours.vb.slice(1, last), columns(wanted.at("vb"), false), 5e-3, "vb of the first level");
            expect(ours.x0Error, wanted.at("xstart_mse"), 1e-4, "xstart_mse");
            expect(ours.epsError, wanted.at("mse"), 1e-4, "mse");
            expect(ours.prior, wanted.at("prior_bpd"), 1e-3, "prior");
            expect(ours.total, wanted.at("total_bpd"), 1e-4, "total");
        }
    }
}

} // namespace
} // namespace espalier::diffusion
