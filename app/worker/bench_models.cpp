// SPDX-License-Identifier: Apache-2.0
#include "app/worker/bench_models.h"

#include "core/config/config.h"
#include "core/config/presets.h"

#include <fmt/format.h>

#include <array>

namespace espalier::worker {
namespace {

/// A DiT of patch size 2 on ready latents of 256-pixel images (Peebles and Xie 2022).
config::RunConfig dit(std::int64_t width, std::int64_t depth, std::int64_t heads)
{
    config::RunConfig config;
    config.data.source = config::DataSource::Features;
    config.data.side = 256;
    config.latents.enabled = true;
    config.model =
        config::DitConfig{.patchSize = 2, .hiddenSize = width, .depth = depth, .numHeads = heads, .learnSigma = true, .numClasses = 1000};
    config.diffusion.varType = config::VarType::LearnedRange;
    config.training.optimizer = config::OptimizerKind::AdamW;
    config.training.gradNorm = 0.0;
    return config;
}

/// A ViT of timm at 224 pixels under the DeiT recipe, without an average of its weights.
config::RunConfig vit(std::int64_t width, std::int64_t heads)
{
    config::RunConfig config;
    config.data.side = 224;
    config.data.augment.labelSmoothing = 0.1;
    config.model =
        config::VitConfig{.patchSize = 16, .hiddenSize = width, .depth = 12, .numHeads = heads, .numClasses = 1000, .dropPath = 0.1};
    config.training.optimizer = config::OptimizerKind::AdamW;
    config.training.weightDecay = 0.05;
    config.training.gradNorm = 0.0;
    config.training.ema.decays = {};
    return config;
}

} // namespace

Result<config::RunConfig> benchConfig(const std::string& model)
{
    if (model == "unet-cifar10") {
        const auto preset = config::findPreset("ddpm-cifar10");
        return preset ? config::read(preset->overlay) : preset.error();
    }
    struct Known {
        const char* name;
        config::RunConfig config;
    };
    const std::array known{Known{"dit-s2", dit(384, 12, 6)}, Known{"dit-b2", dit(768, 12, 12)}, Known{"dit-xl2", dit(1152, 28, 16)},
                           Known{"vit-ti", vit(192, 3)},     Known{"vit-s", vit(384, 6)},       Known{"vit-b", vit(768, 12)}};
    std::string names = "unet-cifar10";
    for (const auto& each : known) {
        if (model == each.name)
            return each.config;
        names += std::string(", ") + each.name;
    }
    return Error{ErrorCode::Usage, fmt::format("\"{}\" is no model of the bench. Known: {}.", model, names)};
}

} // namespace espalier::worker
