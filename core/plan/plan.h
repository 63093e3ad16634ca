// SPDX-License-Identifier: Apache-2.0
#pragma once

// The schedule of a run as values: stages, where their weights come from, and what was measured so far. plan.json holds exactly this.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/config/schedule_config.h"
#include "core/plan/length.h"
#include "core/shapes/model_shape.h"
#include "core/shapes/parts.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::plan {

using StageId = std::string; // "stage-00"; survives forks

/// Where the initial values of a part come from. What no source names begins anew, as the named initialisation draws it.
struct PartSource {
    enum class From { Fresh, Stage, File };
    shapes::PartRange to;
    From from = From::Fresh;
    std::string which;       // Stage: the id of a stage that has ended; File: a checkpoint or weights file
    shapes::PartRange range; // Stage, File: the part of that model, as many blocks as `to`, or one block for all of them
    std::string weights;     // Stage, File: "raw", "ema" for the first average or "ema:0.9996" for that one; empty is raw
    bool operator==(const PartSource&) const = default;
};

/// What a search may choose for a stage.
struct Candidate {
    std::string name;                         // "r128_l9": side and depth, or side and level of unfreezing, as published
    std::int64_t side = 0;                    // of what the network sees; 0: that of the shape
    std::vector<bool> keepBlock;              // AutoProg: which blocks of the supernet run; empty: all
    std::vector<shapes::PartRange> trainable; // AutoProg-Zero; empty: everything
    bool operator==(const Candidate&) const = default;
};

/// How strongly a stage regularises beyond what its model says (drop-path and dropout lie in the shape). Below zero: as the run.
struct Strengths {
    std::int64_t randAugment = -1;
    double eraseProb = -1.0;
    bool operator==(const Strengths&) const = default;
};

/// What a stage has of its own that is a training by itself, not a stretch of the run's: its learning rate begins and ends with it, and its
/// averages begin at its first weights. Below zero: as the run.
struct OwnRecipe {
    std::int64_t warmupSteps = -1, warmupEpochs = -1, microBatch = -1, mixGroup = -1;
    double gradNorm = -1.0;
    double dataShare = 1.0;   // of the training images
    bool decayTables = false; // weight decay acts on class token and positions too
    bool operator==(const OwnRecipe&) const = default;
};

/// A stretch of training with one shape, one set of trainable parts and one length.
struct Stage {
    enum class Role { Train, Supernet };
    StageId id;
    std::string branch;         // lane and sub-folder; empty is the run itself
    std::vector<StageId> after; // stages that must have ended: the schedule is a graph
    shapes::ModelShape shape;   // its side is the one that tables of positions are made for
    std::vector<PartSource> weights;
    std::vector<shapes::PartRange> trainable; // empty: everything
    Length length;
    std::int64_t globalBatch = 1;
    std::string devices = "auto";
    Role role = Role::Train;
    int index = 0;         // of the stage that a person counts, from 0: a supernet has that of the stage whose size it finds
    std::int64_t side = 0; // of what goes in, smaller than the shape's or the same; 0: the same
    Strengths strengths;
    double learningRate = 1.0; // what the schedule's rate is multiplied with
    config::Carry optimizer = config::Carry::Keep;
    std::int64_t sid = -1;         // row of the table of stages that the network is told; -1: the last
    std::vector<Candidate> window; // Supernet: one of these runs in each step. Train: what the search chose from
    std::optional<OwnRecipe> recipe;
    std::vector<std::int64_t> division; // blocks of each module, where modules are assembled; of a U-Net those of its levels
    std::int64_t module = -1;           // the one that trains inside the meta model
    bool operator==(const Stage&) const = default;
};
/// Of what goes into the network.
inline std::int64_t sideOf(const Stage& stage)
{
    return stage.side > 0 ? stage.side : stage.shape.side;
}

/// Train a stage to its end.
struct TrainStage {
    StageId stage;
    bool operator==(const TrainStage&) const = default;
};
/// Train a stage until `at` of its length (from 0 to 1) is done, and measure loss and seconds of a batch of every candidate of its window.
/// The answer has a row {loss, seconds} for each; seconds are 0 where they are not asked for.
struct ProbeLoss {
    std::string id;
    StageId stage;
    double at = 0.0;
    bool timed = false;
    bool operator==(const ProbeLoss&) const = default;
};
/// Before a stage begins, score every candidate of its window without training. The answer has a row {ntk, zico, seconds} for each.
struct ZeroShot {
    std::string id;
    StageId stage;
    std::uint64_t round = 0; // other images each
    bool operator==(const ZeroShot&) const = default;
};
/// What a strategy asks for next.
using Request = std::variant<TrainStage, ProbeLoss, ZeroShot>;

/// What measuring took.
struct Spent {
    double seconds = 0.0, flops = 0.0;
    bool operator==(const Spent&) const = default;
};
/// An answer, kept for ever: asked twice, answered once. Of a finished stage the id is the stage's and the table has one row {steps,
/// images, seconds of training, flops, seconds and flops of searching}: what the run had done when it ended.
struct Measurement {
    std::string id;
    std::vector<std::vector<double>> table;
    bool wallClock = false; // depends on how fast the machine was
    Spent spent{};          // on a search; it is kept with what it found, so that a kill loses none of it
    bool operator==(const Measurement&) const = default;
};
/// What a run has done so far.
struct Progress {
    std::int64_t steps = 0, images = 0;
    double seconds = 0.0, flops = 0.0, searchSeconds = 0.0, searchFlops = 0.0;
};
Measurement stageFinished(const StageId& stage, const Progress& progress);

struct Plan {
    static constexpr std::int64_t kVersion = 1;
    std::vector<Stage> stages;
    std::vector<Measurement> ledger;
    Json strategy = Json::object(); // what the strategy needs to know, such as {"kind": "plain"}
    Spent left{};                   // on a measurement that was left before it was done
    bool operator==(const Plan&) const = default;
};

const Stage* findStage(const Plan& plan, std::string_view id);
const Measurement* findMeasurement(const Plan& plan, std::string_view id);
/// What the run had done when a stage ended, or began: nothing while it is not so far.
std::optional<Progress> endOf(const Plan& plan, const StageId& stage);
std::optional<Progress> beginOf(const Plan& plan, const Stage& stage);
/// What all searching took so far.
Spent spentOnSearching(const Plan& plan);

/// Whether a plan can be followed: ids unique and safe as folder names, `after` without unknown ids or circles, shapes that can be built,
/// sources and trainable parts that lie in them, every stage with an end.
Result<Done> check(const Plan& plan);

/// plan.json, and an entry of its ledger.
Json toJson(const Plan& plan);
Json toJson(const Measurement& measurement);
/// Reads and checks. A plan of a newer version is refused.
Result<Plan> planFromJson(const Json& json);
Result<Measurement> measurementFromJson(const Json& json);
/// A plan from text of at most 16 MiB.
Result<Plan> planFromText(std::string_view text);

} // namespace espalier::plan
