// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/augment_config.h"
#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <string>

namespace espalier::config {

enum class DataSource { Garden, Cifar10, Cifar100, Folder, Features };
template <>
struct Names<DataSource> {
    static constexpr std::array<std::pair<DataSource, const char*>, 5> kAll{{{DataSource::Garden, "garden"},
                                                                             {DataSource::Cifar10, "cifar10"},
                                                                             {DataSource::Cifar100, "cifar100"},
                                                                             {DataSource::Folder, "folder"},
                                                                             {DataSource::Features, "features"}}};
};

enum class ResizeFilter { Box, Bilinear, Bicubic, Lanczos };
template <>
struct Names<ResizeFilter> {
    static constexpr std::array<std::pair<ResizeFilter, const char*>, 4> kAll{{{ResizeFilter::Box, "box"},
                                                                               {ResizeFilter::Bilinear, "bilinear"},
                                                                               {ResizeFilter::Bicubic, "bicubic"},
                                                                               {ResizeFilter::Lanczos, "lanczos"}}};
};

enum class CentreCrop { Plain, Adm };
template <>
struct Names<CentreCrop> {
    static constexpr std::array<std::pair<CentreCrop, const char*>, 2> kAll{{{CentreCrop::Plain, "centre"}, {CentreCrop::Adm, "adm"}}};
};

struct DataConfig { // path "data"
    DataSource source = DataSource::Garden;
    std::string path;
    std::int64_t side = 32;
    bool flip = true;
    std::int64_t gardenTrain = 50000, gardenTest = 10000, gardenSeed = 0;
    ResizeFilter resize = ResizeFilter::Bicubic;
    CentreCrop crop = CentreCrop::Plain;
    double cropRatio = 1.0;
    bool scaledJpeg = false;
    AugmentConfig augment;
    std::int64_t workers = 2;
    std::int64_t prefetch = 4;
    static void describe(auto& self, auto&& field)
    {
        field(
            "source", self.source,
            "Which images to train on: the built-in garden, CIFAR as distributed, a folder of images, or latents as fast-DiT extracts them "
            "(features)");
        field("path", self.path, "Folder or archive that holds the images; empty looks in the data folder of the library",
              {.change = Change::AtResume});
        field("side", self.side, "Width and height of the training images", {.min = 8, .max = 1024, .unit = "pixels"});
        field("flip", self.flip, "Mirror each image with probability one half, anew in every epoch");
        field("garden_train", self.gardenTrain, "Training images of the garden",
              {.min = 1, .max = 1e8, .unit = "images", .advanced = true});
        field("garden_test", self.gardenTest, "Test images of the garden", {.min = 1, .max = 1e8, .unit = "images", .advanced = true});
        field("garden_seed", self.gardenSeed, "Seed of the garden: image i is a function of this seed and i",
              {.min = 0, .max = 9e15, .advanced = true});
        field("resize", self.resize, "Filter that brings folder images to their side, as Pillow computes it", {.advanced = true});
        field("crop", self.crop,
              "How folder images are cut: the shorter side resized, then the centre; or as ADM and DiT do, halving with a box filter first",
              {.advanced = true});
        field(
            "crop_ratio", self.cropRatio,
            "Share of the shorter side that a centre crop shows; ImageNet is evaluated with 0.875, the DiT and DDPM recipes show all of it",
            {.min = 0.1, .max = 1.0, .advanced = true});
        field("scaled_jpeg", self.scaledJpeg, "Decode large JPEG files at 1/2, 1/4 or 1/8 scale first: faster, other pixels",
              {.advanced = true});
        field("workers", self.workers, "Threads that decode ahead",
              {.min = 1, .max = 256, .unit = "threads", .advanced = true, .change = Change::AtResume});
        field("prefetch", self.prefetch, "Batches kept ready",
              {.min = 1, .max = 64, .unit = "batches", .advanced = true, .change = Change::AtResume});
        field("augment", self.augment, "What is done to training images beyond cutting and mirroring them");
    }
};

} // namespace espalier::config
