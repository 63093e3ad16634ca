// SPDX-License-Identifier: Apache-2.0
#include "core/plan/autoprog_zero.h"

#include "core/plan/growth_map.h"
#include "core/plan/selection.h"
#include "core/plan/stage_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::plan {
namespace {

/// The blocks that are unfrozen one after the other, in the order in which the network runs them.
std::vector<shapes::PartRange> blocksOf(const shapes::ModelShape& shape)
{
    std::vector<shapes::PartRange> blocks;
    for (const auto& part : shapes::partsOf(shape))
        if (part.name == "blocks" || part.name == "downsamples" || part.name == "middle" || part.name == "upsamples")
            for (std::int64_t i = 0; i < part.blocks; ++i) {
                const auto block = part.name == "upsamples" ? part.blocks - 1 - i : i; // the deepest comes first
                blocks.push_back({part.name, block, block + 1});
            }
    return blocks;
}

} // namespace

AutoProgZeroStrategy::AutoProgZeroStrategy(const config::RunConfig& config, const config::AutoProgZeroSchedule& schedule, DataFacts data)
    : ChainStrategy(config, data), m_schedule(schedule),
      m_sides(growingSides(config, schedule.sideStart, schedule.sideMultiple, schedule.stages)),
      m_levels(growing(1.0 / static_cast<double>(schedule.stages), schedule.stages, 1, schedule.stages))
{
}

std::vector<shapes::PartRange> AutoProgZeroStrategy::trainableAt(std::int64_t level) const
{
    if (level >= m_schedule.stages && !m_schedule.freezeNonBlock)
        return {};
    const auto shape = shapes::shapeOf(m_config);
    const auto blocks = blocksOf(shape);
    std::vector<shapes::PartRange> trained;
    if (!m_schedule.freezeNonBlock)
        for (const auto& part : shapes::partsOf(shape))
            if (std::ranges::find(blocks, part.name, &shapes::PartRange::part) == blocks.end())
                trained.push_back({part.name});
    const auto chosen = unfrozenBlocks(static_cast<std::int64_t>(blocks.size()), level, m_schedule.stages, m_config.recipe.strict);
    for (std::size_t i = 0; i < blocks.size(); ++i)
        if (chosen[i])
            trained.push_back(blocks[i]);
    return trained;
}

Candidate AutoProgZeroStrategy::candidateOf(const Size& size) const
{
    return {fmt::format("r{}_l{}", size.side * pixelsPerPosition(m_config), size.level), size.side, {}, trainableAt(size.level)};
}

std::vector<Candidate> AutoProgZeroStrategy::windowOf(std::int64_t stage, const Size& current) const
{
    const auto sides = distinct(m_sides), levels = distinct(m_levels);
    const auto pick = [&](const std::vector<std::int64_t>& values, std::int64_t now) {
        if (stage > 0)
            return distinct({now, nextOf(values, now)});
        // Published: the first, and the one before the middle; of few values that would be the first again.
        const auto second = values.size() >= 4 ? values[values.size() / 2 - 1] : nextOf(values, values.front());
        return distinct({values.front(), second});
    };
    std::vector<Candidate> window;
    for (const auto side : pick(sides, current.side))
        for (const auto level : pick(levels, current.level))
            window.push_back(candidateOf({side, level}));
    return window;
}

void AutoProgZeroStrategy::layOut(std::vector<Stage>& chain, std::int64_t first, Size current) const
{
    for (std::int64_t k = first; k < m_schedule.stages; ++k) {
        const auto place = static_cast<std::size_t>(k);
        auto& stage = chain[place];
        const bool searched = m_config.search.enabled && k + 1 < m_schedule.stages;
        const auto window = searched ? windowOf(k, current) : std::vector<Candidate>{};
        stage.window = window.size() > 1 ? window : std::vector<Candidate>{};
        const Size even{std::max(current.side, m_sides[place]), std::max(current.level, m_levels[place])};
        // As far as one search may go.
        current = searched && k > 0 ? Size{std::min(even.side, nextOf(distinct(m_sides), current.side)),
                                           std::min(even.level, nextOf(distinct(m_levels), current.level))}
                                    : even;
        const auto chosen = candidateOf(current);
        stage.side = chosen.side == stage.shape.side ? 0 : chosen.side;
        stage.trainable = chosen.trainable;
    }
}

Result<std::vector<Stage>> AutoProgZeroStrategy::stages() const
{
    const auto parts = equalLengths(m_schedule.stages);
    if (!parts)
        return parts.error();
    const auto blocks = static_cast<std::int64_t>(blocksOf(shapes::shapeOf(m_config)).size());
    if (blocks < m_schedule.stages)
        return Error{
            ErrorCode::Usage,
            fmt::format("schedule.stages: stage {} would train nothing new, because the network has {} blocks; use at most as many stages.",
                        blocks, blocks),
            "schedule.stages"};
    std::vector<Stage> chain;
    for (std::int64_t k = 0; k < m_schedule.stages; ++k) {
        auto stage = whole();
        stage.id = stageId(k);
        stage.index = static_cast<int>(k);
        stage.length = (*parts)[static_cast<std::size_t>(k)];
        if (const auto* dit = std::get_if<config::DitConfig>(&m_config.model); dit && dit->numStages > 0)
            stage.sid = k;
        if (k > 0) {
            stage.after = {stageId(k - 1)};
            stage.weights = carriedOver(stageId(k - 1));
        }
        chain.push_back(std::move(stage));
    }
    layOut(chain, 0, {});
    return chain;
}

std::vector<Request> AutoProgZeroStrategy::searches(const Stage& stage) const
{
    std::vector<Request> rounds;
    for (std::int64_t round = 0; !stage.window.empty() && round < m_config.search.rounds; ++round)
        rounds.push_back(ZeroShot{fmt::format("{}:score-{}", stage.id, round), stage.id, static_cast<std::uint64_t>(round)});
    return rounds;
}

void AutoProgZeroStrategy::decide(Plan& plan, const Stage& stage) const
{
    const auto count = stage.window.size();
    std::vector<double> kernels(count, 0.0), scores(count, 0.0), seconds(count, 0.0);
    const auto rounds = searches(stage);
    for (const auto& request : rounds) {
        const auto& table = findMeasurement(plan, idOf(request))->table;
        if (table.size() != count)
            return; // of another search: the stage stays as it was forecast
        for (std::size_t i = 0; i < count; ++i) {
            if (table[i].size() < 3)
                return;
            kernels[i] += table[i][0] / static_cast<double>(rounds.size());
            scores[i] += table[i][1] / static_cast<double>(rounds.size());
            seconds[i] = table[i][2]; // of the last round, as published
        }
    }
    const auto& search = m_config.search;
    const auto& chosen = stage.window[vote(seconds, kernels, scores, {search.timeWeight, search.ntkWeight, search.zicoWeight}).chosen];
    auto& now = *std::ranges::find(plan.stages, stage.id, &Stage::id);
    now.side = chosen.side == now.shape.side ? 0 : chosen.side;
    now.trainable = chosen.trainable;
    for (const auto level : distinct(m_levels))
        if (candidateOf({chosen.side, level}).name == chosen.name)
            layOut(plan.stages, stage.index + 1, {chosen.side, level});
}

} // namespace espalier::plan
