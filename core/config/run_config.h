// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/data_config.h"
#include "core/config/diffusion_config.h"
#include "core/config/init_config.h"
#include "core/config/latents_config.h"
#include "core/config/model_config.h"
#include "core/config/schedule_config.h"
#include "core/config/training_config.h"

#include <array>
#include <cstdint>
#include <string>

namespace espalier::config {

struct CheckpointConfig { // path "checkpoints"
    std::int64_t every = 1000;
    std::int64_t keepLast = 3, keepEvery = 0;
    bool keepBest = true;
    static void describe(auto& self, auto&& field)
    {
        field("every", self.every, "Steps between checkpoints; 0 saves only when pausing, stopping and finishing",
              {.min = 0, .max = 1e12, .unit = "steps", .change = Change::AtResume});
        field("keep_last", self.keepLast, "Newest checkpoints kept", {.min = 1, .max = 1e6, .change = Change::AtResume});
        field("keep_every", self.keepEvery, "Also keep each checkpoint whose step divides by this; 0: none",
              {.min = 0, .max = 1e12, .unit = "steps", .change = Change::AtResume});
        field("keep_best", self.keepBest, "Also keep the checkpoint with the best distance", {.change = Change::AtResume});
    }
};

enum class WeightsChoice { Ema, Raw, Both };
template <>
struct Names<WeightsChoice> {
    static constexpr std::array<std::pair<WeightsChoice, const char*>, 3> kAll{
        {{WeightsChoice::Ema, "ema"}, {WeightsChoice::Raw, "raw"}, {WeightsChoice::Both, "both"}}};
};

struct SamplesConfig { // path "samples"
    std::int64_t every = 1000, count = 36, seed = 0;
    WeightsChoice weights = WeightsChoice::Both;
    SamplerConfig sampler;
    static void describe(auto& self, auto&& field)
    {
        field("every", self.every, "Steps between sample grids; 0 draws none",
              {.min = 0, .max = 1e12, .unit = "steps", .change = Change::AtResume});
        field("count", self.count, "Images in a grid", {.min = 1, .max = 1024, .unit = "images", .change = Change::AtResume});
        field("seed", self.seed, "Seed of the starting noise: the same in every grid, so that one cell can be followed through time",
              {.min = 0, .max = 9e15, .change = Change::AtResume});
        field("weights", self.weights, "Draw with averaged weights, raw weights, or both", {.change = Change::AtResume});
        field("sampler", self.sampler, "How the grid is drawn");
    }
};

/// Auto: what suits the model, fd for networks that draw and accuracy for those that tell classes apart.
enum class MetricKind { Auto, Fd, Fid, Accuracy };
template <>
struct Names<MetricKind> {
    static constexpr std::array<std::pair<MetricKind, const char*>, 4> kAll{
        {{MetricKind::Auto, "auto"}, {MetricKind::Fd, "fd"}, {MetricKind::Fid, "fid"}, {MetricKind::Accuracy, "accuracy"}}};
};

struct EvaluationConfig { // path "evaluation"
    std::int64_t every = 0, images = 1000, seed = 1;
    MetricKind metric = MetricKind::Auto;
    std::string features;
    SamplerConfig sampler;
    static void describe(auto& self, auto&& field)
    {
        field("every", self.every, "Steps between evaluations; 0 evaluates only on request",
              {.min = 0, .max = 1e12, .unit = "steps", .change = Change::AtResume});
        field("images", self.images,
              "Images in one evaluation: generated ones against as many real ones, or test images that are classified",
              {.min = 16, .max = 1e6, .unit = "images", .change = Change::AtResume});
        field("seed", self.seed, "Seed of the starting noise of the generated images",
              {.min = 0, .max = 9e15, .advanced = true, .change = Change::AtResume});
        field(
            "metric", self.metric,
            "fd on random features works anywhere; fid needs the Inception weights file; accuracy is for networks that tell classes apart; "
            "auto: fd or accuracy, as the model asks for",
            {.change = Change::AtResume});
        field("features", self.features, "Weights file of the FID network (pt_inception-2015-12-05-6726825d.pth); empty for all others",
              {.change = Change::AtResume});
        field("sampler", self.sampler, "How the images are drawn");
    }
};

struct RecipeConfig { // path "recipe"
    bool strict = false;
    static void describe(auto& self, auto&& field)
    {
        field("strict", self.strict, "Reproduce the published code, its flaws included, where a better choice is the default",
              {.advanced = true});
    }
};

/// Everything that decides a run. Defaults are those of the DDPM baseline on 32x32 images.
struct RunConfig {
    static constexpr std::int64_t kSchema = 1;
    std::int64_t seed = 0;
    std::string devices = "auto";
    DataConfig data;
    LatentsConfig latents;
    ModelConfig model;
    InitConfig init;
    DiffusionConfig diffusion;
    TrainingConfig training;
    ScheduleConfig schedule;
    SearchConfig search;
    CheckpointConfig checkpoints;
    SamplesConfig samples;
    EvaluationConfig evaluation;
    RecipeConfig recipe;
    static void describe(auto& self, auto&& field)
    {
        field("seed", self.seed, "Seed of every random draw of the training", {.min = 0, .max = 9e15});
        field("devices", self.devices, "auto, cpu, cpu:N for N workers, or GPU numbers such as 0,1", {.change = Change::AtResume});
        field("data", self.data, "The images");
        field("latents", self.latents, "What the network sees of them");
        field("model", self.model, "The network");
        field("init", self.init, "First weights");
        field("diffusion", self.diffusion, "Forward process and loss");
        field("training", self.training, "Length, batch, optimizer");
        field("schedule", self.schedule,
              "How the model grows: plain trains it whole from the start, stages as written by hand, autoprog grows depth and resolution, "
              "autoprog-zero resolution and what trains, assembled joins modules that were trained apart (published for ViT; for DiT and "
              "U-Net it is ours)");
        field("search", self.search, "How growth is chosen");
        field("checkpoints", self.checkpoints, "What is saved");
        field("samples", self.samples, "Sample grids while training");
        field("evaluation", self.evaluation, "Distances while training");
        field("recipe", self.recipe, "Published flaws");
    }
};

} // namespace espalier::config
