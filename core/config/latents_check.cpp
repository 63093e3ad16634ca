// SPDX-License-Identifier: Apache-2.0
#include "core/config/latents_check.h"

#include <fmt/format.h>

namespace espalier::config {

namespace {

using Problems = std::vector<Problem>;

/// What is done to pixels in every epoch cannot be done to an image that was encoded once.
void checkAugmentation(const DataConfig& data, Problems& problems)
{
    const auto refuse = [&](const char* path, const char* off) {
        problems.push_back({path, fmt::format("{} changes pixels, and latents.enabled encodes each image once; set it to {}.", path, off)});
    };
    if (data.augment.crop != RandomCrop::None)
        refuse("data.augment.crop", "none");
    if (data.augment.operations > 0)
        refuse("data.augment.operations", "0");
}

/// Latents that somebody else made come as they are.
void checkFeatures(const RunConfig& config, Problems& problems)
{
    if (config.data.flip)
        problems.push_back({"data.flip", "data.flip must be false with data.source features: these folders hold no latents of mirrored "
                                         "images."});
    if (config.latents.vae.empty() && config.samples.every > 0)
        problems.push_back({"samples.every", "samples.every must be 0, because latents.vae is empty and nothing turns latents into "
                                             "images. Name the autoencoder, or draw none."});
    if (config.evaluation.every > 0)
        problems.push_back({"evaluation.every", "evaluation.every must be 0 with data.source features: there are no images to compare "
                                                "with. Evaluate checkpoints with --reference instead."});
}

} // namespace

std::vector<Problem> checkLatents(const RunConfig& config)
{
    Problems problems;
    const bool features = config.data.source == DataSource::Features;
    const auto& latents = config.latents;
    if (!latents.enabled) {
        if (features)
            problems.push_back({"latents.enabled", "latents.enabled must be true, because data.source is features, which holds latents."});
        return problems;
    }
    constexpr auto kFactor = LatentsConfig::kFactor;
    if (config.data.side % kFactor != 0)
        problems.push_back({"data.side", fmt::format("data.side {} must be a multiple of {}, because latents.enabled is true; the nearest "
                                                     "are {} and {}.",
                                                     config.data.side, kFactor, config.data.side / kFactor * kFactor,
                                                     (config.data.side / kFactor + 1) * kFactor)});
    if (!drawsImages(config.model))
        problems.push_back(
            {"latents.enabled", "latents.enabled must be false, because model.kind vit tells images apart by their pixels."});
    if (features)
        checkFeatures(config, problems);
    else if (latents.vae.empty())
        problems.push_back({"latents.vae", "latents.vae must name the autoencoder, because latents.enabled is true."});
    if (latents.tileSide > 0 && (latents.tileSide % kFactor != 0 || latents.tileSide < 8 * kFactor))
        problems.push_back({"latents.tile_side", fmt::format("latents.tile_side must be 0 or a multiple of {} from {}; it is {}.", kFactor,
                                                             8 * kFactor, latents.tileSide)});
    checkAugmentation(config.data, problems);
    return problems;
}

} // namespace espalier::config
