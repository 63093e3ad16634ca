// SPDX-License-Identifier: Apache-2.0
#include "core/plan/autoprog.h"

#include "core/plan/growth_map.h"
#include "core/plan/selection.h"
#include "core/plan/stage_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::plan {
namespace {

constexpr int kProbes = 4; // within the last round, beside the one at its start

/// Where a stage stands between the first and the last.
double risen(double start, std::int64_t index, std::int64_t stages)
{
    return start + (1.0 - start) * static_cast<double>(index) / static_cast<double>(stages - 1);
}

/// A part of a length, and the rest of it.
Length shareOf(const Length& whole, double share, std::int64_t batch, bool rest)
{
    const auto part = [&](std::int64_t all, std::int64_t unit) {
        const auto units =
            std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(static_cast<double>(all) * share / static_cast<double>(unit))));
        return rest ? all - units * unit : units * unit;
    };
    Length length;
    if (whole.steps)
        length.steps = part(*whole.steps, 1);
    if (whole.images)
        length.images = part(*whole.images, batch);
    if (whole.seconds)
        length.seconds = *whole.seconds * (rest ? 1.0 - share : share);
    return length;
}

/// Exactly the blocks that a candidate was measured with.
std::vector<PartSource> extracted(const Stage& search, const Candidate& chosen)
{
    if (chosen.keepBlock.empty())
        return carriedOver(search.id);
    std::vector<PartSource> sources;
    for (const char* part : {"embed", "head"})
        sources.push_back({{part}, PartSource::From::Stage, search.id, {part}, "raw"});
    std::int64_t block = 0;
    for (std::size_t i = 0; i < chosen.keepBlock.size(); ++i) {
        if (!chosen.keepBlock[i])
            continue;
        const auto source = static_cast<std::int64_t>(i);
        sources.push_back({{"blocks", block, block + 1}, PartSource::From::Stage, search.id, {"blocks", source, source + 1}, "raw"});
        ++block;
    }
    return sources;
}

} // namespace

std::string AutoProgStrategy::nameOf(const Size& size) const
{
    return fmt::format("r{}_l{}", size.side * pixelsPerPosition(m_config), size.depth);
}

AutoProgStrategy::AutoProgStrategy(const config::RunConfig& config, const config::AutoProgSchedule& schedule, DataFacts data)
    : ChainStrategy(config, data), m_schedule(schedule),
      m_sides(growingSides(config, schedule.sideStart, schedule.sideMultiple, schedule.stages)),
      m_depths(growing(schedule.depthStart, depthOf(config.model), 1, schedule.stages))
{
}

AutoProgStrategy::Window AutoProgStrategy::windowOf(std::int64_t stage, const Size& current) const
{
    const auto sides = distinct(m_sides), depths = distinct(m_depths);
    if (stage == 0) {
        const auto ends = [](const std::vector<std::int64_t>& values) {
            return distinct({values.front(), values[values.size() / 2], values.back()});
        };
        return {ends(sides), skipsBlocks() ? ends(depths) : std::vector{m_depths.front()}};
    }
    constexpr std::size_t kMost = 3;
    Window window{distinct({current.side, nextOf(sides, current.side)}), {}};
    if (!skipsBlocks()) {
        window.depths = {m_depths[static_cast<std::size_t>(stage)]};
        return window;
    }
    const auto first = m_schedule.mayStay ? current.depth : nextOf(depths, current.depth);
    for (const auto depth : depths)
        if (depth >= first && depth <= 2 * first && window.depths.size() < kMost)
            window.depths.push_back(depth);
    return window;
}

/// A stage that trains a size, whatever its weights come from.
Stage AutoProgStrategy::sized(std::int64_t index, const Size& size) const
{
    auto stage = whole();
    stage.id = stageId(index);
    stage.index = static_cast<int>(index);
    stage.shape.model =
        withDrop(withDepth(m_config.model, size.depth), dropOf(m_config.model) * risen(m_schedule.dropStart, index, m_schedule.stages));
    stage.side = size.side == stage.shape.side ? 0 : size.side;
    const auto& augment = m_config.data.augment;
    if (!config::drawsImages(m_config.model)) {
        if (augment.operations > 0) // half to even, as published
            stage.strengths.randAugment =
                static_cast<std::int64_t>(std::nearbyint(risen(m_schedule.randAugmentStart, index, m_schedule.stages) * augment.magnitude));
        if (augment.erase > 0.0)
            stage.strengths.eraseProb = risen(m_schedule.eraseStart, index, m_schedule.stages) * augment.erase;
    }
    if (const auto* dit = std::get_if<config::DitConfig>(&m_config.model); dit && dit->numStages > 0)
        stage.sid = std::min(index, dit->numStages - 1);
    return stage;
}

/// Weights from the stage before, which was less deep or the same.
void AutoProgStrategy::follow(Stage& stage, std::int64_t index, std::int64_t depthBefore) const
{
    const auto before = stageId(index - 1);
    auto smaller = stage.shape;
    smaller.model = withDepth(smaller.model, depthBefore);
    const bool grows = depthOf(stage.shape.model) != depthBefore;
    stage.after = {before};
    stage.weights =
        grows ? grown(before, smaller, stage.shape, {m_schedule.growth, m_schedule.growNewOnly, slowestAverage(m_config.training)})
              : carriedOver(before);
    stage.optimizer = grows ? m_schedule.optimizer : config::Carry::Keep;
}

Stage AutoProgStrategy::supernet(std::int64_t index, const Size& current, const Window& window) const
{
    const auto most = window.depths.back(), least = window.depths.front();
    auto stage = sized(m_schedule.stages - 1, {whole().shape.side, most}); // strengths and drop of the last stage
    stage.id = searchId(index);
    stage.index = static_cast<int>(index);
    stage.role = Stage::Role::Supernet;
    stage.sid = sized(index, current).sid;
    for (const auto side : window.sides)
        for (const auto depth : window.depths)
            stage.window.push_back({nameOf({side, depth}), side, skipsBlocks() ? keptBlocks(least, depth, most) : std::vector<bool>{}, {}});
    if (index > 0)
        follow(stage, index, current.depth);
    return stage;
}

std::vector<Stage> AutoProgStrategy::from(std::int64_t first, Size current, const std::vector<Length>& lengths) const
{
    std::vector<Stage> chain;
    for (std::int64_t k = first; k < m_schedule.stages; ++k) {
        const auto place = static_cast<std::size_t>(k);
        const auto window = windowOf(k, current);
        const Size before = current;
        const bool searched = m_config.search.enabled && k + 1 < m_schedule.stages && window.sides.size() * window.depths.size() > 1;
        current = {std::max(current.side, m_sides[place]), std::max(current.depth, m_depths[place])};
        if (searched) { // the nearest that may be chosen
            const auto nearest = [](const std::vector<std::int64_t>& values, std::int64_t wanted) {
                const auto at = std::ranges::lower_bound(values, wanted);
                return at == values.end() ? values.back() : *at;
            };
            current = {nearest(window.sides, current.side), nearest(window.depths, current.depth)};
        }
        auto stage = sized(k, current);
        stage.length = lengths[place];
        if (searched) {
            auto search = supernet(k, before, window);
            search.length = shareOf(lengths[place], m_config.search.share, stage.globalBatch, false);
            stage.length = shareOf(lengths[place], m_config.search.share, stage.globalBatch, true);
            stage.window = search.window;
            const auto chosen = std::ranges::find(search.window, nameOf(current), &Candidate::name);
            stage.after = {search.id};
            stage.weights = extracted(search, *chosen);
            stage.optimizer = m_schedule.optimizer;
            chain.push_back(std::move(search));
        } else if (k > 0) {
            follow(stage, k, before.depth);
        }
        chain.push_back(std::move(stage));
    }
    return chain;
}

Result<std::vector<Stage>> AutoProgStrategy::stages() const
{
    const auto parts = equalLengths(m_schedule.stages);
    if (!parts)
        return parts.error();
    const auto window = windowOf(0, {});
    if (m_config.search.enabled && skipsBlocks() && window.depths.back() > 2 * window.depths.front())
        return Error{
            ErrorCode::Usage,
            fmt::format("schedule.depth_start: stage 0 would search from {} to {} blocks, and a supernet is at most twice as deep as "
                        "its smallest candidate; raise it to 0.5, or set search.enabled to false.",
                        window.depths.front(), window.depths.back()),
            "schedule.depth_start"};
    auto chain = from(0, {}, *parts);
    if (m_config.search.enabled && std::ranges::none_of(chain, [](const Stage& each) { return each.role == Stage::Role::Supernet; }))
        return Error{ErrorCode::Usage,
                     fmt::format("search.enabled: no stage has anything to choose from, because schedule.side_start{} one size for each; "
                                 "lower it, or set search.enabled to false.",
                                 skipsBlocks() ? " and schedule.depth_start leave" : " leaves"),
                     "search.enabled"};
    for (const auto& stage : chain)
        if (stage.length.steps.value_or(1) < 1 || stage.length.images.value_or(1) < 1)
            return Error{
                ErrorCode::Usage,
                fmt::format("Stage {} would have no step beside its search: lengthen the training, or set search.enabled to false.",
                            stage.index),
                "search.share"};
    return chain;
}

std::vector<Request> AutoProgStrategy::searches(const Stage& stage) const
{
    if (stage.role != Stage::Role::Supernet)
        return {};
    // Only the last round decides; what would be measured before it is not.
    const auto rounds = static_cast<double>(m_config.search.rounds);
    std::vector<Request> probes;
    for (int probe = 0; probe <= kProbes; ++probe)
        probes.push_back(ProbeLoss{fmt::format("{}:{}", stage.id, probe), stage.id,
                                   (rounds - 1.0 + static_cast<double>(probe) / kProbes) / rounds, probe == 0});
    return probes;
}

void AutoProgStrategy::decide(Plan& plan, const Stage& search) const
{
    std::vector<double> losses(search.window.size(), 0.0), times(search.window.size(), 0.0);
    for (const auto& request : searches(search)) {
        const auto& probe = std::get<ProbeLoss>(request);
        const auto& table = findMeasurement(plan, probe.id)->table;
        if (table.size() != search.window.size())
            return; // of another search: the stage stays as it was forecast
        for (std::size_t i = 0; i < table.size(); ++i) {
            if (table[i].size() < 2)
                return;
            losses[i] += table[i][0] / (kProbes + 1);
            if (probe.timed)
                times[i] = table[i][1];
        }
    }
    const auto choice = choosePowerLaw(losses, times);
    const auto& chosen = search.window[choice.chosen];
    const Size size{chosen.side, skipsBlocks() ? std::ranges::count(chosen.keepBlock, true) : depthOf(search.shape.model)};
    const auto index = static_cast<std::int64_t>(search.index);
    const auto parts = equalLengths(m_schedule.stages);
    if (!parts)
        return;
    // Up to the search all stays; what follows is laid out anew.
    const auto at = std::ranges::find(plan.stages, search.id, &Stage::id);
    auto kept = std::vector<Stage>(plan.stages.begin(), at + 1);
    auto stage = sized(index, size);
    const auto forecast = *(at + 1);
    stage.length = forecast.length;
    stage.window = search.window;
    stage.after = {search.id};
    stage.optimizer = forecast.optimizer;
    stage.weights = extracted(search, chosen);
    kept.push_back(std::move(stage));
    std::ranges::move(from(index + 1, size, *parts), std::back_inserter(kept));
    plan.stages = std::move(kept);
}

} // namespace espalier::plan
