// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <vector>

namespace espalier::config {

enum class OptimizerKind { Adam, AdamW, Sgd, Lamb };
template <>
struct Names<OptimizerKind> {
    static constexpr std::array<std::pair<OptimizerKind, const char*>, 4> kAll{
        {{OptimizerKind::Adam, "adam"}, {OptimizerKind::AdamW, "adamw"}, {OptimizerKind::Sgd, "sgd"}, {OptimizerKind::Lamb, "lamb"}}};
};

/// Which parameters weight decay acts on.
enum class DecayOn { All, Matrices, Tables };
template <>
struct Names<DecayOn> {
    static constexpr std::array<std::pair<DecayOn, const char*>, 3> kAll{
        {{DecayOn::All, "all"}, {DecayOn::Matrices, "matrices"}, {DecayOn::Tables, "tables"}}};
};

enum class LearningRateSchedule { Constant, Cosine, Linear, CosineEpochs };
template <>
struct Names<LearningRateSchedule> {
    static constexpr std::array<std::pair<LearningRateSchedule, const char*>, 4> kAll{
        {{LearningRateSchedule::Constant, "constant"},
         {LearningRateSchedule::Cosine, "cosine"},
         {LearningRateSchedule::Linear, "linear"},
         {LearningRateSchedule::CosineEpochs, "cosine-epochs"}}};
};

enum class Precision { Fp32, Bf16, Fp16 };
template <>
struct Names<Precision> {
    static constexpr std::array<std::pair<Precision, const char*>, 3> kAll{
        {{Precision::Fp32, "fp32"}, {Precision::Bf16, "bf16"}, {Precision::Fp16, "fp16"}}};
};

struct EmaConfig { // path "training.ema"
    std::vector<double> decays{0.9999};
    bool ramp = true;
    static void describe(auto& self, auto&& field)
    {
        field("decays", self.decays, "Decays of the moving averages of the weights; the first is the one that samples",
              {.min = 0.0, .max = 0.9999999});
        field("ramp", self.ramp, "Start averaging fast: decay min(d, (1+n)/(10+n)) at update n, as the DDPM baseline does",
              {.advanced = true});
    }
};

struct TrainingConfig { // path "training"
    std::int64_t steps = 0, epochs = 0, images = 0;
    double seconds = 0.0;
    std::int64_t batchSize = 128, microBatch = 0, accumulation = 0;
    OptimizerKind optimizer = OptimizerKind::Adam;
    double learningRate = 2e-4;
    std::int64_t learningRateBatch = 0;
    LearningRateSchedule learningRateSchedule = LearningRateSchedule::Constant;
    std::int64_t warmupSteps = 5000;
    double finalLearningRate = 0.0;
    std::int64_t warmupEpochs = 0;
    double warmupLearningRate = 1e-6, minLearningRate = 1e-5;
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    bool amsgrad = false;
    double weightDecay = 0.0;
    DecayOn weightDecayOn = DecayOn::All;
    double momentum = 0.9, dampening = 0.0;
    bool nesterov = false;
    double gradNorm = 1.0;
    EmaConfig ema;
    Precision precision = Precision::Fp32;
    bool tf32 = false;
    bool recompute = false;
    bool channelsLast = true;
    bool deterministic = false;
    std::int64_t prefixCache = 4096;
    std::int64_t threads = 0;
    std::int64_t badSteps = 5;
    std::int64_t reportEvery = 10;
    static void describe(auto& self, auto&& field)
    {
        constexpr auto kLater = Change::AtResume;
        field("steps", self.steps, "Optimizer steps; 0 sets no limit. The first limit reached ends the run",
              {.min = 0, .max = 1e12, .unit = "steps", .change = kLater});
        field("epochs", self.epochs, "Passes over the training images; 0 sets no limit",
              {.min = 0, .max = 1e9, .unit = "epochs", .change = kLater});
        field("images", self.images, "Training images seen; 0 sets no limit", {.min = 0, .max = 1e15, .unit = "images", .change = kLater});
        field("seconds", self.seconds, "Wall-clock time spent training (not sampling or evaluating); 0 sets no limit",
              {.min = 0, .max = 1e9, .unit = "s", .change = kLater});
        field("batch_size", self.batchSize, "Images in one optimizer step, over all devices and micro-batches",
              {.min = 1, .max = 1e6, .unit = "images"});
        field("micro_batch", self.microBatch, "Images in one forward pass on one device; 0 derives it",
              {.min = 0, .max = 1e6, .unit = "images", .change = kLater});
        field("accumulation", self.accumulation, "Forward passes added up before a step; 0 derives it",
              {.min = 0, .max = 1e6, .advanced = true, .change = kLater});
        field("optimizer", self.optimizer, "How gradients become steps", {.advanced = true});
        field("learning_rate", self.learningRate, "Peak learning rate, reached when warm-up ends", {.min = 0.0, .max = 10.0});
        field("learning_rate_batch", self.learningRateBatch,
              "Batch the learning rate is meant for; it is scaled by batch_size over this. 0: absolute",
              {.min = 0, .max = 1e6, .unit = "images", .advanced = true});
        field("learning_rate_schedule", self.learningRateSchedule,
              "How the rate falls after warm-up; cosine-epochs is timm's: one rate for each epoch, with warm-up and floor of its own",
              {.advanced = true});
        field("warmup_steps", self.warmupSteps,
              "Steps of linear ramp: step k (from 0) runs at (k+1)/warmup_steps of the rate; cosine-epochs has warmup_epochs instead",
              {.min = 0, .max = 1e9, .unit = "steps"});
        field("final_learning_rate", self.finalLearningRate,
              "Share of the peak rate left at the end of a falling schedule; cosine-epochs has min_learning_rate instead",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("warmup_epochs", self.warmupEpochs, "cosine-epochs: epochs that climb from warmup_learning_rate to the rate; DeiT: 5",
              {.min = 0, .max = 1e6, .unit = "epochs", .advanced = true});
        field("warmup_learning_rate", self.warmupLearningRate, "cosine-epochs: rate of the first epoch of warm-up, whatever the batch",
              {.min = 0.0, .max = 10.0, .advanced = true});
        field("min_learning_rate", self.minLearningRate, "cosine-epochs: rate at the end, whatever the batch",
              {.min = 0.0, .max = 10.0, .advanced = true});
        field("beta1", self.beta1, "Adam and LAMB: decay of the first moment", {.min = 0.0, .max = 0.99999, .advanced = true});
        field("beta2", self.beta2, "Adam and LAMB: decay of the second moment", {.min = 0.0, .max = 0.9999999, .advanced = true});
        field("epsilon", self.epsilon, "Adam and LAMB: added to the root of the second moment; timm's LAMB has 1e-6",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("amsgrad", self.amsgrad, "Adam: divide by the largest second moment there was, not by the present one", {.advanced = true});
        field("weight_decay", self.weightDecay, "Weight decay (decoupled with adamw, part of the update with lamb, L2 otherwise)",
              {.min = 0.0, .max = 10.0, .advanced = true});
        field("weight_decay_on", self.weightDecayOn,
              "What decays: all parameters, or matrices and kernels alone, as in timm (no bias, norm, class token or table of positions), "
              "or these "
              "and tables of a ViT, class token and positions. "
              "LAMB adapts its rate to what decays",
              {.advanced = true});
        field("momentum", self.momentum, "SGD: momentum", {.min = 0.0, .max = 0.9999, .advanced = true});
        field("dampening", self.dampening, "SGD: share of each gradient that the momentum leaves out, after the first",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("nesterov", self.nesterov, "SGD: look one step ahead along the momentum", {.advanced = true});
        field("grad_norm", self.gradNorm, "Clip the global gradient norm to this; 0 never clips", {.min = 0.0, .max = 1e6});
        field("ema", self.ema, "Moving averages of the weights");
        field("precision", self.precision,
              "Arithmetic of forward and backward; weights and optimizer stay fp32. fp16 scales the loss, so that small gradients survive",
              {.advanced = true});
        field("tf32", self.tf32, "On a GPU: let fp32 matrix products and convolutions round their inputs to TF32; much faster",
              {.advanced = true});
        field("recompute", self.recompute,
              "Compute blocks again for the backward pass instead of keeping what is inside: less memory, slower",
              {.advanced = true, .change = kLater});
        field("channels_last", self.channelsLast, "Keep channels innermost in memory: faster convolutions, other rounding",
              {.advanced = true});
        field("deterministic", self.deterministic, "Only deterministic kernels on a GPU, which exact resume needs there; slower",
              {.advanced = true});
        field("prefix_cache", self.prefixCache,
              "Most memory, for each rank, that results of frozen blocks may take: what they give for an image is computed once where it "
              "is the same in every epoch. 0: never kept",
              {.min = 0, .max = 1 << 24, .unit = "MiB", .advanced = true, .change = kLater});
        field("threads", self.threads, "CPU threads of each worker; 0: cores over workers",
              {.min = 0, .max = 1024, .unit = "threads", .advanced = true, .change = kLater});
        field("bad_steps", self.badSteps, "Steps with a loss or gradient that is not finite to skip before giving up",
              {.min = 0, .max = 1e6, .unit = "steps", .advanced = true, .change = kLater});
        field("report_every", self.reportEvery, "Steps averaged into one point of the loss curve",
              {.min = 1, .max = 1e6, .unit = "steps", .advanced = true, .change = kLater});
    }
};

/// Whether the optimizer remembers the largest second moments.
inline bool keepsMaximum(const TrainingConfig& training)
{
    return training.amsgrad && (training.optimizer == OptimizerKind::Adam || training.optimizer == OptimizerKind::AdamW);
}

} // namespace espalier::config
