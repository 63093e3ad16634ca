// SPDX-License-Identifier: Apache-2.0
#include "core/models/registry.h"
#include "core/training/ema.h"
#include "core/training/learning_rate.h"
#include "core/training/train_step.h"
#include "tests/core/training/given_steps.h"

#include <torch/torch.h>

namespace espalier::training {
namespace {

using namespace espalier::tests;

/// Keeps what the step hands to an objective.
class Listener final : public models::Objective {
public:
    models::LossTerms operator()(models::Model& model, const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override
    {
        seen = batch.x.clone();
        auto loss = at::zeros({});
        for (const auto& parameter : model.parameters())
            loss = loss + parameter.sum();
        return {loss, loss.detach().view({1})};
    }
    std::string name() const override { return "listener"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

    at::Tensor seen;
};

/// Two parameters whose gradients are given, and one that gets none.
class ThreeParameters final : public models::Model {
public:
    ThreeParameters()
    {
        for (const auto& [name, shape] :
             std::initializer_list<std::pair<const char*, std::vector<std::int64_t>>>{{"a", {3, 4}}, {"b", {5}}, {"c", {2}}})
            register_parameter(name, at::zeros(shape));
    }
    std::string kind() const override { return "three"; }
    models::ImageShape image() const override { return {3, 1, 1}; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override { return batch.x; }
};

class GivenGradients final : public models::Objective {
public:
    models::LossTerms operator()(models::Model& model, const tensors::Batch&, const tensors::Path&, const tensors::Draws&) override
    {
        auto loss = at::zeros({});
        for (const auto& [name, gradient] : gradients)
            loss = loss + (model.named_parameters()[name] * gradient).sum();
        return {loss, loss.detach().view({1})};
    }
    std::string name() const override { return "gradients"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }

    std::map<std::string, at::Tensor> gradients;
};

/// One run of training.json; with `merged` the micro-batches of a step come as one batch, which has to train the same.
void checkRun(const std::string& name, const Json& run, const std::string& tag, bool channelsLast, bool merged)
{
    SCOPED_TRACE(name + (channelsLast ? ", channels last" : ", contiguous") + (merged ? ", merged" : ""));
    const auto batch = run.at("batch").get<std::int64_t>(), accumulation = run.at("num_accum").get<std::int64_t>();
    const auto decay = run.at("ema_decay").get<double>();
    constexpr std::int64_t kSide = 8;

    config::RunConfig config;
    config.model =
        config::UNetConfig{.hidChannels = 64, .chMultipliers = {1, 2}, .numResBlocks = 1, .applyAttn = {false, true}, .dropRate = 0.0};
    config.diffusion = {};
    config.diffusion.betaStart = 1e-4;
    config.diffusion.betaEnd = 0.02;
    config.diffusion.timesteps = 1000;
    config.training.learningRate = run.at("lr");
    config.training.warmupSteps = run.at("warmup");
    config.training.batchSize = batch * accumulation;
    config.training.gradNorm = 1.0;
    config.training.channelsLast = channelsLast;
    config.training.ema.decays = {decay};
    config.training.ema.ramp = true;
    ASSERT_EQ(config.training.optimizer, config::OptimizerKind::Adam);

    auto made = models::make(config.model, {3, kSide, kSide}, at::kCPU, channelsLast);
    ASSERT_TRUE(made) << made.error().message;
    models::Model& model = **made;
    fillParameters(model);
    model.train();
    std::map<std::string, at::Tensor> filled;
    for (const auto& parameter : model.named_parameters())
        filled[parameter.key()] = parameter.value().detach().clone();

    auto state = stateOf(model, config.training.ema.decays);
    GivenDraws objective(config.diffusion);
    const data::Share share = merged ? data::Share{batch * accumulation, batch * accumulation, 1, 0, 1}
                                     : data::Share{batch * accumulation, batch, accumulation, 0, 1};
    TrainStep step({model, objective, state, parallel::ProcessGroup::alone(), share, at::kCPU}, config);

    const auto levels = run.at("t").get<std::vector<std::int64_t>>();
    std::int64_t mini = 0;
    for (const auto& wanted : run.at("steps_log")) {
        objective.next.clear();
        objective.losses.clear();
        for (std::int64_t i = 0; i < accumulation; ++i, ++mini) {
            const std::string input = "input:" + tag + "train." + name;
            const auto t = at::tensor(levels).slice(0, mini * batch, (mini + 1) * batch);
            ASSERT_EQ(t.size(0), batch);
            objective.next.push_back({inputTensor(input + ".x0." + std::to_string(mini), {batch, 3, kSide, kSide}), t,
                                      inputTensor(input + ".noise." + std::to_string(mini), {batch, 3, kSide, kSide})});
        }
        if (merged) {
            std::vector<at::Tensor> x0, t, noise;
            for (const auto& draw : objective.next) {
                x0.push_back(draw.x0);
                t.push_back(draw.t);
                noise.push_back(draw.noise);
            }
            objective.next = {{at::cat(x0), at::cat(t), at::cat(noise)}};
        }
        const double rate = learningRateAt(config.training, state.counters.step, {});
        EXPECT_NEAR(rate, wanted.at("lr").get<double>(), 1e-7 * wanted.at("lr").get<double>());
        EXPECT_NEAR(emaDecayAt(decay, true, state.counters.step), wanted.at("ema_decay").get<double>(),
                    1e-7 * wanted.at("ema_decay").get<double>());

        step.begin(rate);
        for (std::int64_t micro = 0; micro < share.accumulation; ++micro)
            step.accumulate(BlankBatch(share.microBatch, kSide, micro).batch);
        step.finish();

        const auto losses = wanted.at("losses").get<std::vector<double>>();
        double mean = 0.0;
        for (const double loss : losses)
            mean += loss / static_cast<double>(losses.size());
        if (!merged) {
            ASSERT_EQ(objective.losses.size(), losses.size());
            for (std::size_t i = 0; i < losses.size(); ++i)
                EXPECT_NEAR(objective.losses[i], losses[i], 1e-4 * losses[i]) << "step " << state.counters.step << ", micro-batch " << i;
        }
        const auto report = step.report().take();
        EXPECT_EQ(report.goodSteps, 1);
        EXPECT_NEAR(report.loss, mean, 1e-4 * mean) << "step " << state.counters.step;
        EXPECT_NEAR(report.gradientNorm, wanted.at("grad_norm").get<double>(), 1e-3 * wanted.at("grad_norm").get<double>())
            << "step " << state.counters.step;
    }
    EXPECT_EQ(state.counters.step, run.at("steps").get<std::int64_t>());

    ASSERT_EQ(state.slots.size(), run.at("delta").size());
    for (const auto& slot : state.slots) {
        ASSERT_TRUE(run.at("delta").contains(slot.name)) << slot.name;
        const auto check = [&](const at::Tensor& now, const char* what) {
            auto moved = (now.detach() - filled.at(slot.name)).contiguous();
            if (slot.name.ends_with("project_in.bias")) // keys: their true gradient is 0, and Adam steps along rounding noise
                moved.narrow(0, moved.size(0) / 3, moved.size(0) / 3).zero_();
            expectStatistics(moved, run.at(what).at(slot.name).get<std::vector<double>>(), 2e-3, 0.02, slot.name + " " + what);
        };
        check(slot.value, "delta");
        check(slot.ema[0], "ema_delta");
    }
}

} // namespace

TEST(GoldenTraining, StepsAreThePublishedOnes)
{
    const auto file = goldenFolder() / "unet" / "training.json";
    ESPALIER_NEED_GOLDEN(file);
    at::set_num_threads(1);
    const Json document = readJson(file);
    const std::string tag = document.at("about").get<std::string>().find("'input:held.") != std::string::npos ? "held." : "";
    int accumulated = 0;
    for (const auto& [name, run] : document.at("runs").items()) {
        checkRun(name, run, tag, false, false);
        checkRun(name, run, tag, true, false);
        if (run.at("num_accum").get<std::int64_t>() > 1) {
            checkRun(name, run, tag, true, true);
            ++accumulated;
        }
    }
    EXPECT_GE(accumulated, 1);
}

TEST(GoldenTraining, GradientsAreClippedAsPublished)
{
    const auto file = goldenFolder() / "optim" / "averages.json";
    ESPALIER_NEED_GOLDEN(file);
    const Json document = readJson(file);
    const std::string tag = document.at("about").get<std::string>().find("input:held.clip.") != std::string::npos ? "held." : "";
    int compared = 0;
    for (const auto& [name, wanted] : document.at("clip").items()) { // "max_norm=1.0 float32"
        SCOPED_TRACE(name);                                          // those of the float64 run hold too, to float32
        config::RunConfig config;
        config.training.batchSize = 1;
        config.training.optimizer = config::OptimizerKind::Sgd;
        config.training.momentum = config.training.weightDecay = 0.0;
        config.training.gradNorm = std::stod(name.substr(name.find('=') + 1));
        ThreeParameters model;
        GivenGradients objective;
        objective.gradients = {{"a", inputTensor("input:" + tag + "clip.0", {3, 4})}, {"b", inputTensor("input:" + tag + "clip.1", {5})}};
        auto state = stateOf(model, {});
        for (auto& slot : state.slots)
            slot.v = at::Tensor();
        TrainStep step({model, objective, state, parallel::ProcessGroup::alone(), {1, 1, 1, 0, 1}, at::kCPU}, config);
        step.begin(1.0); // the parameters go from zero to minus their clipped gradients
        step.accumulate(BlankBatch(1, 1, 0).batch);
        step.finish();
        const double norm = wanted.at("norm");
        EXPECT_NEAR(step.report().take().gradientNorm, norm, 1e-6 * norm);
        EXPECT_NEAR(std::min(1.0, config.training.gradNorm / (norm + 1e-6)), wanted.at("factor").get<double>(), 1e-7);
        const auto moved = [&](std::size_t i) { return -state.slots[i].value.detach().flatten(); };
        const auto numbers = [&](const char* key) { return at::tensor(wanted.at(key).get<std::vector<double>>()).to(at::kFloat); };
        expectClose(moved(0).slice(0, 0, 4), numbers("clipped_first4"), 1e-6, 0, "first four of a");
        expectClose(moved(1), numbers("clipped_bias"), 1e-6, 0, "b");
        EXPECT_EQ(moved(2).abs().max().item<double>(), 0.0);
        ++compared;
    }
    EXPECT_GE(compared, 3);
}

// helpers.json of ddpm: what the transforms of the published data set make of every byte.
TEST(GoldenTraining, BytesBecomeThePublishedNumbers)
{
    const auto file = goldenFolder() / "ddpm" / "helpers.safetensors";
    ESPALIER_NEED_GOLDEN(file);
    const auto golden = readGoldenTensors(file).at("normalised_u8").view({16, 16}); // pixel k of the ramp has the value k
    config::RunConfig config;
    config.model = config::UNetConfig{.hidChannels = 32, .chMultipliers = {1}, .numResBlocks = 1, .applyAttn = {false}, .dropRate = 0.0};
    config.training.batchSize = 1;
    config.training.ema.decays = {};
    auto model = models::make(config.model, {3, 16, 16}, at::kCPU, config.training.channelsLast);
    ASSERT_TRUE(model) << model.error().message;
    fillParameters(**model);
    auto state = stateOf(**model, {});
    Listener listener;
    TrainStep step({**model, listener, state, parallel::ProcessGroup::alone(), {1, 1, 1, 0, 1}, at::kCPU}, config);
    BlankBatch ramp(1, 16, 0);
    for (std::size_t i = 0; i < ramp.bytes.size(); ++i)
        ramp.bytes[i] = static_cast<std::uint8_t>(i / 3);
    step.begin(0.0);
    step.accumulate(ramp.batch);
    step.finish();
    for (std::int64_t channel = 0; channel < 3; ++channel)
        expectClose(listener.seen[0][channel], golden, 1e-7, 0, "channel " + std::to_string(channel));
}

} // namespace espalier::training
