// SPDX-License-Identifier: Apache-2.0
#include "core/plan/time_spent.h"

#include "core/runs/events.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>

namespace espalier::plan {
namespace {

constexpr double kTogether = 1e-3; // seconds: pieces as near as that are one

/// How many devices a folder trained on, from which time.
std::map<double, int> devicesOf(const runs::RunFollower& run)
{
    std::map<double, int> devices;
    for (const auto& event : run.events())
        if (const auto started = runs::eventAs<runs::Started>(event))
            devices[event.time] = std::max(1, started->ranks);
    return devices;
}

int at(const std::map<double, int>& devices, double time)
{
    const auto after = devices.upper_bound(time);
    return after != devices.begin() ? std::prev(after)->second : devices.empty() ? 1 : devices.begin()->second;
}

/// A stage on the clock of its folder: that of the run goes on after branches with the sum of what they took.
struct Stretch {
    StageId id;
    double fromStep = 0.0, fromSeconds = 0.0;
    double endStep = std::numeric_limits<double>::infinity(), endSeconds = -1.0; // of a stage that has ended
};

std::vector<Stretch> stretchesOf(const std::vector<const Stage*>& stages, const Plan* plan)
{
    std::vector<Stretch> stretches;
    for (const auto* stage : stages) {
        const auto begin = beginOf(*plan, *stage);
        if (!begin)
            continue;
        Stretch stretch{stage->id, static_cast<double>(begin->steps), begin->seconds};
        if (const auto end = endOf(*plan, stage->id)) {
            stretch.endStep = static_cast<double>(end->steps);
            stretch.endSeconds = end->seconds;
        }
        stretches.push_back(stretch);
    }
    if (stretches.empty())
        stretches.push_back({});
    return stretches;
}

} // namespace

TimesSpent::TimesSpent(const runs::RunFollower& run, const Plan* plan)
{
    std::map<std::string, std::vector<const Stage*>, std::less<>> stages{{"", {}}};
    if (plan != nullptr)
        for (const auto& stage : plan->stages)
            stages[stage.branch].push_back(&stage);
    addFolder(run, run, stages[""], plan, true);
    for (const auto& [branch, own] : stages)
        if (const auto found = run.branches().find(branch); found != run.branches().end())
            addFolder(found->second, run, own, plan, false);
}

void TimesSpent::addFolder(const runs::RunFollower& run, const runs::RunFollower& owner, const std::vector<const Stage*>& stages,
                           const Plan* plan, bool own)
{
    static const runs::Pyramid kNothing;
    const auto* told = run.curve(runs::tags::kTrainingSeconds);
    const auto& clock = told != nullptr ? *told : kNothing;
    const auto said = devicesOf(run);
    const auto devices = said.empty() ? devicesOf(owner) : said;
    const auto stretches = stretchesOf(stages, plan);
    auto& pieces = m_folders.emplace_back().pieces;
    constexpr double kMostMoments = 100'000.0;
    const double apart = clock.empty() ? 0.0 : static_cast<double>(clock.last().step) / kMostMoments;
    const auto add = [&](double end, double seconds, double step) {
        if (!std::isfinite(end) || !std::isfinite(seconds) || seconds < 0.0)
            return;
        const int count = at(devices, end);
        auto* last = pieces.empty() ? nullptr : &pieces.back();
        const double begin = end - seconds;
        if (own && seconds > 0.0) {
            if (last == nullptr || begin - last->end > kTogether || m_moments.empty())
                m_moments.push_back({m_moments.empty() ? 0.0 : m_moments.back().step, begin});
            else if (m_moments.size() > 1 && m_moments.back().step - m_moments[m_moments.size() - 2].step < apart)
                m_moments.pop_back();
            m_moments.push_back({step, end});
        }
        if (last != nullptr && last->devices == count && begin - last->end <= kTogether) {
            last->end = std::max(last->end, end);
            last->seconds += seconds;
        } else {
            pieces.push_back({last != nullptr ? std::max(begin, last->end) : begin, end, seconds, count});
        }
    };
    std::size_t point = 0;
    for (std::size_t k = 0; k < stretches.size(); ++k) {
        const auto& stretch = stretches[k];
        const double next = k + 1 < stretches.size() ? stretches[k + 1].fromStep : std::numeric_limits<double>::infinity();
        const double until = std::max(std::min(stretch.endStep, next), stretch.fromStep);
        double seconds = stretch.fromSeconds, time = std::numeric_limits<double>::quiet_NaN();
        for (; point < clock.size() && static_cast<double>(clock.point(point).step) <= until; ++point) {
            const auto now = clock.point(point);
            if (!std::isfinite(now.value))
                continue;
            add(now.time, std::max(0.0, now.value - seconds), static_cast<double>(now.step));
            seconds = std::max(seconds, now.value);
            time = now.time;
        }
        if (const double rest = stretch.endSeconds - seconds; rest > 0.0) { // since the last report, or since it began
            const auto began = std::ranges::find(owner.stages(), stretch.id, &runs::StageEntry::id);
            if (!std::isfinite(time))
                time = began != owner.stages().end() ? began->time : pieces.empty() ? 0.0 : pieces.back().end;
            add(time + rest, rest, stretch.endStep);
        }
    }
}

TimeSpent TimesSpent::until(double time) const
{
    // Between two edges nothing begins or ends: devices add up there, and the wall counts the one that trained most of it.
    std::vector<double> edges;
    TimeSpent spent;
    std::vector<Piece> pieces;
    for (const auto& folder : m_folders)
        for (const auto& piece : folder.pieces) {
            const double length = piece.end - piece.begin;
            const double share = time >= piece.end ? 1.0 : length > 0.0 ? std::clamp((time - piece.begin) / length, 0.0, 1.0) : 0.0;
            if (share <= 0.0)
                continue;
            spent.device += share * piece.seconds * piece.devices;
            pieces.push_back({piece.begin, piece.begin + share * length, share * piece.seconds, piece.devices});
            edges.push_back(pieces.back().begin);
            edges.push_back(pieces.back().end);
        }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    std::vector<const Piece*> open;
    std::size_t next = 0;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
        std::erase_if(open, [&](const auto* piece) { return piece->end <= edges[i]; });
        for (; next < pieces.size() && pieces[next].begin <= edges[i]; ++next)
            open.push_back(&pieces[next]);
        double most = 0.0;
        for (const auto* piece : open)
            if (piece->end > piece->begin)
                most = std::max(most, piece->seconds / (piece->end - piece->begin));
        spent.wall += most * (edges[i + 1] - edges[i]);
    }
    return spent;
}

TimeSpent TimesSpent::all() const
{
    return until(std::numeric_limits<double>::max());
}

TimeSpent TimesSpent::untilStep(std::int64_t step) const
{
    const auto wanted = static_cast<double>(step);
    const auto reached = std::ranges::lower_bound(m_moments, wanted, {}, &Moment::step);
    if (m_moments.empty() || wanted <= 0.0)
        return {};
    if (reached == m_moments.end())
        return until(m_moments.back().time);
    if (reached == m_moments.begin() || reached->step == wanted)
        return until(reached->time);
    const auto& before = *std::prev(reached);
    const double share = reached->step > before.step ? (wanted - before.step) / (reached->step - before.step) : 1.0;
    return until(before.time + share * (reached->time - before.time));
}

} // namespace espalier::plan
