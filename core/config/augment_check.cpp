// SPDX-License-Identifier: Apache-2.0
#include "core/config/augment_check.h"

#include "core/config/batch.h"
#include "core/config/devices.h"
#include "core/config/value_text.h"

#include <fmt/format.h>

namespace espalier::config {

namespace {

using Problems = std::vector<Problem>;

void checkCrops(const DataConfig& data, Problems& problems)
{
    const auto& augment = data.augment;
    const bool cut = data.source == DataSource::Folder || data.source == DataSource::Features; // features: by whoever extracted them
    if (!cut && data.crop != CentreCrop::Plain)
        problems.push_back({"data.crop", "data.crop adm is for data.source folder; the images of the other sources are square already. "
                                         "Choose centre."});
    if (!cut && data.cropRatio != 1.0)
        problems.push_back({"data.crop_ratio",
                            fmt::format("data.crop_ratio is for data.source folder; the images of the other sources already have the side "
                                        "they are shown at. Set it to 1; it is {}.",
                                        numberText(data.cropRatio))});
    if (data.crop == CentreCrop::Adm && data.cropRatio != 1.0)
        problems.push_back({"data.crop_ratio", fmt::format("data.crop_ratio must be 1 with data.crop adm, which shows the whole shorter "
                                                           "side; it is {}.",
                                                           numberText(data.cropRatio))});
    if (augment.cropAreaMin > augment.cropAreaMax)
        problems.push_back({"data.augment.crop_area_min",
                            fmt::format("data.augment.crop_area_min must not be above data.augment.crop_area_max ({}); it is {}.",
                                        numberText(augment.cropAreaMax), numberText(augment.cropAreaMin))});
    if (augment.crop == RandomCrop::Resized && data.scaledJpeg)
        problems.push_back({"data.scaled_jpeg", "data.scaled_jpeg cannot be used with data.augment.crop resized, whose parts need the "
                                                "pixels of the whole file; turn one of them off."});
    if (augment.crop == RandomCrop::Padded && augment.padding > data.side)
        problems.push_back({"data.augment.padding", fmt::format("data.augment.padding must be at most data.side ({} pixels); it is {}.",
                                                                data.side, augment.padding)});
}

void checkMixing(const RunConfig& config, Problems& problems)
{
    const auto& augment = config.data.augment;
    if (!augment.mixes())
        return;
    const auto group = augment.mixGroup;
    if (group % 2 != 0) {
        problems.push_back({"data.augment.mix_group",
                            fmt::format("data.augment.mix_group must be even, because images are mixed in pairs; it is {}.", group)});
        return;
    }
    const auto ask = parseDevices(config.devices);
    const int world = ask && ask->kind != DeviceKind::Auto ? ask->count : 1;
    const auto split = deriveBatch(config.training, world);
    if (!split)
        return; // said elsewhere
    if (group > 0 && split->microBatch % group != 0)
        problems.push_back({"data.augment.mix_group",
                            fmt::format("data.augment.mix_group must divide the micro-batch, which is {} images on {} workers; it is {}.",
                                        split->microBatch, world, group)});
    if (group == 0 && split->microBatch % 2 != 0)
        problems.push_back({"data.augment.mix_group",
                            fmt::format("Images are mixed in pairs, and the micro-batch is {} images on {} workers; choose an even "
                                        "training.micro_batch.",
                                        split->microBatch, world)});
}

/// Soft targets and noise in normalised images are for a model that learns to tell classes apart.
void checkTargets(const RunConfig& config, Problems& problems)
{
    if (!drawsImages(config.model))
        return;
    const auto& augment = config.data.augment;
    const auto refuse = [&](const char* path, double value) {
        if (value > 0.0)
            problems.push_back({path, fmt::format("{} is for models that learn to tell classes apart; set it to 0 for this one. It is {}.",
                                                  path, numberText(value))});
    };
    refuse("data.augment.erase", augment.erase);
    refuse("data.augment.mixup", augment.mixup);
    refuse("data.augment.cutmix", augment.cutmix);
    refuse("data.augment.label_smoothing", augment.labelSmoothing);
}

} // namespace

std::vector<Problem> checkAugment(const RunConfig& config)
{
    Problems problems;
    checkCrops(config.data, problems);
    checkMixing(config, problems);
    checkTargets(config, problems);
    return problems;
}

} // namespace espalier::config
