// SPDX-License-Identifier: Apache-2.0
#include "core/plan/search_results.h"

#include "core/base/overloaded.h"
#include "core/plan/selection.h"
#include "core/plan/strategy.h"

#include <algorithm>

namespace espalier::plan {
namespace {

/// Tables of the stage's measurements, in their order.
std::vector<const Measurement*> measured(const Plan& plan, const Stage& stage)
{
    std::vector<const Measurement*> tables;
    for (const auto& measurement : plan.ledger)
        if (measurement.id.starts_with(stage.id + ":"))
            tables.push_back(&measurement);
    return tables;
}

bool isComplete(const Plan& plan, const Stage& stage, const config::RunConfig& config)
{
    constexpr std::int64_t kEnough = 1'000'000'000; // images: they do not matter here
    const auto next = makeStrategy(config, {kEnough})->ready(plan);
    return std::ranges::none_of(next, [&](const Request& request) {
        return std::visit(Overloaded{[](const TrainStage&) { return false; }, [&](const auto& search) { return search.stage == stage.id; }},
                          request);
    });
}

/// Column `column`: the mean over the measurements.
std::vector<double> means(const std::vector<const Measurement*>& tables, std::size_t column)
{
    std::vector<double> sums(tables.front()->table.size(), 0.0);
    for (const auto* each : tables)
        for (std::size_t row = 0; row < sums.size(); ++row)
            sums[row] += each->table[row][column] / static_cast<double>(tables.size());
    return sums;
}

void rateByLoss(SearchResults& found, const std::vector<const Measurement*>& tables)
{
    const auto losses = means(tables, 0);
    std::vector<double> times;
    for (const auto& row : tables.front()->table) // the one that is timed
        times.push_back(row[1]);
    const auto choice = choosePowerLaw(losses, times);
    found.exponent = choice.exponent;
    for (std::size_t i = 0; i < losses.size(); ++i) {
        auto& candidate = found.candidates[i];
        candidate.loss = losses[i];
        candidate.seconds = times[i];
        candidate.total = choice.scores.size() > i ? choice.scores[i] : losses[i];
        candidate.chosen = found.complete && i == choice.chosen;
    }
}

void rateByVote(SearchResults& found, const std::vector<const Measurement*>& tables, const config::SearchConfig& search)
{
    const auto kernels = means(tables, 0), scores = means(tables, 1);
    std::vector<double> seconds;
    for (const auto& row : tables.back()->table) // as published
        seconds.push_back(row[2]);
    const auto outcome = vote(seconds, kernels, scores, {search.timeWeight, search.ntkWeight, search.zicoWeight});
    for (std::size_t i = 0; i < seconds.size(); ++i) {
        auto& candidate = found.candidates[i];
        candidate.seconds = seconds[i];
        candidate.ntk = kernels[i];
        candidate.zico = scores[i];
        candidate.timeRank = outcome.ranks[i][0];
        candidate.ntkRank = outcome.ranks[i][1];
        candidate.zicoRank = outcome.ranks[i][2];
        candidate.total = outcome.totals[i];
        candidate.chosen = found.complete && i == outcome.chosen;
    }
}

} // namespace

std::optional<SearchResults> searchResults(const Plan& plan, const Stage& stage, const config::RunConfig& config)
{
    const auto tables = measured(plan, stage);
    SearchResults found;
    found.trained = stage.role == Stage::Role::Supernet;
    const std::size_t columns = found.trained ? 2 : 3;
    const auto fits = [&](const Measurement* each) {
        return each->table.size() == stage.window.size() &&
               std::ranges::all_of(each->table, [&](const auto& row) { return row.size() >= columns; });
    };
    if (tables.empty() || stage.window.empty() || !std::ranges::all_of(tables, fits))
        return std::nullopt;
    found.complete = isComplete(plan, stage, config);
    for (const auto& candidate : stage.window)
        found.candidates.push_back({.name = candidate.name});
    if (found.trained)
        rateByLoss(found, tables);
    else
        rateByVote(found, tables, config.search);
    return found;
}

} // namespace espalier::plan
