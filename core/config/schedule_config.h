// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/assembled_config.h"
#include "core/config/field.h"

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace espalier::config {

/// Where the weights of a grown network come from. Blocks are repeated in place: AutoProg's map of depths.
enum class GrowthOperator { Clone, MoGrow, Random };
template <>
struct Names<GrowthOperator> {
    static constexpr std::array<std::pair<GrowthOperator, const char*>, 3> kAll{
        {{GrowthOperator::Clone, "clone"}, {GrowthOperator::MoGrow, "mogrow"}, {GrowthOperator::Random, "random"}}};
};

/// What becomes of the optimizer's moments when the network grows.
enum class Carry { Keep, Reset };
template <>
struct Names<Carry> {
    static constexpr std::array<std::pair<Carry, const char*>, 2> kAll{{{Carry::Keep, "keep"}, {Carry::Reset, "reset"}}};
};

/// The whole model from the start.
struct PlainSchedule { // path "schedule", kind "plain"
    static constexpr const char* kKind = "plain";
    bool operator==(const PlainSchedule&) const = default;
    static void describe(auto&, auto&&) {}
};

/// A chain of stages written by hand: each list has one entry for each stage, or none, which leaves that to the model.
struct StagesSchedule { // path "schedule", kind "stages"
    static constexpr const char* kKind = "stages";
    std::int64_t stages = 2;
    std::vector<double> share, seconds;
    std::vector<std::int64_t> steps, epochs;
    std::vector<std::int64_t> depth, levels, blocks, side;
    std::string trainable;
    std::vector<double> drop, eraseProb, learningRate;
    std::vector<std::int64_t> randAugment, batchSize;
    GrowthOperator growth = GrowthOperator::Clone;
    bool growNewOnly = false;
    Carry optimizer = Carry::Keep;
    bool operator==(const StagesSchedule&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("stages", self.stages, "Stages, one after the other; every list below has as many entries or none",
              {.min = 1, .max = 64, .unit = "stages"});
        field("share", self.share,
              "Part of the whole length that each stage gets, in proportion; without it, and without steps, epochs or "
              "seconds, all get the same",
              {.min = 0.0, .max = 1e9});
        field("steps", self.steps, "Optimizer steps of each stage, in place of a share", {.min = 0, .max = 1e12, .unit = "steps"});
        field("epochs", self.epochs, "Passes over the training images in each stage, in place of a share",
              {.min = 0, .max = 1e9, .unit = "epochs"});
        field("seconds", self.seconds, "Training time of each stage, in place of a share", {.min = 0, .max = 1e9, .unit = "s"});
        field("depth", self.depth, "Transformer blocks in each stage (DiT, ViT); the last is model.depth",
              {.min = 1, .max = 256, .unit = "blocks"});
        field("levels", self.levels, "Resolution levels of the U-Net in each stage, the first ones; the last is all of them",
              {.min = 1, .max = 16, .unit = "levels"});
        field("blocks", self.blocks, "Residual blocks in each level of the U-Net; the last is model.num_res_blocks",
              {.min = 1, .max = 16, .unit = "blocks"});
        field("side", self.side, "Width and height of the images in each stage; the last is data.side",
              {.min = 8, .max = 1024, .unit = "pixels"});
        field(
            "trainable", self.trainable,
            "What trains in each stage, stages separated by ;, parts by +: all, a part such as head, or blocks of one such as blocks:0-3");
        field("drop", self.drop, "Drop-path of the ViT, dropout of the U-Net in each stage", {.min = 0.0, .max = 0.9});
        field("rand_augment", self.randAugment, "Magnitude of RandAugment in each stage", {.min = 0, .max = 10});
        field("erase_prob", self.eraseProb, "Share of the images of which a rectangle is erased, in each stage", {.min = 0.0, .max = 1.0});
        field("batch_size", self.batchSize, "Global batch of each stage", {.min = 1, .max = 1e6, .unit = "images"});
        field("learning_rate", self.learningRate, "What the learning rate is multiplied with in each stage", {.min = 0.0, .max = 1e4});
        field(
            "growth", self.growth,
            "Weights of a grown network: clone repeats blocks, mogrow repeats those of the slowest average, random starts new blocks anew");
        field("grow_new_only", self.growNewOnly, "mogrow: only new blocks come from the average; the others stay as they are",
              {.advanced = true});
        field("optimizer", self.optimizer, "The optimizer's moments at growth: keep them (a copy takes those of its source) or reset them",
              {.advanced = true});
    }
};

/// AutoProg-One (Li et al. 2022, 2024): depth and resolution grow, each stage's size is chosen by training a supernet for a short while.
struct AutoProgSchedule { // path "schedule", kind "autoprog"
    static constexpr const char* kKind = "autoprog";
    std::int64_t stages = 4;
    double sideStart = 0.5, depthStart = 0.5;
    std::int64_t sideMultiple = 0;
    double randAugmentStart = 0.5, dropStart = 0.0, eraseStart = 0.0;
    GrowthOperator growth = GrowthOperator::MoGrow;
    bool growNewOnly = false;
    Carry optimizer = Carry::Reset;
    bool mayStay = false;
    bool operator==(const AutoProgSchedule&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("stages", self.stages, "Stages of equal length; the last is the whole model", {.min = 2, .max = 16, .unit = "stages"});
        field("side_start", self.sideStart, "Side of the images in the first stage as a share of data.side", {.min = 0.05, .max = 1.0});
        field("depth_start", self.depthStart, "Blocks of the first stage as a share of the model's", {.min = 0.05, .max = 1.0});
        field("side_multiple", self.sideMultiple,
              "Sides are multiples of this; published: 32 for 224 pixels. 0: the least that the model takes",
              {.min = 0, .max = 512, .unit = "pixels", .advanced = true});
        field("rand_augment_start", self.randAugmentStart, "RandAugment of the first stage as a share of its magnitude",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("drop_start", self.dropStart, "Drop-path (ViT) or dropout (U-Net) of the first stage as a share of the model's",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("erase_start", self.eraseStart, "Random erasing of the first stage as a share of its probability",
              {.min = 0.0, .max = 1.0, .advanced = true});
        field("growth", self.growth,
              "Weights of a grown network: mogrow (published) takes the slowest average, clone the network itself, random starts anew");
        field("grow_new_only", self.growNewOnly, "mogrow: only new blocks come from the average; published: all weights do",
              {.advanced = true});
        field("optimizer", self.optimizer, "The optimizer's moments at growth: reset (published) or kept", {.advanced = true});
        field("may_stay", self.mayStay, "Let a later stage keep its depth; published: depth goes on at every stage", {.advanced = true});
    }
};

/// AutoProg-Zero (Li et al. 2024): resolution and the set of trained blocks grow, chosen without training by proxies.
struct AutoProgZeroSchedule { // path "schedule", kind "autoprog-zero"
    static constexpr const char* kKind = "autoprog-zero";
    std::int64_t stages = 4;
    double sideStart = 0.25;
    std::int64_t sideMultiple = 0;
    bool freezeNonBlock = false;
    bool operator==(const AutoProgZeroSchedule&) const = default;
    static void describe(auto& self, auto&& field)
    {
        field("stages", self.stages, "Stages of equal length, and levels of unfreezing; the last trains everything",
              {.min = 2, .max = 16, .unit = "stages"});
        field("side_start", self.sideStart, "Side of the images in the first stage as a share of data.side", {.min = 0.05, .max = 1.0});
        field("side_multiple", self.sideMultiple,
              "Sides are multiples of this; published: 32 for 256 pixels. 0: the least that the model takes",
              {.min = 0, .max = 512, .unit = "pixels", .advanced = true});
        field("freeze_non_block", self.freezeNonBlock,
              "Train nothing outside the blocks, as the first release did; published since: all of it trains", {.advanced = true});
    }
};

using ScheduleConfig = std::variant<PlainSchedule, StagesSchedule, AutoProgSchedule, AutoProgZeroSchedule, AssembledSchedule>;

/// Stages of a schedule; 1: a plain one.
inline std::int64_t stagesOf(const ScheduleConfig& schedule, const ModelConfig& model)
{
    if (const auto* stages = std::get_if<StagesSchedule>(&schedule))
        return stages->stages;
    if (const auto* autoprog = std::get_if<AutoProgSchedule>(&schedule))
        return autoprog->stages;
    if (const auto* zero = std::get_if<AutoProgZeroSchedule>(&schedule))
        return zero->stages;
    if (const auto* assembled = std::get_if<AssembledSchedule>(&schedule)) {
        const auto trained = assembled->module >= 0 ? 1 : modulesOf(*assembled, model);
        return assembled->phase == Phases::All ? trained + 2 : assembled->phase == Phases::Modules ? trained : 1;
    }
    return 1;
}

/// How candidates' cost is known: measured on this machine, or from the count of operations, which gives the same search again.
enum class SearchCost { Measured, Analytic };
template <>
struct Names<SearchCost> {
    static constexpr std::array<std::pair<SearchCost, const char*>, 2> kAll{
        {{SearchCost::Measured, "measured"}, {SearchCost::Analytic, "analytic"}}};
};

enum class NtkInput { Clean, Noised };
template <>
struct Names<NtkInput> {
    static constexpr std::array<std::pair<NtkInput, const char*>, 2> kAll{{{NtkInput::Clean, "clean"}, {NtkInput::Noised, "noised"}}};
};

/// How autoprog and autoprog-zero choose the size of a stage.
struct SearchConfig { // path "search"
    bool enabled = true;
    SearchCost cost = SearchCost::Measured;
    std::int64_t rounds = 2;
    double share = 0.08;
    std::int64_t batches = 50, batch = 0;
    double timeWeight = 1.0, ntkWeight = 0.5, zicoWeight = 0.5;
    NtkInput ntkInput = NtkInput::Clean;
    static void describe(auto& self, auto&& field)
    {
        field("enabled", self.enabled, "Choose the size of each stage by a search; otherwise sizes grow linearly");
        field("cost", self.cost,
              "What a candidate costs: measured seconds, which another search on another day will not repeat, or its count of operations "
              "(analytic), which it will");
        field("rounds", self.rounds,
              "Rounds of a search: passes of supernet training for autoprog (published: 2), repeated scores for "
              "autoprog-zero (published: 1)",
              {.min = 1, .max = 100, .advanced = true});
        field("share", self.share, "autoprog: part of a stage that trains the supernet; published: 2 epochs of 25",
              {.min = 0.001, .max = 0.9, .advanced = true});
        field("batches", self.batches, "autoprog: batches on which each candidate is measured",
              {.min = 1, .max = 10000, .unit = "batches", .advanced = true});
        field("batch", self.batch, "Images in a batch of the search; 0: 16 for autoprog-zero as published, the training's for autoprog",
              {.min = 0, .max = 65536, .unit = "images", .advanced = true});
        field("time_weight", self.timeWeight, "autoprog-zero: weight of the rank in time", {.min = 0.0, .max = 100.0, .advanced = true});
        field("ntk_weight", self.ntkWeight, "autoprog-zero: weight of the rank in the condition of the tangent kernel",
              {.min = 0.0, .max = 100.0, .advanced = true});
        field("zico_weight", self.zicoWeight, "autoprog-zero: weight of the rank in ZiCo", {.min = 0.0, .max = 100.0, .advanced = true});
        field("ntk_input", self.ntkInput, "What the tangent kernel is computed on: clean images, as published, or noised ones",
              {.advanced = true});
    }
};

} // namespace espalier::config
