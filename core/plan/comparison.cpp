// SPDX-License-Identifier: Apache-2.0
#include "core/plan/comparison.h"

#include "core/runs/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace espalier::plan {
namespace {

constexpr std::array<std::pair<Equal, std::string_view>, 3> kTexts{
    {{Equal::DeviceTime, "device"}, {Equal::WallTime, "wall"}, {Equal::Images, "images"}}};

std::string recipeOf(const runs::Evaluated& evaluated)
{
    const auto& recipe = evaluated.recipe;
    const auto name = recipe.is_object() ? recipe.find("name") : recipe.end();
    return name != recipe.end() && name->is_string() ? name->get<std::string>() : evaluated.weights;
}

/// Whether what stage `index` measured is of the network that the run is about.
bool isOfTarget(const Plan* plan, int index)
{
    if (plan == nullptr || plan->stages.empty() || plan->stages.back().division.empty())
        return true;
    return index == plan->stages.back().index;
}

const ComparedSeries* find(const ComparedRun& run, const ComparedSeries& like)
{
    const auto found = std::ranges::find_if(
        run.series, [&](const auto& each) { return each.metric == like.metric && each.recipe == like.recipe && !each.points.empty(); });
    return found == run.series.end() ? nullptr : &*found;
}

/// The recipe that all runs have, of several the one with most points.
const ComparedSeries* common(const std::vector<ComparedRun>& runs)
{
    const ComparedSeries* best = nullptr;
    std::size_t most = 0;
    for (const auto& series : runs.front().series) {
        std::size_t points = 0;
        const bool all = std::ranges::all_of(runs, [&](const auto& run) {
            const auto* own = find(run, series);
            points += own != nullptr ? own->points.size() : 0;
            return own != nullptr;
        });
        if (all && (best == nullptr || points > most)) {
            best = &series;
            most = points;
        }
    }
    return best;
}

} // namespace

std::string_view equalText(Equal equal)
{
    return std::ranges::find(kTexts, equal, &decltype(kTexts)::value_type::first)->second;
}

std::optional<Equal> equalFromText(std::string_view text)
{
    const auto* found = std::ranges::find(kTexts, text, &decltype(kTexts)::value_type::second);
    return found == kTexts.end() ? std::nullopt : std::optional(found->first);
}

ComparedRun comparedRun(const runs::RunFollower& run, const Plan* plan)
{
    ComparedRun compared{.name = run.folder().name()};
    const TimesSpent times(run, plan);
    compared.spent = times.all();
    if (plan != nullptr)
        for (const auto& stage : plan->stages)
            for (const auto& source : stage.weights)
                compared.borrows = compared.borrows || (!stage.division.empty() && source.from == PartSource::From::File);
    const auto* images = run.curve(runs::tags::kImages);
    for (const auto& entry : run.evaluations()) {
        const auto& evaluated = entry.evaluated;
        if (!runs::leadingMetric(evaluated.metric) || !std::isfinite(evaluated.value) || !isOfTarget(plan, evaluated.stage))
            continue;
        const auto recipe = recipeOf(evaluated);
        auto series = std::ranges::find_if(compared.series,
                                           [&](const auto& each) { return each.metric == evaluated.metric && each.recipe == recipe; });
        if (series == compared.series.end())
            series = compared.series.insert(series, {evaluated.metric, recipe, {}});
        const double seen = images != nullptr ? images->valueAt(runs::CurveAxis::Step, static_cast<double>(evaluated.step)) : 0.0;
        std::erase_if(series->points, [&](const auto& point) { return point.step == evaluated.step; }); // the newest counts
        series->points.push_back({evaluated.step, evaluated.value, std::isfinite(seen) ? seen : 0.0, times.untilStep(evaluated.step)});
    }
    for (auto& series : compared.series)
        std::ranges::sort(series.points, {}, &ComparedPoint::step);
    return compared;
}

Result<Comparison> compare(const std::vector<ComparedRun>& runs, Equal equal)
{
    if (runs.size() < 2)
        return Error{ErrorCode::Usage, "Name two runs or more: the first is what the others are compared with.", "run"};
    const auto* leading = common(runs);
    for (const auto& run : runs)
        if (run.series.empty())
            return Error{ErrorCode::Usage,
                         fmt::format("{} has measured nothing of its whole network yet. Evaluate it, then compare.", run.name), run.name};
    if (leading == nullptr)
        return Error{ErrorCode::Usage,
                     fmt::format("{} and the others have no evaluation of one recipe in common: numbers of different recipes cannot be "
                                 "compared. Evaluate all of them in one way.",
                                 runs.front().name),
                     "recipe"};
    Comparison comparison{leading->metric, leading->recipe, std::numeric_limits<double>::infinity(), {}};
    const auto better = [&](double a, double b) { return runs::isBetter(leading->metric, a, b); };
    for (const auto& run : runs)
        comparison.equal = std::min(comparison.equal, find(run, *leading)->points.back().at(equal));
    std::optional<double> goal; // what the first run became
    for (const auto& run : runs) {
        ComparedRow row;
        for (const auto& point : find(run, *leading)->points) {
            if (point.at(equal) <= comparison.equal)
                row.atEqual = point;
            if (!row.best || better(point.value, row.best->value))
                row.best = point;
        }
        if (!goal)
            goal = row.best->value;
        for (const auto& point : find(run, *leading)->points)
            if (!row.reached && !better(*goal, point.value))
                row.reached = point.at(equal);
        if (const auto first = comparison.rows.empty() ? row.reached : comparison.rows.front().reached;
            first && row.reached && *row.reached > 0.0)
            row.speedUp = *first / *row.reached;
        comparison.rows.push_back(row);
    }
    return comparison;
}

} // namespace espalier::plan
