// SPDX-License-Identifier: Apache-2.0
#include "core/plan/plan.h"

#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/plan/division.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
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

/// Whether the network takes images of another side than its own.
Result<Done> checkSide(const Stage& stage)
{
    if (stage.side == 0)
        return Done{};
    if (stage.side < 0 || stage.side > stage.shape.side)
        return wrong(stage.id, fmt::format("its side must be from 1 to {}, that of the network; it is {}.", stage.shape.side, stage.side));
    auto shape = stage.shape;
    shape.side = stage.side;
    if (auto fits = shapes::checkShape(shape); !fits)
        return wrong(stage.id, fits.error().message);
    return Done{};
}

Result<Done> checkCandidate(const Stage& stage, const Candidate& candidate)
{
    auto seen = stage;
    seen.side = candidate.side;
    if (auto side = checkSide(seen); !side)
        return side;
    const auto parts = shapes::partsOf(stage.shape);
    const auto blocks = std::ranges::find(parts, "blocks", &shapes::Part::name);
    const bool runs = stage.role == Stage::Role::Supernet; // of a trained stage they are blocks of the supernet before it
    if (runs && !candidate.keepBlock.empty() &&
        (blocks == parts.end() || static_cast<std::int64_t>(candidate.keepBlock.size()) != blocks->blocks))
        return wrong(stage.id, fmt::format("its candidate {} must say of each block whether it runs.", candidate.name.substr(0, 40)));
    for (const auto& range : candidate.trainable)
        if (auto inside = shapes::checkRange(stage.shape, range); !inside)
            return wrong(stage.id, inside.error().message);
    return Done{};
}

/// Whether modules and what the stage has of its own can be.
Result<Done> checkModules(const Stage& stage)
{
    if (stage.recipe && !(stage.recipe->dataShare > 0.0 && stage.recipe->dataShare <= 1.0))
        return wrong(stage.id, "its share of the images must be above 0 and at most 1.");
    const auto& division = stage.division;
    if (stage.module != -1 && (stage.module < 0 || stage.module >= std::ssize(division)))
        return wrong(stage.id, fmt::format("it has no module {}.", stage.module));
    if (division.empty())
        return Done{};
    if (const auto levels = divisionIn(stage.shape.model))
        return *levels == division ? Result<Done>(Done{}) : wrong(stage.id, "its modules are not the levels of its network.");
    const auto parts = shapes::partsOf(stage.shape);
    const auto blocks = std::ranges::find(parts, "blocks", &shapes::Part::name);
    if (blocks == parts.end() || std::ranges::any_of(division, [](std::int64_t each) { return each < 1 || each > 4096; }) ||
        std::accumulate(division.begin(), division.end(), std::int64_t{0}) != blocks->blocks)
        return wrong(stage.id, "its modules do not add up to the blocks of its network.");
    return Done{};
}

/// Whether what comes from other stages is there.
Result<Done> checkParents(const Plan& plan, const Stage& stage)
{
    for (const auto& source : stage.weights) {
        if (source.from != PartSource::From::Stage)
            continue;
        const auto* parent = findStage(plan, source.which);
        if (!parent || std::ranges::find(stage.after, source.which) == stage.after.end())
            return wrong(stage.id,
                         fmt::format("weights come from {}, which is no stage that it comes after.", source.which.substr(0, 100)));
        if (auto inside = shapes::checkRange(parent->shape, source.range); !inside)
            return wrong(stage.id, inside.error().message);
    }
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
    if (auto side = checkSide(stage); !side)
        return side;
    if (!(std::isfinite(stage.learningRate) && stage.learningRate >= 0.0))
        return wrong(stage.id, "its learning rate must be a number from 0.");
    if (stage.role == Stage::Role::Supernet && stage.window.empty())
        return wrong(stage.id, "a supernet must have candidates.");
    for (const auto& candidate : stage.window)
        if (auto checked = checkCandidate(stage, candidate); !checked)
            return checked;
    if (auto modules = checkModules(stage); !modules)
        return modules;
    const auto table = shapes::parameterTable(stage.shape);
    std::vector<bool> filled(table.size());
    for (const auto& source : stage.weights) {
        if (auto inside = shapes::checkRange(stage.shape, source.to); !inside)
            return wrong(stage.id, inside.error().message);
        if (source.from == PartSource::From::File && source.which.empty())
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

Measurement stageFinished(const StageId& stage, const Progress& progress)
{
    return {stage,
            {{static_cast<double>(progress.steps), static_cast<double>(progress.images), progress.seconds, progress.flops,
              progress.searchSeconds, progress.searchFlops}},
            true};
}

std::optional<Progress> endOf(const Plan& plan, const StageId& stage)
{
    constexpr std::size_t kLeast = 4; // plans from before searches have no more
    const auto* measured = findStage(plan, stage) ? findMeasurement(plan, stage) : nullptr;
    if (!measured || measured->table.empty() || measured->table.front().size() < kLeast)
        return std::nullopt;
    const auto& row = measured->table.front();
    const auto whole = [](double value) { return value >= 0.0 && value < 9e18 ? static_cast<std::int64_t>(value) : 0; };
    return Progress{
        whole(row[0]), whole(row[1]), row[2], row[3], row.size() > kLeast ? row[4] : 0.0, row.size() > kLeast + 1 ? row[5] : 0.0};
}

Spent spentOnSearching(const Plan& plan)
{
    auto all = plan.left;
    for (const auto& measurement : plan.ledger) {
        all.seconds += measurement.spent.seconds;
        all.flops += measurement.spent.flops;
    }
    return all;
}

std::optional<Progress> beginOf(const Plan& plan, const Stage& stage)
{
    // Stages side by side: steps of the longest, and what all of them took beyond what each began with.
    Progress begin;
    for (const auto& id : stage.after) {
        const auto end = endOf(plan, id);
        const auto began = &id == &stage.after.front() ? std::optional<Progress>(Progress{})
                           : end                       ? beginOf(plan, *findStage(plan, id))
                                                       : std::nullopt;
        if (!end || !began)
            return std::nullopt;
        const auto& base = *began;
        begin.steps = std::max(begin.steps, end->steps);
        begin.images += end->images - base.images;
        begin.seconds += end->seconds - base.seconds;
        begin.flops += end->flops - base.flops;
        begin.searchSeconds += end->searchSeconds - base.searchSeconds;
        begin.searchFlops += end->searchFlops - base.searchFlops;
    }
    return begin;
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
        if (auto parents = checkParents(plan, stage); !parents)
            return parents;
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
