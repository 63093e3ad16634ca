// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/published_settings.h"

#include "core/config/config.h"

#include <fmt/format.h>

namespace espalier::shapes {
namespace {

constexpr auto kLatentChannels = config::LatentsConfig::kChannels, kLatentFactor = config::LatentsConfig::kFactor;
constexpr double kGuidance = 4.0;

void set(Json& overlay, const std::string& path, Json value)
{
    config::setValue(overlay, *config::findField(path, overlay), std::move(value));
}

void setDitSampling(Json& overlay, const ModelShape& shape, const config::DitConfig& dit)
{
    if (dit.learnSigma)
        set(overlay, "diffusion.model_var_type", "learned-range");
    for (const std::string group : {"samples.sampler.", "evaluation.sampler."}) {
        set(overlay, group + "kind", "ddpm");
        set(overlay, group + "timestep_respacing", "250");
        if (shape.inChannels == kLatentChannels) {
            set(overlay, group + "clip_denoised", false);
            set(overlay, group + "guidance_channels", "first-three");
        }
        if (dit.numClasses > 0 && dit.classDropoutProb > 0.0)
            set(overlay, group + "guidance", kGuidance);
    }
}

} // namespace

Result<Json> publishedSettings(const ModelShape& shape, const std::string& file)
{
    if (std::holds_alternative<config::UNetConfig>(shape.model))
        return Error{ErrorCode::Usage,
                     fmt::format("{} holds a {}, and such files do not say how noise was added. Give the JSON of its configuration with "
                                 "--config.",
                                 file, describe(shape)),
                     {}};
    if (shape.inChannels != 3 && shape.inChannels != kLatentChannels)
        return Error{ErrorCode::Usage,
                     fmt::format("{} holds a {} of {} channels; it would have to be 3, or {} for latents.", file, describe(shape),
                                 shape.inChannels, kLatentChannels),
                     {}};
    Json overlay{{"model", config::writeModel(shape.model)}};
    set(overlay, "data.source", "folder");
    if (shape.inChannels == kLatentChannels)
        set(overlay, "latents.enabled", true);
    set(overlay, "data.side", shape.inChannels == kLatentChannels ? kLatentFactor * shape.side : shape.side);
    if (const auto* dit = std::get_if<config::DitConfig>(&shape.model))
        setDitSampling(overlay, shape, *dit);
    return overlay;
}

} // namespace espalier::shapes
