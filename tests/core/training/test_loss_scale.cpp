// SPDX-License-Identifier: Apache-2.0
#include "core/training/loss_scale.h"
#include "core/training/train_step.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

namespace espalier::training {
namespace {

/// One parameter, and a loss whose gradient is given: its fp16 overflows where gradient times scale is above 65504.
class Slope final : public models::Model {
public:
    Slope() { weight = register_parameter("weight", at::zeros({2, 2})); }
    std::string kind() const override { return "slope"; }
    models::ImageShape image() const override { return {3, 1, 1}; }
    at::Tensor forward(const tensors::Batch& batch, const tensors::Path&, const tensors::Draws&) override { return batch.x; }
    at::Tensor weight;
};

class SlopeLoss final : public models::Objective {
public:
    models::LossTerms operator()(models::Model& model, const tensors::Batch&, const tensors::Path&, const tensors::Draws&) override
    {
        // The weight is used in half precision, so its gradient passes through half precision too, as under autocast.
        const auto loss = (static_cast<Slope&>(model).weight.to(at::kHalf).to(at::kFloat) * gradient).sum() + offset;
        return {loss, loss.detach().view({1})};
    }
    std::string name() const override { return "slope"; }
    void save(Json&, tensors::TensorMap&) const override {}
    Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }
    double gradient = 1.0, offset = 0.0;
};

struct ScaledRun {
    config::RunConfig config;
    Slope model;
    SlopeLoss objective;
    tensors::TrainState state;
    std::unique_ptr<TrainStep> step;
    std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(3);
    std::vector<std::int32_t> labels = std::vector<std::int32_t>(1);

    ScaledRun()
    {
        config.training.batchSize = 1;
        config.training.optimizer = config::OptimizerKind::Sgd;
        config.training.momentum = 0.0;
        config.training.gradNorm = 0.0;
        config.training.precision = config::Precision::Fp16;
        config.training.ema.decays = {};
        state.slots.push_back(makeSlot("weight", model.weight, config.training));
        step = std::make_unique<TrainStep>(
            TrainStep::Parts{model, objective, state, parallel::ProcessGroup::alone(), {1, 1, 1, 0, 1}, at::kCPU}, config);
    }
    void take()
    {
        const data::HostBatch blank{.images = bytes, .labels = labels, .erased = {}, .mixes = {}};
        step->begin(0.25);
        step->accumulate(blank);
        step->finish();
    }
    double scale() { return step->lossScale()->scale().item<double>(); }
    double weight() const { return model.weight.detach()[0][0].item<double>(); }
};

} // namespace

// As torch.amp.GradScaler: 65536, halved by an overflow, doubled after 2000 good steps in a row.
TEST(LossScale, FallsAndGrowsAsPublished)
{
    LossScale scale(at::kCPU);
    const auto good = at::zeros({}), overflow = at::ones({});
    const auto value = [&] { return scale.scale().item<double>(); };
    EXPECT_EQ(value(), 65536.0);
    for (int i = 0; i < 1999; ++i)
        scale.update(good);
    EXPECT_EQ(value(), 65536.0);
    scale.update(overflow);
    EXPECT_EQ(value(), 32768.0);
    for (int i = 0; i < 1999; ++i)
        scale.update(good);
    EXPECT_EQ(value(), 32768.0);
    scale.update(good);
    EXPECT_EQ(value(), 65536.0);
    for (int i = 0; i < 16; ++i)
        scale.update(overflow);
    EXPECT_EQ(value(), 1.0);
    EXPECT_EQ(scale.canFall().item<float>(), 1.0f);
    scale.update(overflow);
    EXPECT_EQ(scale.canFall().item<float>(), 0.0f);
}

TEST(LossScale, IsSavedAndComesBack)
{
    LossScale scale(at::kCPU), other(at::kCPU);
    scale.update(at::ones({}));
    scale.update(at::zeros({}));
    tensors::TensorMap kept;
    Json json;
    scale.save(json, kept);
    ASSERT_TRUE(other.load(json, kept));
    EXPECT_EQ(other.scale().item<float>(), 32768.0f);
    for (int i = 0; i < 1999; ++i) // the good step before it was saved counts
        other.update(at::zeros({}));
    EXPECT_EQ(other.scale().item<float>(), 65536.0f);
    kept.erase("good_steps");
    const auto lacking = other.load(json, kept);
    ASSERT_FALSE(lacking);
    EXPECT_NE(lacking.error().message.find("loss_scale.good_steps"), std::string::npos);
}

TEST(LossScale, GradientsReachTheWeightsUnscaled)
{
    ScaledRun run;
    run.objective.gradient = 0.5;
    run.take();
    EXPECT_EQ(run.scale(), 65536.0);
    EXPECT_DOUBLE_EQ(run.weight(), -0.125);
    const auto report = run.step->report().take();
    EXPECT_EQ(report.goodSteps, 1);
    EXPECT_DOUBLE_EQ(report.gradientNorm, 1.0); // of four halves, unscaled
    // A gradient that half precision would lose arrives too.
    run.objective.gradient = std::ldexp(1.0, -24);
    const double before = run.weight();
    run.take();
    EXPECT_NEAR(before - run.weight(), 0.25 * std::ldexp(1.0, -24), 1e-9);
}

TEST(LossScale, AnOverflowSkipsTheStepAndIsNoBadStep)
{
    ScaledRun run;
    run.objective.gradient = 3.0; // 3 * 65536 and 3 * 32768 overflow, 3 * 16384 does not
    run.take();
    run.take();
    EXPECT_EQ(run.weight(), 0.0);
    EXPECT_EQ(run.scale(), 16384.0);
    run.take();
    EXPECT_DOUBLE_EQ(run.weight(), -0.75);
    auto report = run.step->report().take();
    EXPECT_EQ(report.goodSteps, 1);
    EXPECT_EQ(report.badSteps, 0);
    EXPECT_EQ(report.firstBadStep, -1);
    EXPECT_EQ(run.state.counters.step, 3);
}

TEST(LossScale, GradientsThatAlwaysOverflowAreBadInTheEnd)
{
    ScaledRun endless;
    class Infinite final : public models::Objective {
    public:
        models::LossTerms operator()(models::Model& model, const tensors::Batch&, const tensors::Path&, const tensors::Draws&) override
        {
            const auto& weight = static_cast<Slope&>(model).weight;
            const auto loss = at::sqrt(weight).sum(); // finite at 0, its slope is not
            return {loss, loss.detach().view({1})};
        }
        std::string name() const override { return "infinite"; }
        void save(Json&, tensors::TensorMap&) const override {}
        Result<Done> load(const Json&, const tensors::TensorMap&) override { return Done{}; }
    } objective;
    TrainStep step({endless.model, objective, endless.state, parallel::ProcessGroup::alone(), {1, 1, 1, 0, 1}, at::kCPU}, endless.config);
    const data::HostBatch blank{.images = endless.bytes, .labels = endless.labels, .erased = {}, .mixes = {}};
    for (int i = 0; i < 20; ++i) {
        step.begin(0.25);
        step.accumulate(blank);
        step.finish();
    }
    const auto report = step.report().take();
    EXPECT_EQ(report.goodSteps, 0);
    EXPECT_EQ(report.badSteps, 3); // 17 halvings take the scale below 1
    EXPECT_EQ(report.firstBadStep, 17);
}

TEST(LossScale, ALossThatIsNotFiniteIsBadAtOnce)
{
    ScaledRun run;
    run.objective.offset = std::numeric_limits<double>::quiet_NaN();
    run.take();
    EXPECT_EQ(run.step->report().take().badSteps, 1);
    EXPECT_EQ(run.weight(), 0.0);
}

} // namespace espalier::training
