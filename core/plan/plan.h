// SPDX-License-Identifier: Apache-2.0
#pragma once

// The schedule of a run as values: stages, where their weights come from, and what was measured so far. plan.json holds exactly this.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/plan/length.h"
#include "core/shapes/model_shape.h"
#include "core/shapes/parts.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace espalier::plan {

using StageId = std::string; // "stage-00"; survives forks

/// Where the initial values of a part come from.
struct PartSource {
    enum class From { Fresh, File };
    shapes::PartRange to;
    From from = From::Fresh;
    std::string file;        // File: a checkpoint or weights file
    shapes::PartRange range; // File: the part of the model in it
    std::string weights;     // File: "raw", "ema" for the first average or "ema:0.9996" for that one; empty is raw
    bool operator==(const PartSource&) const = default;
};

/// A stretch of training with one shape, one set of trainable parts and one length.
struct Stage {
    StageId id;
    std::string branch;         // lane and sub-folder; empty is the run itself
    std::vector<StageId> after; // stages that must have ended: the schedule is a graph
    shapes::ModelShape shape;
    std::vector<PartSource> weights;
    std::vector<shapes::PartRange> trainable; // empty: everything
    Length length;
    std::int64_t globalBatch = 1;
    std::string devices = "auto";
    bool operator==(const Stage&) const = default;
};

/// Train a stage to its end.
struct TrainStage {
    StageId stage;
    bool operator==(const TrainStage&) const = default;
};
/// What a strategy asks for next. Searches add alternatives.
using Request = std::variant<TrainStage>;

/// An answer, kept for ever: asked twice, answered once. Of a finished stage the id is the stage's and the table has one row
/// {steps, images, seconds, flops}.
struct Measurement {
    std::string id;
    std::vector<std::vector<double>> table;
    bool wallClock = false; // depends on how fast the machine was
    bool operator==(const Measurement&) const = default;
};
Measurement stageFinished(const StageId& stage, std::int64_t steps, std::int64_t images, double seconds, double flops);

struct Plan {
    static constexpr std::int64_t kVersion = 1;
    std::vector<Stage> stages;
    std::vector<Measurement> ledger;
    Json strategy = Json::object(); // what the strategy needs to know, such as {"kind": "plain"}
    bool operator==(const Plan&) const = default;
};

const Stage* findStage(const Plan& plan, std::string_view id);
const Measurement* findMeasurement(const Plan& plan, std::string_view id);

/// Whether a plan can be followed: ids unique and safe as folder names, `after` without unknown ids or circles, shapes that can be built,
/// sources and trainable parts that lie in them, every stage with an end.
Result<Done> check(const Plan& plan);

/// plan.json.
Json toJson(const Plan& plan);
/// Reads and checks. A plan of a newer version is refused.
Result<Plan> planFromJson(const Json& json);
/// The same from text of at most 16 MiB.
Result<Plan> planFromText(std::string_view text);

} // namespace espalier::plan
