// SPDX-License-Identifier: Apache-2.0
#include "tests/core/training/given_images.h"

#include "core/models/vit.h"

#include <torch/torch.h>

#include <set>

namespace espalier::training {

using namespace espalier::tests;

// Five AdamW steps with Deep-Incubation's groups, and timm's averages beside them.
TEST(GoldenVitTraining, StepsAreThePublishedOnes)
{
    const auto file = goldenFolder() / "vit" / "optim.json";
    ESPALIER_NEED_GOLDEN(file);
    at::set_num_threads(1);
    const Json document = readJson(file);
    const Json& s = document.at("settings");
    const Target target(document.at("inputs").get<std::string>());
    const double rtol = document.at("tolerance").at("rtol");
    std::int64_t depth = 0;
    for (const auto& part : s.at("divided_depths"))
        depth += part.get<std::int64_t>();
    const std::int64_t side = s.at("img_size"), batch = static_cast<std::int64_t>(target.labels.size());
    for (const auto& [name, wanted] : document.at("cases").items()) { // "plain", "clipped_to_1.0"
        SCOPED_TRACE(name);
        config::RunConfig config;
        config.training.optimizer = config::OptimizerKind::AdamW;
        config.training.beta1 = document.at("adam").at("betas")[0];
        config.training.beta2 = document.at("adam").at("betas")[1];
        config.training.epsilon = document.at("adam").at("eps");
        config.training.weightDecay = s.at("weight_decay");
        config.training.weightDecayOn = config::DecayOn::Matrices;
        config.training.gradNorm = name == "plain" ? 0.0 : std::stod(name.substr(name.rfind('_') + 1));
        config.training.batchSize = batch;
        config.training.ema.ramp = false;
        config.training.ema.decays.clear();
        // The published model has each tensor under two names, and timm's average moves once for each: twice a step, which is d squared.
        const auto published = document.at("ema").at("decays").get<std::vector<double>>();
        for (const double decay : published)
            config.training.ema.decays.push_back(decay * decay);
        const config::VitConfig network{.patchSize = s.at("patch_size"),
                                        .hiddenSize = s.at("embed_dim"),
                                        .depth = depth,
                                        .numHeads = s.at("num_heads"),
                                        .numClasses = s.at("num_classes"),
                                        .qkvBias = s.at("qkv_bias"),
                                        .normEpsilon = s.at("norm_eps")};
        models::Vit model(network, {3, side, side}, {});
        model.train();
        tensors::TrainState state;
        state.emaDecays = config.training.ema.decays;
        for (auto& item : model.named_parameters()) {
            const at::NoGradGuard guard;
            const auto shape = item.value().sizes().vec();
            item.value().copy_(tensorOf(goldenParameter(target.prefix + item.key(), shape), shape));
            state.slots.push_back(makeSlot(item.key(), item.value(), config.training));
        }
        std::set<std::string> decayed, decayedThere;
        for (const auto& slot : state.slots)
            if (decays(config.training.weightDecayOn, slot.name, slot.value.dim()))
                decayed.insert(slot.name);
        for (const auto& group : document.at("groups"))
            if (group.at("weight_decay").get<double>() > 0.0)
                for (const auto& each : group.at("names"))
                    decayedThere.insert(each.get<std::string>());
        EXPECT_EQ(decayed, decayedThere);

        GivenImages objective;
        objective.target = target.rows(network.numClasses);
        TrainStep step({model, objective, state, parallel::ProcessGroup::alone(), {batch, batch, 1, 0, 1}, at::kCPU}, config);
        std::vector<std::uint8_t> bytes(static_cast<std::size_t>(batch * side * side * 3));
        std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
        const data::HostBatch blank{.images = bytes, .labels = labels, .erased = {}, .mixes = {}};
        for (std::int64_t k = 0; k < s.at("steps").get<std::int64_t>(); ++k) {
            objective.image = inputTensor(target.prefix + "input:x.step" + std::to_string(k), {batch, 3, side, side});
            step.begin(s.at("lr"));
            step.accumulate(blank);
            step.finish();
            const auto report = step.report().take();
            const double loss = wanted.at("losses")[static_cast<std::size_t>(k)];
            const double norm = wanted.at("gradient_norms_before_clipping")[static_cast<std::size_t>(k)];
            EXPECT_NEAR(report.loss, loss, rtol * (0.01 + loss)) << "step " << k;
            EXPECT_NEAR(report.gradientNorm, norm, rtol * (0.01 + norm)) << "step " << k;
        }
        for (const auto& slot : state.slots) {
            expectThese(compared(slot.name, slot.value), wanted.at("parameters").at(slot.name), rtol, slot.name);
            for (std::size_t i = 0; i < state.emaDecays.size(); ++i) {
                const auto& averages = wanted.at("ema").at(Json(published[i]).dump());
                if (averages.contains(slot.name))
                    expectThese(compared(slot.name, slot.ema[i]), averages.at(slot.name), rtol, slot.name + " averaged");
            }
        }
    }
}

} // namespace espalier::training
