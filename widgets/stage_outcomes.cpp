// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_outcomes.h"

#include "widgets/evaluation_model.h"
#include "widgets/stage_view.h"
#include "widgets/stage_words.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace espalier::widgets {

namespace {

bool isAveraged(const std::string& weights)
{
    return weights.starts_with("ema");
}

bool leads(const runs::Evaluated& evaluated)
{
    return runs::leadingMetric(evaluated.metric) != nullptr && std::isfinite(evaluated.value);
}

/// Values of other recipes cannot be compared: the one that was measured most often counts, of several the newest.
QString commonRecipe(const std::vector<runs::EvaluationEntry>& evaluations)
{
    std::map<QString, int> counts;
    QString best;
    for (const auto& entry : evaluations)
        if (leads(entry.evaluated)) {
            const QString recipe = recipeName(entry.evaluated);
            if (++counts[recipe] >= counts[best])
                best = recipe;
        }
    return best;
}

void addMeasured(StageOutcome& outcome, const std::vector<runs::EvaluationEntry>& evaluations, const QString& recipe)
{
    std::int64_t newest = -1;
    for (const auto& entry : evaluations) {
        const auto& e = entry.evaluated;
        if (e.stage != outcome.index)
            continue;
        outcome.evaluating += e.seconds;
        if (!leads(e) || recipeName(e) != recipe)
            continue;
        const runs::MeasuredValue value{e.metric, e.value};
        if (e.step >= newest) {
            outcome.last = value;
            newest = e.step;
        }
        if (!outcome.best || value.betterThan(*outcome.best))
            outcome.best = value;
    }
}

void addSamples(StageOutcome& outcome, const std::vector<runs::SampleEntry>& samples)
{
    for (const auto& entry : samples) {
        if (entry.drawn.stage != outcome.index)
            continue;
        outcome.sampling += entry.drawn.seconds;
        const auto rank = [](const runs::SampleEntry& each) { return std::pair(each.drawn.step, isAveraged(each.drawn.weights)); };
        if (!outcome.grid || rank(entry) >= rank(*outcome.grid))
            outcome.grid = entry;
    }
}

/// A stretch of the plan belongs to the stage of its index: a supernet comes before the stage whose size it finds.
void addSpan(StageOutcome& outcome, const StageSpan& span, const runs::Progress& now, bool first)
{
    outcome.started = outcome.started || span.started;
    outcome.ended = span.ended;
    const bool open = span.started && !span.ended;
    const double seconds = span.to.seconds - span.from.seconds;
    outcome.steps += static_cast<std::int64_t>((open ? static_cast<double>(now.step) : span.to.steps) - span.from.steps);
    if (span.started)
        outcome.training += std::max(0.0, open ? now.seconds - span.from.seconds : seconds);
    if (span.ended)
        outcome.searching = outcome.searching.value_or(0.0) + span.searchSeconds;
    auto forecast = span.forecastSeconds;
    if (!forecast && !span.ended && seconds > 0.0)
        forecast = seconds;
    outcome.forecast = forecast && (first || outcome.forecast) ? std::optional(outcome.forecast.value_or(0.0) + *forecast) : std::nullopt;
}

} // namespace

StageOutcomes stageOutcomes(const plan::Plan& plan, const runs::Progress& now, const std::vector<runs::SampleEntry>& samples,
                            const std::vector<runs::EvaluationEntry>& evaluations, std::int64_t pixels, const BranchProgress& branches)
{
    StageOutcomes all;
    const auto views = stageViews(plan, pixels);
    const StageNames names(&plan);
    const auto spans = stageSpans(plan, now, branches);
    for (std::size_t i = 0; i < views.size(); ++i) {
        const bool first = all.stages.empty() || all.stages.back().index != views[i].index;
        if (first)
            all.stages.push_back({.index = views[i].index, .title = names.of(views[i].index)});
        auto& outcome = all.stages.back();
        outcome.hybrid = plan.stages[i].module >= 0;
        outcome.shape = views[i].growth; // that of the stage itself comes last
        outcome.trains = views[i].trains;
        const auto* reached = progressOf(plan.stages[i], now, branches);
        addSpan(outcome, spans[i], reached != nullptr ? *reached : now, first);
    }
    if (all.stages.size() < 2)
        return {};
    all.recipe = commonRecipe(evaluations);
    for (auto& outcome : all.stages) {
        if (!outcome.ended) // what it measures so far is known at its end
            outcome.searching.reset();
        addMeasured(outcome, evaluations, all.recipe);
        addSamples(outcome, samples);
    }
    return all;
}

} // namespace espalier::widgets
