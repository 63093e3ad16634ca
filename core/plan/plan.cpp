// SPDX-License-Identifier: Apache-2.0
#include "core/plan/plan.h"

#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace espalier::plan {

namespace {

Error wrong(const std::string& stage, std::string message)
{
    return {ErrorCode::Format, fmt::format("plan.json: stage {}: {}", stage, message), stage};
}

/// Letters, digits, '-', '_' and '.', not beginning with a point: the id names a folder.
bool isSafeName(std::string_view name)
{
    return !name.empty() && name.size() <= 100 && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    });
}

Result<Done> checkLength(const Stage& stage)
{
    const auto& [steps, images, seconds] = stage.length;
    if (!steps && !images && !seconds)
        return wrong(stage.id, "it has no end; give steps, images or seconds.");
    if ((steps && *steps < 1) || (images && *images < 1) || (seconds && !(std::isfinite(*seconds) && *seconds > 0.0)))
        return wrong(stage.id, "its length must be above zero.");
    return Done{};
}

Result<Done> checkStage(const Stage& stage)
{
    if (!isSafeName(stage.id) || (!stage.branch.empty() && !isSafeName(stage.branch)))
        return wrong(stage.id.substr(0, 100), "its id and branch must be made of letters, digits, '-', '_' and '.', as they name folders.");
    if (stage.globalBatch < 1 || stage.globalBatch > 1000000)
        return wrong(stage.id, fmt::format("its batch must be from 1 to 1000000 images; it is {}.", stage.globalBatch));
    if (auto devices = config::parseDevices(stage.devices); !devices)
        return wrong(stage.id, devices.error().message);
    if (auto shape = shapes::checkShape(stage.shape); !shape)
        return wrong(stage.id, shape.error().message);
    for (const auto& range : stage.trainable) {
        if (auto inside = shapes::checkRange(stage.shape, range); !inside)
            return wrong(stage.id, inside.error().message);
    }
    const auto table = shapes::parameterTable(stage.shape);
    std::vector<bool> filled(table.size());
    for (const auto& source : stage.weights) {
        if (auto inside = shapes::checkRange(stage.shape, source.to); !inside)
            return wrong(stage.id, inside.error().message);
        if (source.from == PartSource::From::File && source.file.empty())
            return wrong(stage.id, "a source from a file must name the file.");
        if (!source.weights.empty() && !config::isWeightsName(source.weights))
            return wrong(stage.id, fmt::format("weights must be raw or an average such as ema:0.9999; they are \"{}\".",
                                               source.weights.substr(0, 40)));
        for (std::size_t i = 0; i < table.size(); ++i) {
            if (!shapes::contains(source.to, table[i].part, table[i].block))
                continue;
            if (filled[i])
                return wrong(stage.id, fmt::format("two sources fill {}.", table[i].name));
            filled[i] = true;
        }
    }
    if (std::find(filled.begin(), filled.end(), false) != filled.end())
        return wrong(stage.id, "its sources do not fill the whole model; add a fresh one.");
    return checkLength(stage);
}

/// Whether the stages can be ordered so that each comes after those it waits for.
bool hasCircle(const Plan& plan)
{
    std::map<StageId, std::size_t> waiting;
    std::map<StageId, std::vector<StageId>> followers;
    std::vector<StageId> ready;
    for (const auto& stage : plan.stages) {
        waiting[stage.id] = stage.after.size();
        for (const auto& id : stage.after)
            followers[id].push_back(stage.id);
        if (stage.after.empty())
            ready.push_back(stage.id);
    }
    std::size_t ordered = 0;
    for (; ordered < ready.size(); ++ordered) {
        const auto id = ready[ordered];
        for (const auto& follower : followers[id]) {
            if (--waiting[follower] == 0)
                ready.push_back(follower);
        }
    }
    return ordered < plan.stages.size();
}

} // namespace

Measurement stageFinished(const StageId& stage, std::int64_t steps, std::int64_t images, double seconds, double flops)
{
    return {stage, {{static_cast<double>(steps), static_cast<double>(images), seconds, flops}}, true};
}

const Stage* findStage(const Plan& plan, std::string_view id)
{
    const auto found = std::find_if(plan.stages.begin(), plan.stages.end(), [&](const Stage& stage) { return stage.id == id; });
    return found == plan.stages.end() ? nullptr : &*found;
}

const Measurement* findMeasurement(const Plan& plan, std::string_view id)
{
    const auto found = std::find_if(plan.ledger.begin(), plan.ledger.end(), [&](const Measurement& m) { return m.id == id; });
    return found == plan.ledger.end() ? nullptr : &*found;
}

Result<Done> check(const Plan& plan)
{
    if (plan.stages.empty())
        return Error{ErrorCode::Format, "plan.json has no stages.", "stages"};
    std::set<StageId> ids;
    for (const auto& stage : plan.stages) {
        if (!ids.insert(stage.id).second)
            return wrong(stage.id.substr(0, 100), "its id is there twice.");
    }
    for (const auto& stage : plan.stages) {
        if (auto checked = checkStage(stage); !checked)
            return checked;
        std::set<StageId> before;
        for (const auto& id : stage.after) {
            if (!ids.contains(id) || !before.insert(id).second)
                return wrong(stage.id, fmt::format("it comes after {}, which is no other stage or named twice.", id.substr(0, 100)));
        }
    }
    if (hasCircle(plan))
        return Error{ErrorCode::Format, "plan.json: the stages wait for each other in a circle.", "stages"};
    std::set<std::string> measured;
    for (const auto& measurement : plan.ledger) {
        if (!measured.insert(measurement.id).second)
            return Error{ErrorCode::Format, fmt::format("plan.json: the measurement {} is there twice.", measurement.id.substr(0, 100)),
                         "ledger"};
    }
    return Done{};
}

} // namespace espalier::plan
