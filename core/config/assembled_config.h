// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/field.h"
#include "core/config/model_config.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace espalier::config {

/// Which phases of an assembled schedule a run trains, named as published: the meta model (PT), modules inside it (MT), the assembled
/// model (FT).
enum class Phases { All, Meta, Modules, Assembled };
template <>
struct Names<Phases> {
    static constexpr std::array<std::pair<Phases, const char*>, 4> kAll{
        {{Phases::All, "all"}, {Phases::Meta, "PT"}, {Phases::Modules, "MT"}, {Phases::Assembled, "FT"}}};
};

/// What a phase has of its own. Each is a training by itself: its learning rate begins and ends with it.
struct PhaseConfig { // paths "schedule.pt", "schedule.mt", "schedule.ft"
    std::int64_t steps = 0, epochs = 0;
    double seconds = 0.0;
    std::int64_t batchSize = 0, microBatch = -1, mixGroup = -1;
    double learningRate = 1.0;
    std::int64_t warmupSteps = -1, warmupEpochs = -1;
    double drop = -1.0, gradNorm = -1.0, dataShare = 1.0;
    bool operator==(const PhaseConfig&) const = default;
    bool hasLength() const { return steps > 0 || epochs > 0 || seconds > 0.0; }
    static void describe(auto& self, auto&& field)
    {
        field("steps", self.steps, "Optimizer steps of this phase (MT: of each module); 0 sets no limit",
              {.min = 0, .max = 1e12, .unit = "steps"});
        field("epochs", self.epochs, "Passes over its training images; published: 300 (PT), 100 (MT), 100 (FT)",
              {.min = 0, .max = 1e9, .unit = "epochs"});
        field("seconds", self.seconds, "Training time of this phase (MT: of each module); 0 sets no limit",
              {.min = 0, .max = 1e9, .unit = "s"});
        field("batch_size", self.batchSize, "Its global batch; 0: training.batch_size", {.min = 0, .max = 1e6, .unit = "images"});
        field("micro_batch", self.microBatch, "Its micro-batch; -1: training.micro_batch",
              {.min = -1, .max = 1e6, .unit = "images", .advanced = true});
        field("mix_group", self.mixGroup, "Its images that share one draw of mixup or cutmix; -1: data.augment.mix_group",
              {.min = -1, .max = 1e6, .unit = "images", .advanced = true});
        field("learning_rate", self.learningRate, "What training.learning_rate is multiplied with", {.min = 0.0, .max = 1e4});
        field("warmup_steps", self.warmupSteps, "Its warm-up; -1: training.warmup_steps", {.min = -1, .max = 1e9, .unit = "steps"});
        field("warmup_epochs", self.warmupEpochs, "cosine-epochs: its warm-up; -1: training.warmup_epochs",
              {.min = -1, .max = 1e6, .unit = "epochs", .advanced = true});
        field("drop", self.drop,
              "Drop-path of the ViT, over all blocks of the network of this phase, or dropout of the U-Net; -1: model.drop_path, drop_rate",
              {.min = -1.0, .max = 0.9});
        field("grad_norm", self.gradNorm, "Clip the global gradient norm to this, 0 never clips; -1: training.grad_norm",
              {.min = -1.0, .max = 1e6, .advanced = true});
        field("data_share", self.dataShare,
              "Share of the training images that this phase sees, the same share of each class; a smaller share lies inside a larger one",
              {.min = 1e-6, .max = 1.0});
    }
};

/// Deep Model Assembling, or Deep Incubation (Ni et al. 2022, 2023): a shallow meta model is trained, then each module of the deep model in
/// the place of its part of the meta model, then all modules together. Published for ViT; for a DiT (blocks)
/// and a U-Net (levels) it is ours.
struct AssembledSchedule { // path "schedule", kind "assembled"
    static constexpr const char* kKind = "assembled";
    std::int64_t modules = 0;
    std::vector<std::int64_t> division;
    std::int64_t metaBlocks = 1;
    Phases phase = Phases::All;
    std::int64_t module = -1, atOnce = 0;
    std::string metaFrom, moduleFiles, weights = "raw";
    PhaseConfig pt, mt, ft;
    bool operator==(const AssembledSchedule&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field(
            "modules", self.modules,
            "Modules that the blocks of a ViT (published: 4) or DiT are dealt out to, or the levels of a U-Net, all of them; 0: 4, or the "
            "levels. Assembling a DiT or a U-Net is ours, not published",
            {.min = 0, .max = 64, .unit = "modules"});
        field("division", self.division,
              "Blocks of each module of a ViT or DiT, in order; empty: the same number for all. The levels of a U-Net are what they are",
              {.min = 1, .max = 256});
        field("meta_blocks", self.metaBlocks,
              "Blocks of each module of the meta model, or residual blocks in each level of a U-Net's; published: 1",
              {.min = 1, .max = 256, .unit = "blocks"});
        field("phase", self.phase, "Phases that this run trains: all, or PT (meta model), MT (modules), FT (assembled model) alone");
        field("module", self.module, "With phase MT: the one module that this run trains, counted from 0; -1: all of them",
              {.min = -1, .max = 63});
        field("at_once", self.atOnce,
              "Modules that train at once, each on one device: 0 is one for each device, 1 in turn, more than there are devices packs them",
              {.min = 0, .max = 64, .unit = "modules", .change = Change::AtResume});
        field("meta_from", self.metaFrom,
              "Where the meta model comes from, in place of training it: a run, a checkpoint or a file of the published code");
        field("module_files", self.moduleFiles,
              "Modules that were trained elsewhere: runs, checkpoints or files in the order of the modules, separated by ;, empty where "
              "this run trains it");
        field("weights", self.weights, "Which weights of meta model and modules go on: raw (published), ema or ema:DECAY",
              {.advanced = true});
        field("pt", self.pt, "The meta model");
        field("mt", self.mt, "Each module");
        field("ft", self.ft, "The assembled model");
    }
};

/// Modules that a model is made of.
std::int64_t modulesOf(const AssembledSchedule& schedule, const ModelConfig& model);
/// One entry for each of so many modules, empty where this run trains it. Usage error when the text has other places.
Result<std::vector<std::string>> moduleFiles(const AssembledSchedule& schedule, std::int64_t modules);
/// Blocks of each module of a model: of a U-Net the residual blocks of each level.
std::vector<std::int64_t> divisionOf(const AssembledSchedule& schedule, const ModelConfig& model);

} // namespace espalier::config
