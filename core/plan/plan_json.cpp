// SPDX-License-Identifier: Apache-2.0
// plan.json as it is written.
#include "core/plan/plan.h"

#include <cmath>

namespace espalier::plan {

namespace {

// NaN and infinity have no JSON number: they are kept as text.
Json number(double value)
{
    if (std::isnan(value))
        return "nan";
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    return value;
}

Json toJson(const Length& length)
{
    Json json = Json::object();
    if (length.steps)
        json["steps"] = *length.steps;
    if (length.images)
        json["images"] = *length.images;
    if (length.seconds)
        json["seconds"] = *length.seconds;
    return json;
}

Json toJson(const PartSource& source)
{
    Json json{{"to", shapes::toJson(source.to)}};
    if (source.from == PartSource::From::Fresh) {
        json["from"] = "fresh";
    } else {
        const bool file = source.from == PartSource::From::File;
        json["from"] = file ? "file" : "stage";
        json[file ? "file" : "stage"] = source.which;
        json["range"] = shapes::toJson(source.range);
        json["weights"] = source.weights;
    }
    return json;
}

Json toJson(const Candidate& candidate)
{
    Json json{{"name", candidate.name}};
    if (candidate.side > 0)
        json["side"] = candidate.side;
    if (!candidate.keepBlock.empty())
        json["keep"] = candidate.keepBlock;
    for (const auto& range : candidate.trainable)
        json["trainable"].push_back(shapes::toJson(range));
    return json;
}

Json toJson(const OwnRecipe& recipe)
{
    return {{"warmup_steps", recipe.warmupSteps}, {"warmup_epochs", recipe.warmupEpochs}, {"micro_batch", recipe.microBatch},
            {"mix_group", recipe.mixGroup},       {"grad_norm", recipe.gradNorm},         {"data_share", recipe.dataShare},
            {"decay_tables", recipe.decayTables}};
}

Json toJson(const Stage& stage)
{
    Json weights = Json::array(), trainable = Json::array();
    for (const auto& source : stage.weights)
        weights.push_back(toJson(source));
    for (const auto& range : stage.trainable)
        trainable.push_back(shapes::toJson(range));
    Json json{{"id", stage.id},
              {"branch", stage.branch},
              {"after", stage.after},
              {"shape", shapes::toJson(stage.shape)},
              {"weights", std::move(weights)},
              {"trainable", std::move(trainable)},
              {"length", toJson(stage.length)},
              {"batch", stage.globalBatch},
              {"devices", stage.devices}};
    // What is as in a plain training is left out.
    const Stage usual;
    if (stage.role == Stage::Role::Supernet)
        json["role"] = "supernet";
    if (stage.index != usual.index)
        json["index"] = stage.index;
    if (stage.side != usual.side)
        json["side"] = stage.side;
    if (stage.strengths.randAugment >= 0)
        json["rand_augment"] = stage.strengths.randAugment;
    if (stage.strengths.eraseProb >= 0.0)
        json["erase_prob"] = stage.strengths.eraseProb;
    if (stage.learningRate != usual.learningRate)
        json["learning_rate"] = stage.learningRate;
    if (stage.optimizer != usual.optimizer)
        json["optimizer"] = "reset";
    if (stage.sid != usual.sid)
        json["sid"] = stage.sid;
    for (const auto& candidate : stage.window)
        json["window"].push_back(toJson(candidate));
    if (stage.recipe)
        json["recipe"] = toJson(*stage.recipe);
    if (!stage.division.empty())
        json["division"] = stage.division;
    if (stage.module >= 0)
        json["module"] = stage.module;
    return json;
}

Json toJson(const Spent& spent)
{
    return {{"seconds", number(spent.seconds)}, {"flops", number(spent.flops)}};
}

} // namespace

Json toJson(const Measurement& measurement)
{
    Json table = Json::array();
    for (const auto& row : measurement.table) {
        Json values = Json::array();
        for (const double value : row)
            values.push_back(number(value));
        table.push_back(std::move(values));
    }
    Json json{{"id", measurement.id}, {"table", std::move(table)}, {"wall_clock", measurement.wallClock}};
    if (measurement.spent != Spent{})
        json["spent"] = toJson(measurement.spent);
    return json;
}

Json toJson(const Plan& plan)
{
    Json stages = Json::array(), ledger = Json::array();
    for (const auto& stage : plan.stages)
        stages.push_back(toJson(stage));
    for (const auto& measurement : plan.ledger)
        ledger.push_back(toJson(measurement));
    Json json{{"version", Plan::kVersion}, {"strategy", plan.strategy}, {"stages", std::move(stages)}, {"ledger", std::move(ledger)}};
    if (plan.left != Spent{})
        json["left"] = toJson(plan.left);
    return json;
}

} // namespace espalier::plan
