// SPDX-License-Identifier: Apache-2.0
// What a search asks a session for.
#include "core/plan/chosen.h"
#include "core/plan/forecast.h"
#include "core/plan/stage_config.h"
#include "core/training/training_session.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

namespace espalier::training {

/// Rank 0 measures, and what it finds is the same for all ranks: the decision is taken once. What it took is known to rank 0.
Result<plan::Measurement> TrainingSession::measured(const std::string& id, std::int64_t columns, SearchParts& parts,
                                                    const std::function<Result<SearchTable>()>& onRankZero)
{
    const double before = m_clock.seconds(Activity::Searching);
    m_clock.turnTo(Activity::Searching);
    const auto rows = static_cast<std::int64_t>(parts.stage.window.size());
    auto table = at::zeros({rows, columns}, at::kDouble);
    enum : std::int64_t { kFailed, kDone, kLeft };
    auto outcome = at::full({1}, static_cast<std::int64_t>(kDone), at::kLong);
    std::optional<Error> problem;
    if (m_request.group->rank() == 0) {
        if (m_writer)
            m_writer->state(runs::RunState::Training, "searching");
        if (const auto scores = onRankZero(); !scores) {
            problem = scores.error();
            outcome.fill_(static_cast<std::int64_t>(problem->code == ErrorCode::Cancelled ? kLeft : kFailed));
        } else {
            for (std::int64_t row = 0; row < rows; ++row)
                for (std::int64_t column = 0; column < columns; ++column)
                    table[row][column] = (*scores)[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
        }
        if (m_writer)
            m_writer->state(runs::RunState::Training);
    }
    m_request.group->broadcast(outcome, 0);
    m_clock.pause();
    const plan::Spent spent{m_clock.seconds(Activity::Searching) - before, parts.flops};
    if (problem) {
        if (auto kept = keepSpent(spent); !kept)
            return kept.error();
        return *problem;
    }
    const auto how = outcome.item<std::int64_t>();
    if (how != kDone)
        return Error{how == kLeft ? ErrorCode::Cancelled : ErrorCode::Lost, "Rank 0 could not measure what the search asked for."};
    m_request.group->broadcast(table, 0);
    // With what was spent on it before it was left.
    const auto left = std::exchange(m_plan.left, {});
    plan::Measurement measurement{
        id, {}, m_request.config.search.cost == config::SearchCost::Measured, {left.seconds + spent.seconds, left.flops + spent.flops}};
    for (std::int64_t row = 0; row < rows; ++row) {
        const auto* values = table.const_data_ptr<double>() + row * columns;
        measurement.table.emplace_back(values, values + columns);
    }
    return measurement;
}

/// A measurement was left: what it took so far is not lost.
Result<Done> TrainingSession::keepSpent(const plan::Spent& spent)
{
    m_plan.left.seconds += spent.seconds;
    m_plan.left.flops += spent.flops;
    return writePlan();
}

SearchParts TrainingSession::searchParts(const plan::Stage& stage)
{
    SearchParts parts{.stage = stage,
                      .config = plan::configOf(m_request.config, stage),
                      .trainee = m_now->trainee,
                      .data = {},
                      .device = m_request.device,
                      .analytic = {},
                      .goOn = [this](double share) {
                          m_link.heartbeat(state().counters.step, fmt::format("searching, {:.0f} %", 100.0 * share));
                          return !m_link.stopRequested();
                      }};
    if (m_request.config.search.cost == config::SearchCost::Analytic)
        parts.analytic = [&stage](const plan::Candidate& candidate) { return plan::costOf(stage, candidate); };
    return parts;
}

/// The images, or latents, of every candidate's side.
Result<Done> TrainingSession::giveCandidatesData(SearchParts& parts)
{
    for (const auto& candidate : parts.stage.window) {
        const auto side = plan::sideOf(parts.stage, candidate);
        if (parts.data.contains(side))
            continue;
        auto ofSide = parts.stage;
        ofSide.side = candidate.side;
        auto data = dataOf(plan::configOf(m_request.config, ofSide));
        if (!data)
            return data.error();
        if (data->config.latents.enabled && !data->latents) {
            auto ready = latentsOf(*data, ""); // all ranks together
            if (!ready)
                return ready.error();
            data->latents = *std::move(ready);
        }
        parts.data[side] = *std::move(data);
    }
    return Done{};
}

/// Says what a search has chosen, when this was its last measurement: what comes next is then training.
void TrainingSession::tellChoice(const std::string& measurement)
{
    const auto ready = m_strategy->ready(m_plan);
    const auto* next = ready.empty() ? nullptr : std::get_if<plan::TrainStage>(&ready.front());
    if (!m_writer || !next)
        return;
    const auto index = plan::findStage(m_plan, next->stage)->index;
    for (const auto& stage : m_plan.stages)
        if (const auto* chosen = stage.index == index ? plan::chosenOf(stage) : nullptr)
            m_writer->write(runs::Searched{.stage = index,
                                           .id = measurement,
                                           .chosen = chosen->name,
                                           .step = state().counters.step,
                                           .seconds = m_clock.seconds(Activity::Searching)});
}

Result<runs::EndedHow> TrainingSession::keep(const Result<plan::Measurement>& measurement)
{
    if (!measurement)
        return measurement.error();
    if (auto kept = record(*measurement); !kept)
        return kept.error();
    tellChoice(measurement->id);
    return runs::EndedHow::Finished;
}

Result<runs::EndedHow> TrainingSession::obey(const plan::ProbeLoss& request, std::stop_token now)
{
    if (auto begun = begin(*plan::findStage(m_plan, request.stage)); !begun)
        return begun.error();
    const auto ended = m_now->loop->run(now, request.at, /*leave=*/false);
    if (!ended || *ended != runs::EndedHow::Finished)
        return ended;
    auto parts = searchParts(m_now->stage);
    if (m_now->config.latents.enabled) { // latents cannot be made smaller
        if (auto given = giveCandidatesData(parts); !given)
            return given.error();
    } else {
        parts.data[m_now->stage.shape.side] = {m_now->config, m_now->train, {}};
    }
    const auto measurement = measured(request.id, 2, parts, [&] { return probeLosses(parts, request.timed); });
    if (!measurement && measurement.error().code == ErrorCode::Cancelled)
        return m_now->loop->run(now, request.at, /*leave=*/false); // which saves, and answers who asked
    return keep(measurement);
}

Result<runs::EndedHow> TrainingSession::obey(const plan::ZeroShot& request, std::stop_token)
{
    const auto stage = *plan::findStage(m_plan, request.stage);
    auto parts = searchParts(stage);
    if (auto given = giveCandidatesData(parts); !given)
        return given.error();
    return keep(measured(request.id, 3, parts, [&] { return zeroShotScores(parts, request.round); }));
}

} // namespace espalier::training
