// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"
#include "core/formats/safetensors.h"
#include "core/training/ema.h"
#include "core/training/optimizer.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

namespace espalier::training {
namespace {

at::Tensor tensorOf(const std::vector<float>& values, at::IntArrayRef shape)
{
    return at::tensor(at::ArrayRef<float>(values)).reshape(shape).clone();
}

std::vector<float> rowsOf(const std::filesystem::path& file, const std::string& name)
{
    auto reader = formats::SafetensorsReader::open(file);
    if (!reader)
        return {};
    const auto* entry = reader->find(name);
    std::vector<float> values(entry ? entry->bytes() / 4 : 0);
    if (entry)
        (void)reader->copy(*entry, std::as_writable_bytes(std::span(values)));
    return values;
}

tensors::Slot slotOf(const std::string& name, const at::Tensor& value, bool second)
{
    return {name,         value.clone().set_requires_grad(true), {}, at::zeros_like(value), second ? at::zeros_like(value) : at::Tensor(),
            at::zeros({})};
}

/// The settings of a published case; false: it uses what we do not offer (AMSGrad, Nesterov, dampening).
bool settingsOf(const Json& published, config::TrainingConfig& training)
{
    for (const auto* option : {"amsgrad", "nesterov", "dampening"})
        if (published.contains(option))
            return false;
    const std::string kind = published["class"];
    training.optimizer = kind == "Adam"    ? config::OptimizerKind::Adam
                         : kind == "AdamW" ? config::OptimizerKind::AdamW
                                           : config::OptimizerKind::Sgd;
    training.beta1 = published.contains("betas") ? published["betas"][0].get<double>() : 0.9;
    training.beta2 = published.contains("betas") ? published["betas"][1].get<double>() : 0.999;
    training.epsilon = published.value("eps", 1e-8);
    training.weightDecay = published.value("weight_decay", kind == "AdamW" ? 0.01 : 0.0);
    training.momentum = published.value("momentum", 0.0);
    return true;
}

} // namespace

TEST(OptimizerGolden, StepsAsPublished)
{
    const auto folder = tests::goldenFolder() / "optim";
    ESPALIER_NEED_GOLDEN(folder / "optimisers.json");
    const auto document = Json::parse(std::ifstream(folder / "optimisers.json"));
    // "parameters w [3, 4] and bias [5] filled by name; gradient of step i: input:optim.grad.<name>.<i>"
    const auto about = document["about"].get<std::string>();
    const auto shapeAfter = [&](const std::string& word) {
        const auto at = about.find(word + " [") + word.size() + 1;
        return Json::parse(about.substr(at, about.find(']', at) - at + 1)).get<std::vector<std::int64_t>>();
    };
    const auto wShape = shapeAfter("parameters w"), biasShape = shapeAfter("bias");
    const std::string gradients = about.find("input:held.") != std::string::npos ? "input:held.optim.grad." : "input:optim.grad.";
    const std::int64_t width = wShape.at(0) * wShape.at(1) + biasShape.at(0);
    int compared = 0;
    for (const auto& [name, published] : document["cases"].items()) {
        config::TrainingConfig training;
        if (!settingsOf(published, training))
            continue;
        const auto rows = rowsOf(folder / "optimisers.safetensors", name + ".float32");
        ASSERT_FALSE(rows.empty()) << name;
        ASSERT_EQ(rows.size() % static_cast<std::size_t>(width), 0u) << name;
        std::vector<tensors::Slot> slots{
            slotOf("w", tensorOf(tests::goldenParameter("w", wShape), wShape), training.optimizer != config::OptimizerKind::Sgd),
            slotOf("bias", tensorOf(tests::goldenParameter("bias", biasShape), biasShape),
                   training.optimizer != config::OptimizerKind::Sgd)};
        Optimizer optimizer(training);
        const auto rate = at::scalar_tensor(published["lr"].get<double>(), at::kFloat), found = at::zeros({});
        const auto steps = static_cast<std::int64_t>(rows.size()) / width;
        for (std::int64_t i = 0; i < steps; ++i) {
            for (auto& slot : slots) {
                const auto input = gradients + slot.name + "." + std::to_string(i);
                slot.value.mutable_grad() =
                    tensorOf(tests::goldenInput(input, slot.value.sizes().vec()), slot.value.sizes()) * (i == 3 ? 0.01 : 1.0);
            }
            optimizer.step(slots, rate, std::nullopt, found);
            const auto now = at::cat({slots[0].value.detach().flatten(), slots[1].value.detach().flatten()});
            for (std::int64_t k = 0; k < width; ++k, ++compared)
                EXPECT_NEAR(now[k].item<float>(), rows[static_cast<std::size_t>(i * width + k)], 1e-6)
                    << name << " step " << i << " element " << k;
        }
        for (const auto& slot : slots) // what the optimizer remembers: of the float64 run
            if (const auto last = published.value("state_last", Json::object()); last.contains(slot.name))
                for (const auto& [key, wanted] : last[slot.name].items()) {
                    if (key == "step") {
                        EXPECT_EQ(slot.step.item<float>(), wanted.get<float>()) << name;
                        continue;
                    }
                    const auto& moment = key == "exp_avg_sq" ? slot.v : slot.m;
                    ASSERT_EQ(moment.numel(), static_cast<std::int64_t>(wanted.size())) << name << " " << key;
                    for (std::int64_t k = 0; k < moment.numel(); ++k, ++compared)
                        EXPECT_NEAR(moment.flatten()[k].item<float>(), wanted[static_cast<std::size_t>(k)].get<double>(), 1e-6)
                            << name << " " << slot.name << " " << key << " " << k;
                }
    }
    EXPECT_GT(compared, 0);
}

TEST(EmaGolden, RampsAsPublished)
{
    const auto folder = tests::goldenFolder() / "optim";
    ESPALIER_NEED_GOLDEN(folder / "averages.json");
    const auto document = Json::parse(std::ifstream(folder / "averages.json"));
    int compared = 0;
    for (const auto& [name, published] : document["ramp"].items()) {
        const double decay = published["decay"];
        const auto rows = rowsOf(folder / "averages.safetensors", name);
        const auto steps = published["decays_used"].size();
        ASSERT_GT(steps, 0u);
        const auto width = rows.size() / steps;
        const bool held = document["about"].get<std::string>().find("held.") != std::string::npos;
        const std::string prefix = held ? "input:held.ema.p." : "input:ema.p.";
        const auto start =
            tensorOf(tests::goldenInput(prefix + "0", {static_cast<std::int64_t>(width)}), {static_cast<std::int64_t>(width)});
        std::vector<tensors::Slot> slots(1);
        slots[0].value = start.clone();
        slots[0].ema = {start.clone()};
        for (std::size_t i = 0; i < steps; ++i, ++compared) {
            EXPECT_NEAR(emaDecayAt(decay, true, static_cast<std::int64_t>(i)), published["decays_used"][i].get<double>(), 1e-12);
            slots[0].value.copy_(tensorOf(tests::goldenInput(prefix + std::to_string(i + 1), {static_cast<std::int64_t>(width)}),
                                          {static_cast<std::int64_t>(width)}));
            updateEma(slots, {decay}, true, static_cast<std::int64_t>(i), at::ones({}));
            for (std::size_t k = 0; k < width; ++k)
                EXPECT_NEAR(slots[0].ema[0][static_cast<std::int64_t>(k)].item<float>(), rows[i * width + k], 1e-6)
                    << name << " step " << i;
        }
    }
    EXPECT_GT(compared, 0);
}

TEST(EmaGolden, WithoutARampTheDecayIsConstant)
{
    const auto folder = tests::goldenFolder() / "optim";
    ESPALIER_NEED_GOLDEN(folder / "averages.json");
    const bool held = Json::parse(std::ifstream(folder / "averages.json"))["about"].get<std::string>().find("held.") != std::string::npos;
    const std::string prefix = held ? "input:held.ema.p." : "input:ema.p.";
    auto reader = formats::SafetensorsReader::open(folder / "averages.safetensors");
    ASSERT_TRUE(reader) << reader.error().message;
    int compared = 0;
    for (const auto& entry : reader->entries()) { // constant_0.9999, one row per update
        if (!entry.name.starts_with("constant_"))
            continue;
        const double decay = std::stod(entry.name.substr(entry.name.find('_') + 1));
        const auto rows = rowsOf(folder / "averages.safetensors", entry.name);
        const std::vector<std::int64_t> width{static_cast<std::int64_t>(entry.shape.at(1))};
        const auto parameter = [&](std::int64_t i) { return tensorOf(tests::goldenInput(prefix + std::to_string(i), width), width); };
        std::vector<tensors::Slot> slots(1);
        slots[0].value = parameter(0);
        slots[0].ema = {parameter(0)};
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(entry.shape.at(0)); ++i, ++compared) {
            slots[0].value.copy_(parameter(i + 1));
            updateEma(slots, {decay}, false, i, at::ones({}));
            for (std::int64_t k = 0; k < width[0]; ++k)
                EXPECT_NEAR(slots[0].ema[0][k].item<float>(), rows[static_cast<std::size_t>(i * width[0] + k)], 1e-6)
                    << entry.name << " update " << i;
        }
    }
    EXPECT_GT(compared, 0);
}

// ddpm-baseline.md section 13.6.
TEST(Ema, MeetsTheOraclesOfItsRamp)
{
    EXPECT_NEAR(emaDecayAt(0.9999, true, 0), 0.1, 1e-12);
    EXPECT_NEAR(emaDecayAt(0.9999, true, 9), 0.526316, 1e-6);
    EXPECT_NEAR(emaDecayAt(0.9999, true, 9999), 0.999101, 1e-6);
    EXPECT_DOUBLE_EQ(emaDecayAt(0.9999, true, 89990), 0.9999);
    EXPECT_DOUBLE_EQ(emaDecayAt(0.9999, false, 0), 0.9999);
}

TEST(Optimizer, SkipsAStepThatIsNotFinite)
{
    config::TrainingConfig training;
    auto start = at::arange(6, at::kFloat);
    std::vector<tensors::Slot> slots{slotOf("p", start, true)};
    slots[0].ema = {start.clone()};
    slots[0].value.mutable_grad() = at::full({6}, std::numeric_limits<float>::quiet_NaN());
    Optimizer optimizer(training);
    optimizer.step(slots, at::scalar_tensor(0.1f), std::nullopt, at::ones({}));
    updateEma(slots, {0.5}, false, 0, at::zeros({}));
    EXPECT_TRUE(at::equal(slots[0].value.detach(), start));
    EXPECT_TRUE(at::equal(slots[0].ema[0], start));
    EXPECT_EQ(slots[0].m.abs().sum().item<float>(), 0.0f);
    EXPECT_EQ(slots[0].step.item<float>(), 0.0f);
}

TEST(Optimizer, DividesGradientsByTheClippingScale)
{
    config::TrainingConfig training;
    training.optimizer = config::OptimizerKind::Sgd;
    training.momentum = 0.0;
    std::vector<tensors::Slot> slots{slotOf("p", at::zeros({4}), false)};
    slots[0].value.mutable_grad() = at::full({4}, 8.0f);
    Optimizer(training).step(slots, at::scalar_tensor(1.0f), at::scalar_tensor(4.0f), at::zeros({}));
    EXPECT_TRUE(at::allclose(slots[0].value.detach(), at::full({4}, -2.0f)));
}

} // namespace espalier::training
