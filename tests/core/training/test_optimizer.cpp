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

std::vector<tensors::Slot*> pointersTo(std::vector<tensors::Slot>& slots)
{
    std::vector<tensors::Slot*> all;
    for (auto& slot : slots)
        all.push_back(&slot);
    return all;
}

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

tensors::Slot slotOf(const std::string& name, const at::Tensor& value, const config::TrainingConfig& training)
{
    return makeSlot(name, value.clone().set_requires_grad(true), training);
}

/// The settings of a published case.
config::TrainingConfig settingsOf(const Json& published)
{
    config::TrainingConfig training;
    training.ema.decays = {};
    const std::string kind = published["class"];
    training.optimizer = kind == "Adam"    ? config::OptimizerKind::Adam
                         : kind == "AdamW" ? config::OptimizerKind::AdamW
                                           : config::OptimizerKind::Sgd;
    training.beta1 = published.contains("betas") ? published["betas"][0].get<double>() : 0.9;
    training.beta2 = published.contains("betas") ? published["betas"][1].get<double>() : 0.999;
    training.epsilon = published.value("eps", 1e-8);
    training.amsgrad = published.value("amsgrad", false);
    training.weightDecay = published.value("weight_decay", kind == "AdamW" ? 0.01 : 0.0);
    training.momentum = published.value("momentum", 0.0);
    training.dampening = published.value("dampening", 0.0);
    training.nesterov = published.value("nesterov", false);
    return training;
}

/// All kinds of optimizers, each with everything that it can remember.
std::vector<config::TrainingConfig> allKinds()
{
    std::vector<config::TrainingConfig> kinds(6);
    kinds[0].optimizer = config::OptimizerKind::Adam;
    kinds[0].amsgrad = true;
    kinds[1].optimizer = config::OptimizerKind::AdamW;
    kinds[2].optimizer = kinds[3].optimizer = kinds[4].optimizer = config::OptimizerKind::Sgd;
    kinds[3].nesterov = true;
    kinds[4].dampening = 0.3;
    kinds[5].optimizer = config::OptimizerKind::Lamb;
    for (auto& kind : kinds) {
        kind.ema.decays = {0.5};
        kind.weightDecay = 0.1;
        kind.weightDecayOn = config::DecayOn::Matrices;
    }
    return kinds;
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
        const auto training = settingsOf(published);
        const auto rows = rowsOf(folder / "optimisers.safetensors", name + ".float32");
        ASSERT_FALSE(rows.empty()) << name;
        ASSERT_EQ(rows.size() % static_cast<std::size_t>(width), 0u) << name;
        std::vector<tensors::Slot> slots{slotOf("w", tensorOf(tests::goldenParameter("w", wShape), wShape), training),
                                         slotOf("bias", tensorOf(tests::goldenParameter("bias", biasShape), biasShape), training)};
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
                    const auto& moment = key == "exp_avg_sq" ? slot.v : key == "max_exp_avg_sq" ? slot.largest : slot.m;
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
            updateEma(pointersTo(slots), {decay}, true, static_cast<std::int64_t>(i), at::ones({}));
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
            updateEma(pointersTo(slots), {decay}, false, i, at::ones({}));
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

// timm's LAMB, with a bias that does not decay and so keeps the plain rate.
TEST(OptimizerGolden, LambStepsAsTimm)
{
    const auto file = tests::goldenFolder() / "optim" / "lamb.json";
    ESPALIER_NEED_GOLDEN(file);
    const auto document = Json::parse(std::ifstream(file));
    const auto wShape = document["shapes"]["w"].get<std::vector<std::int64_t>>(),
               biasShape = document["shapes"]["bias"].get<std::vector<std::int64_t>>();
    const std::string gradients = "input:" + document["tag"].get<std::string>() + "optim.grad.";
    int compared = 0;
    for (const auto& [name, published] : document["cases"].items()) {
        config::TrainingConfig training;
        training.optimizer = config::OptimizerKind::Lamb;
        training.beta1 = published["betas"][0];
        training.beta2 = published["betas"][1];
        training.epsilon = published["eps"];
        training.weightDecay = published["weight_decay"];
        training.weightDecayOn = config::DecayOn::Matrices;
        training.ema.decays = {};
        std::vector<tensors::Slot> slots{slotOf("w", tensorOf(tests::goldenParameter("w", wShape), wShape), training),
                                         slotOf("bias", tensorOf(tests::goldenParameter("bias", biasShape), biasShape), training)};
        Optimizer optimizer(training);
        const auto rate = at::scalar_tensor(published["lr"].get<double>(), at::kFloat), found = at::zeros({});
        const double most = published["max_grad_norm"];
        const auto& rows = published["float32"];
        for (std::size_t i = 0; i < rows.size(); ++i) {
            std::vector<at::Tensor> all;
            for (auto& slot : slots) {
                const auto input = gradients + slot.name + "." + std::to_string(i);
                slot.value.mutable_grad() =
                    tensorOf(tests::goldenInput(input, slot.value.sizes().vec()), slot.value.sizes()) * (i == 3 ? 0.01 : 1.0);
                all.push_back(slot.value.grad().flatten());
            }
            const auto scale = ((at::cat(all).norm() + 1e-6) / most).clamp_min(1.0);
            optimizer.step(slots, rate, most > 0 ? std::optional(scale) : std::nullopt, found);
            const auto now = at::cat({slots[0].value.detach().flatten(), slots[1].value.detach().flatten()});
            for (std::int64_t k = 0; k < now.numel(); ++k, ++compared)
                EXPECT_NEAR(now[k].item<float>(), rows[i][static_cast<std::size_t>(k)].get<double>(), 2e-6)
                    << name << " step " << i << " element " << k;
        }
        EXPECT_EQ(slots[0].step.item<float>(), static_cast<float>(rows.size()));
    }
    EXPECT_GT(compared, 0);
}

TEST(Optimizer, SkipsAStepThatIsNotFinite)
{
    for (const auto& training : allKinds()) {
        SCOPED_TRACE(static_cast<int>(training.optimizer));
        std::vector<tensors::Slot> slots{slotOf("p.weight", at::arange(6, at::kFloat).view({2, 3}), training),
                                         slotOf("p.bias", at::arange(3, at::kFloat), training)};
        Optimizer optimizer(training);
        const auto give = [&](float value) {
            for (auto& slot : slots)
                slot.value.mutable_grad() = at::full_like(slot.value, value, at::TensorOptions().requires_grad(false));
        };
        const auto all = [&] {
            std::vector<at::Tensor> kept;
            for (const auto& slot : slots)
                for (const auto& tensor : {slot.value.detach(), slot.ema[0], slot.m, slot.v, slot.step, slot.largest})
                    if (tensor.defined())
                        kept.push_back(tensor.clone().flatten());
            return at::cat(kept);
        };
        for (const bool after : {false, true}) { // before the first good step, and after one
            if (after) {
                const auto before = all();
                give(0.5f);
                optimizer.step(slots, at::scalar_tensor(0.1f), at::scalar_tensor(2.0f), at::zeros({}));
                EXPECT_FALSE(at::equal(all(), before));
            }
            const auto before = all();
            const float nan = std::numeric_limits<float>::quiet_NaN();
            give(nan);
            optimizer.step(slots, at::scalar_tensor(0.1f), at::scalar_tensor(nan), at::ones({}));
            updateEma(pointersTo(slots), {0.5}, false, 0, at::zeros({}));
            EXPECT_TRUE(at::equal(all(), before));
        }
    }
}

TEST(Optimizer, DecayLeavesAloneWhatTimmLeavesAlone)
{
    using enum config::DecayOn;
    EXPECT_TRUE(decays(Matrices, "blocks.0.attn.qkv.weight", 2));
    EXPECT_TRUE(decays(Matrices, "patch_embed.proj.weight", 4));
    EXPECT_FALSE(decays(Matrices, "blocks.0.norm1.weight", 1));
    EXPECT_FALSE(decays(Matrices, "odd.bias", 2));
    EXPECT_FALSE(decays(Matrices, "cls_token", 3));
    EXPECT_FALSE(decays(Matrices, "pos_embed", 3));
    EXPECT_TRUE(decays(All, "pos_embed", 3));
    // With a gradient of zero, a step shrinks what decays, and that alone.
    auto training = allKinds()[1];
    std::vector<tensors::Slot> slots{slotOf("w.weight", at::ones({2, 2}), training), slotOf("w.bias", at::ones({2}), training)};
    for (auto& slot : slots)
        slot.value.mutable_grad() = at::zeros_like(slot.value.detach());
    Optimizer(training).step(slots, at::scalar_tensor(0.5f), std::nullopt, at::zeros({}));
    EXPECT_TRUE(at::allclose(slots[0].value.detach(), at::full({2, 2}, 0.95f)));
    EXPECT_TRUE(at::equal(slots[1].value.detach(), at::ones({2})));
}

TEST(Optimizer, DividesGradientsByTheClippingScale)
{
    config::TrainingConfig training;
    training.optimizer = config::OptimizerKind::Sgd;
    training.momentum = 0.0;
    std::vector<tensors::Slot> slots{slotOf("p", at::zeros({4}), training)};
    slots[0].value.mutable_grad() = at::full({4}, 8.0f);
    Optimizer(training).step(slots, at::scalar_tensor(1.0f), at::scalar_tensor(4.0f), at::zeros({}));
    EXPECT_TRUE(at::allclose(slots[0].value.detach(), at::full({4}, -2.0f)));
}

} // namespace espalier::training
