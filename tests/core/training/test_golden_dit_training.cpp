// SPDX-License-Identifier: Apache-2.0
// The hybrid loss of the published DiT code, its gradients, and steps of AdamW with moving averages.
#include "core/training/train_step.h"
#include "tests/core/models/golden_dit.h"
#include "tests/core/training/given_steps.h"

#include <torch/torch.h>

namespace espalier::training {
namespace {

using namespace espalier::tests;

/// Sum, sum of absolutes, l2 and the first four values, as the file has them.
void expectRow(const at::Tensor& tensor, const Json& wanted, double relative, double absolute, const std::string& what)
{
    const auto w = wanted.get<std::vector<double>>();
    const at::Tensor d = tensor.detach().to(at::kDouble).flatten();
    EXPECT_NEAR(d.sum().item<double>(), w.at(0), relative * w[1] + absolute) << what << " sum"; // some are 0 in theory
    EXPECT_NEAR(d.abs().sum().item<double>(), w.at(1), relative * w[1] + absolute) << what << " sum of absolutes";
    EXPECT_NEAR(d.norm().item<double>(), w.at(2), relative * w[2] + absolute) << what << " l2";
    for (std::size_t i = 3; i < w.size(); ++i)
        EXPECT_NEAR(d[static_cast<std::int64_t>(i) - 3].item<double>(), w[i], relative * w[2] + absolute) << what << " value " << i - 3;
}

/// Every row of a table. Of the biases of queries, keys and values the middle third is left out: its true gradient is 0.
void expectTable(const std::map<std::string, at::Tensor>& tensors, const Json& table, double relative, double absolute,
                 const std::string& what)
{
    EXPECT_GT(table.size(), 40u);
    for (const auto& [key, wanted] : table.items()) {
        const auto cut = key.find('#');
        ASSERT_TRUE(tensors.contains(key.substr(0, cut))) << key;
        const at::Tensor& tensor = tensors.at(key.substr(0, cut));
        expectRow(cut == std::string::npos ? tensor : tensor.chunk(3)[key.ends_with("#q") ? 0 : 2], wanted, relative, absolute,
                  what + " " + key);
    }
}

config::DiffusionConfig hybrid()
{
    config::DiffusionConfig diffusion;
    diffusion.varType = config::VarType::LearnedRange;
    return diffusion;
}

/// Training mode with the labels that are given: those that are hidden are so already, and no more are.
void trainWithoutDropout(models::Model& model)
{
    model.train();
    model.named_modules()["y_embedder.embedding_table"]->eval();
}

at::Tensor seenLabels(const Json& labels, const Json& dropped, std::int64_t classes)
{
    return wholeNumbers(labels).masked_fill(wholeNumbers(dropped).eq(1), classes);
}

} // namespace

TEST(GoldenDitTraining, LossAndGradientsAreThePublishedOnes)
{
    const auto file = goldenFolder() / "dit" / "training.json";
    ESPALIER_NEED_GOLDEN(file);
    at::set_num_threads(1);
    const Json document = readJson(file), &c = document.at("case");
    const std::string tag = "input:" + c.at("tag").get<std::string>();
    const std::int64_t side = c.at("model").at("input_size"), n = static_cast<std::int64_t>(c.at("loss_t").size());
    for (const auto& [dtype, name] : {std::pair{at::kFloat, "float32"}, {at::kDouble, "float64"}}) {
        SCOPED_TRACE(name);
        const bool isDouble = dtype == at::kDouble;
        const Json& wanted = document.at("loss").at(name);
        const auto model = filledDit(c.at("model"), dtype);
        trainWithoutDropout(*model);
        const auto input = [&, type = dtype](const char* what) { return inputTensor(tag + what, {n, 4, side, side}).to(type); };
        const at::Tensor labels = seenLabels(c.at("loss_y"), c.at("loss_drop"), model->classes()), t = wholeNumbers(c.at("loss_t"));
        diffusion::DiffusionObjective objective(hybrid());
        const auto terms = objective.with(*model, {input("x_start"), {}, labels}, {}, {}, t, input("noise"));
        for (std::int64_t i = 0; i < n; ++i) {
            const double loss = wanted.at("loss")[static_cast<std::size_t>(i)];
            // t = 0: the difference of two float32 distribution functions
            EXPECT_NEAR(terms.perSample[i].item<double>(), loss,
                        ditTolerance(isDouble                         ? 1e-7
                                     : t[i].item<std::int64_t>() == 0 ? 5e-3
                                                                      : 1e-5) *
                            loss);
        }
        const double mean = wanted.at("mean");
        EXPECT_NEAR(terms.loss.item<double>(), mean, ditTolerance(isDouble ? 1e-7 : 2e-3) * mean); // the one at t = 0 is among them
        terms.loss.backward();
        std::map<std::string, at::Tensor> gradients;
        for (const auto& parameter : model->named_parameters())
            if (parameter.value().grad().defined())
                gradients[parameter.key()] = parameter.value().grad();
        EXPECT_FALSE(gradients.contains("pos_embed"));
        expectTable(gradients, wanted.at("gradient"), ditTolerance(isDouble ? 1e-7 : 1e-4), isDouble ? 1e-10 : 1e-9, "gradient");
    }
}

TEST(GoldenDitTraining, StepsAreThePublishedOnes)
{
    const auto file = goldenFolder() / "dit" / "training.json";
    ESPALIER_NEED_GOLDEN(file);
    at::set_num_threads(1);
    const Json document = readJson(file), &c = document.at("case");
    const std::string tag = "input:" + c.at("tag").get<std::string>();
    const std::int64_t side = c.at("model").at("input_size"), n = static_cast<std::int64_t>(c.at("steps")[0].at("t").size());
    int runs = 0;
    for (const auto& [name, golden] : document.at("adamw").items()) { // "weight_decay_0.03"
        SCOPED_TRACE(name);
        const Json& wanted = golden.at("float32"); // the program trains in it
        config::RunConfig config;
        config.data.source = config::DataSource::Features; // latents come as they are
        config.data.side = side * config::LatentsConfig::kFactor;
        config.latents.enabled = true;
        config.diffusion = hybrid();
        config.training.batchSize = n;
        config.training.optimizer = config::OptimizerKind::AdamW;
        config.training.weightDecay = std::stod(name.substr(name.rfind('_') + 1));
        config.training.gradNorm = 0.0;
        config.training.ema.decays = {0.9, 0.9999};
        config.training.ema.ramp = false;
        const auto model = filledDit(c.at("model"), at::kFloat);
        trainWithoutDropout(*model);
        std::map<std::string, at::Tensor> first;
        for (const auto& parameter : model->named_parameters())
            first[parameter.key()] = parameter.value().detach().clone();
        auto state = stateOf(*model, config.training.ema.decays);
        GivenDraws objective(config.diffusion);
        TrainStep step({*model, objective, state, parallel::ProcessGroup::alone(), {n, n, 1, 0, 1}, at::kCPU}, config);
        for (std::size_t k = 0; k < c.at("steps").size(); ++k) {
            const Json& given = c.at("steps")[k];
            const auto input = [&](const char* what) { return tag + what + ":" + std::to_string(k); };
            objective.next = {{{}, wholeNumbers(given.at("t")), inputTensor(input("noise"), {n, 4, side, side})}};
            objective.losses.clear();
            auto latents = goldenInput(input("x_start"), {n, 4, side, side});
            auto labels = given.at("y").get<std::vector<std::int32_t>>();
            for (std::size_t i = 0; i < labels.size(); ++i)
                if (given.at("drop")[i] == 1)
                    labels[i] = static_cast<std::int32_t>(model->classes());
            data::HostBatch batch;
            batch.latents = latents;
            batch.labels = labels;
            step.begin(1e-3);
            step.accumulate(batch);
            step.finish();
            const double loss = wanted.at("loss")[k];
            EXPECT_NEAR(step.report().take().loss, loss, ditTolerance(1e-5) * loss) << "step " << k;
        }
        const auto moved = [&](const auto& now) {
            std::map<std::string, at::Tensor> change;
            for (const auto& slot : state.slots)
                change[slot.name] = now(slot).detach() - first.at(slot.name);
            return change;
        };
        EXPECT_EQ(moved([](const auto& slot) { return slot.value; }).at("pos_embed").abs().max().item<double>(), 0.0);
        expectTable(moved([](const auto& slot) { return slot.value; }), wanted.at("model"), 1e-4, 0.0, "model");
        expectTable(moved([](const auto& slot) { return slot.ema[0]; }), wanted.at("ema_0.9"), 1e-4, 0.0, "ema 0.9");
        // Changes of 1e-6 of numbers near 1: rounding shows.
        expectTable(moved([](const auto& slot) { return slot.ema[1]; }), wanted.at("ema_0.9999"), 2e-2, 0.0, "ema 0.9999");
        ++runs;
    }
    EXPECT_EQ(runs, 2);
}

} // namespace espalier::training
