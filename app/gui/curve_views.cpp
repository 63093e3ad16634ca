// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/curve_views.h"

#include "app/gui/lane_blocks.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/runs/metrics.h"
#include "widgets/stage_words.h"

#include <algorithm>
#include <cmath>

namespace espalier::gui {

using widgets::PlotData;
using widgets::PlotQuery;
using widgets::XAxis;

AxisMap::AxisMap(XAxis axis, const runs::RunFollower& run) : m_axis(axis)
{
    switch (axis) {
    case XAxis::Step:
        return;
    case XAxis::Images:
        m_clock = run.curve(runs::tags::kImages);
        break;
    case XAxis::TrainingTime:
        m_clock = run.curve(runs::tags::kTrainingSeconds);
        break;
    case XAxis::Flops:
        m_clock = run.curve(runs::tags::kFlops);
        break;
    case XAxis::WallTime:
        m_clock = run.curve(runs::tags::kLoss);
        break;
    }
    if (m_clock != nullptr && m_clock->empty())
        m_clock = nullptr;
    if (m_clock != nullptr && axis == XAxis::WallTime)
        m_origin = m_clock->point(0).time;
}

double AxisMap::valueOf(std::size_t index) const
{
    const auto point = m_clock->point(index);
    return m_axis == XAxis::WallTime ? point.time - m_origin : point.value;
}

double AxisMap::at(double step) const
{
    if (m_axis == XAxis::Step || m_clock == nullptr)
        return m_axis == XAxis::Step ? step : 0.0;
    const auto first = m_clock->point(0), last = m_clock->last();
    const double firstStep = static_cast<double>(first.step), lastStep = static_cast<double>(last.step);
    if (step >= lastStep) {
        const double x = valueOf(m_clock->size() - 1);
        return lastStep > 0 ? x + (step - lastStep) * x / lastStep : x;
    }
    if (step <= firstStep)
        return firstStep > 0 ? valueOf(0) * std::max(0.0, step) / firstStep : valueOf(0);
    const auto i = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, m_clock->indexAt(runs::CurveAxis::Step, step)));
    if (i + 1 >= m_clock->size())
        return valueOf(i);
    const double s0 = static_cast<double>(m_clock->point(i).step), s1 = static_cast<double>(m_clock->point(i + 1).step);
    const double share = s1 > s0 ? (step - s0) / (s1 - s0) : 0.0;
    return valueOf(i) + share * (valueOf(i + 1) - valueOf(i));
}

double AxisMap::stepOf(double x) const
{
    if (m_axis == XAxis::Step || m_clock == nullptr)
        return x;
    std::size_t low = 0, high = m_clock->size(); // the first index whose value is beyond x
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (valueOf(middle) <= x)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) {
        const double v = valueOf(0);
        return v > 0 ? static_cast<double>(m_clock->point(0).step) * std::max(0.0, x) / v : 0.0;
    }
    const auto before = low - 1;
    const double s0 = static_cast<double>(m_clock->point(before).step), v0 = valueOf(before);
    if (low == m_clock->size())
        return v0 > 0 ? s0 + (x - v0) * s0 / v0 : s0;
    const double s1 = static_cast<double>(m_clock->point(low).step), v1 = valueOf(low);
    return v1 > v0 ? s0 + (x - v0) * (s1 - s0) / (v1 - v0) : s0;
}

namespace {

double roundedUp(double x)
{
    if (!(x > 0))
        return 1.0;
    const double unit = std::pow(10.0, std::floor(std::log10(x)) - 1);
    return std::ceil(x / unit - 1e-9) * unit;
}

/// Where the axis ends: the forecast end while the run is on its way, else where it came to.
double forecastEnd(const runs::RunFollower& run, XAxis axis, double now)
{
    const auto& p = run.progress();
    if (run.state() == runs::RunState::Finished && now > 0)
        return now;
    if (axis == XAxis::Step && p.ofSteps > 0)
        return std::max(now, static_cast<double>(p.ofSteps));
    if (axis == XAxis::Images && p.ofImages > 0 && p.ofSteps == 0)
        return std::max(now, p.ofImages);
    if (axis == XAxis::TrainingTime && p.ofSeconds > 0 && p.ofSteps == 0)
        return std::max(now, p.ofSeconds);
    if (p.fraction > 0.005 && p.fraction < 1.0 && now > 0)
        return std::max(now, roundedUp(now / p.fraction)); // rounded, so that a forecast does not tremble
    return now > 0 ? roundedUp(now) : 1.0;
}

widgets::CurveView curveView(const runs::RunFollower& run, const AxisMap& map, const std::string& tag, const PlotQuery& query, double x0,
                             double x1, double first)
{
    widgets::CurveView view;
    view.tag = tag;
    const auto* curve = run.curve(tag);
    if (curve == nullptr || curve->empty() || !map.known() || !(x1 > x0))
        return view;
    const int pixels = std::clamp(query.pixels, 16, 8192);
    // The smoothed line needs some run-up before the visible piece.
    const double before = std::max(first, x0 - (x1 - x0) * 0.3);
    const double s0 = map.stepOf(x0), s1 = map.stepOf(x1), sBefore = map.stepOf(before);
    view.envelope = curve->envelope(runs::CurveAxis::Step, s0, s1, pixels);
    const int meanPixels = std::clamp(static_cast<int>(std::lround(pixels * (x1 - before) / (x1 - x0))), 16, 16384);
    view.means = curve->means(runs::CurveAxis::Step, sBefore, s1, meanPixels);
    if (query.axis != XAxis::Step) {
        for (auto& point : view.envelope.points)
            point.x = map.at(point.x);
        for (auto& point : view.means)
            point.x = map.at(point.x);
        for (auto& x : view.envelope.notFinite)
            x = map.at(x);
    }
    return view;
}

/// The step at which stages side by side begin, on which the run itself has none; nothing where there are no such stages.
std::optional<double> leavesAt(const runs::RunFollower& run)
{
    for (const auto& stage : run.stages())
        if (run.branches().contains(stage.id))
            return static_cast<double>(stage.fromStep);
    return std::nullopt;
}

std::string recipeName(const runs::Evaluated& evaluated)
{
    if (evaluated.recipe.is_object() && evaluated.recipe.contains("name") && evaluated.recipe["name"].is_string())
        return evaluated.recipe["name"].get<std::string>();
    return evaluated.weights;
}

std::vector<widgets::DistanceSeries> distancesOf(const runs::RunFollower& run, const AxisMap& map)
{
    std::vector<widgets::DistanceSeries> all;
    const auto add = [&](const std::string& metric, const std::string& recipe, const runs::Evaluated& e, double value, auto floor) {
        auto at = std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.metric == metric && s.recipe == recipe; });
        if (at == all.end())
            at = all.insert(all.end(), {metric, recipe, floor, e.ceiling, {}});
        at->points.push_back({map.at(static_cast<double>(e.step)), value, e.step, e.spread});
    };
    for (const auto& entry : run.evaluations()) {
        const auto& e = entry.evaluated;
        if (!runs::leadingMetric(e.metric) || !std::isfinite(e.value))
            continue;
        add(e.metric, recipeName(e), e, e.value, e.floor);
        // Accuracy is shown with its companion.
        if (const auto top5 = e.extra.is_object() ? e.extra.find("top5") : e.extra.end(); top5 != e.extra.end() && top5->is_number())
            add("top5", "Top-5, the same images", e, top5->get<double>(), std::optional<double>());
    }
    for (auto& series : all)
        std::stable_sort(series.points.begin(), series.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
    // The recipe with most points first: it is what the run measures on its way.
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.points.size() > b.points.size(); });
    return all;
}

void addMarks(const runs::RunFollower& run, const AxisMap& map, PlotData& data)
{
    int before = 0;      // the supernet of a stage comes before the stage, with the same number
    bool beside = false; // stages side by side begin together
    for (const auto& stage : run.stages()) {
        const bool branch = std::ranges::find(run.branchStatus(), stage.id, &runs::BranchStatus::name) != run.branchStatus().end();
        if (stage.fromStep <= 0 || std::exchange(before, stage.index) == stage.index || (branch && std::exchange(beside, true)))
            continue;
        const auto title = branch ? QStringLiteral("modules") : widgets::inSentence(widgets::stageTitle(stage.id, stage.index));
        data.marks.push_back({map.at(static_cast<double>(stage.fromStep)), title.toStdString(), true});
    }
    for (const auto& event : run.events())
        if (const auto resumed = runs::eventAs<runs::Resumed>(event); resumed && resumed->fromStep > 0)
            data.marks.push_back({map.at(static_cast<double>(resumed->fromStep)), "resumed", false});
    std::stable_sort(data.marks.begin(), data.marks.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
}

/// Least-squares slope of y over x.
std::optional<double> slope(const std::vector<runs::CurvePoint>& points)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (const auto& p : points) {
        if (!std::isfinite(p.y))
            continue;
        n += 1, sx += p.x, sy += p.y, sxx += p.x * p.x, sxy += p.x * p.y;
    }
    const double spread = n * sxx - sx * sx;
    if (n < 4 || !(spread > 0))
        return std::nullopt;
    return (n * sxy - sx * sy) / spread;
}

void describeLoss(const runs::RunFollower& run, widgets::RunView& view)
{
    view.smoothedLoss.reset();
    view.lossPerThousand.reset();
    const auto* loss = run.curve(runs::tags::kLoss);
    if (loss == nullptr || loss->empty())
        return;
    const double last = static_cast<double>(loss->last().step), first = static_cast<double>(loss->point(0).step);
    const auto newest = loss->means(runs::CurveAxis::Step, last - std::max(1.0, (last - first) * 0.02), last + 1, 16);
    double sum = 0.0;
    int count = 0;
    for (const auto& p : newest)
        if (std::isfinite(p.y))
            sum += p.y, ++count;
    view.smoothedLoss = count > 0 ? sum / count : loss->last().value;
    if (last - first >= 50)
        if (const auto fall = slope(loss->means(runs::CurveAxis::Step, last - (last - first) * 0.2, last + 1, 64)))
            view.lossPerThousand = *fall * 1000.0;
}

/// Where the newest checkpoint was made: runs of older trainers noted only that "auto" was asked for.
std::string devicesOfCheckpoint(const runs::RunFollower& run)
{
    if (run.checkpoints().empty())
        return "auto";
    const auto text = readFile(run.folder().checkpointFolder(run.checkpoints().back().step) / "manifest.json", 16u << 20);
    const auto manifest = text ? Json::parse(*text, nullptr, false) : Json();
    if (!manifest.is_object() || !manifest.contains("made_on") || !manifest["made_on"].is_object())
        return "auto";
    const auto& made = manifest["made_on"];
    const auto device = made.contains("device") && made["device"].is_string() ? made["device"].get<std::string>() : std::string();
    const auto world =
        made.contains("world_size") && made["world_size"].is_number_integer() ? made["world_size"].get<std::int64_t>() : std::int64_t{1};
    if (device == "cpu")
        return world > 1 ? "cpu:" + std::to_string(world) : device;
    return device.starts_with("cuda") ? "cuda:" + std::to_string(world) : "auto";
}

} // namespace

PlotData answer(const runs::RunFollower& run, const PlotQuery& query, const plan::Plan* plan)
{
    PlotData data;
    data.folder = run.folder().root();
    data.query = query;
    const AxisMap map(query.axis, run);
    data.now = map.known() ? map.at(static_cast<double>(run.progress().step)) : 0.0;
    if (!run.branches().empty() && map.known() && (query.axis == XAxis::Images || query.axis == XAxis::TrainingTime)) // in turn
        data.now = std::max(data.now, query.axis == XAxis::Images ? run.progress().images : run.progress().seconds);
    if (map.known() && query.axis == XAxis::WallTime)
        for (const auto& [name, branch] : run.branches())
            if (const auto* loss = branch.curve(runs::tags::kLoss); loss != nullptr && !loss->empty())
                data.now = std::max(data.now, AxisMap(query.axis, branch, map).at(static_cast<double>(loss->last().step)));
    data.full0 = 0.0;
    data.full1 = forecastEnd(run, query.axis, data.now);
    addBlocks(run, plan, map, data); // which may know better where the run ends
    data.x0 = data.full0;
    data.x1 = data.full1;
    if (query.x1 > query.x0) {
        const double width = query.x1 - query.x0;
        data.x0 = query.live ? data.now - width : query.x0;
        data.x1 = query.live ? data.now : query.x1;
    }
    const auto leaves = leavesAt(run);
    for (const auto& tag : query.tags) {
        data.curves.push_back(curveView(run, map, tag, query, data.x0, data.x1, data.full0));
        if (leaves && map.known())
            data.curves.back().breakAfter = map.at(*leaves);
    }
    for (const auto& status : run.branchStatus())
        if (const auto branch = run.branches().find(status.name); branch != run.branches().end() && map.known())
            for (const auto& tag : query.tags) {
                auto view = curveView(branch->second, AxisMap(query.axis, branch->second, map), tag, query, data.x0, data.x1, data.full0);
                view.branch = status.name;
                view.module = static_cast<int>(status.module);
                data.curves.push_back(std::move(view));
            }
    if (map.known()) {
        addMarks(run, map, data);
        data.distances = distancesOf(run, map);
    }
    return data;
}

/// The newest confusion matrix of a run; `known` where it is that one.
std::shared_ptr<const widgets::ConfusionOfStep> newestConfusion(const runs::RunFollower& run,
                                                                const std::shared_ptr<const widgets::ConfusionOfStep>& known)
{
    constexpr std::uint64_t kMostBytes = 64 << 20;
    for (auto entry = run.evaluations().rbegin(); entry != run.evaluations().rend(); ++entry) {
        const auto& evaluated = entry->evaluated;
        if (!evaluated.extra.is_object() || !evaluated.extra.contains("confusion"))
            continue;
        if (known && known->step == evaluated.step)
            return known;
        // By its place and not as the event says: events may come from anywhere.
        const auto csv = readFile(run.folder().confusionFile(evaluated.step), kMostBytes);
        auto confusion = csv ? runs::confusionFromCsv(*csv) : csv.error();
        if (confusion)
            return std::make_shared<widgets::ConfusionOfStep>(widgets::ConfusionOfStep{evaluated.step, *std::move(confusion)});
    }
    return nullptr;
}

widgets::RunView viewOf(const runs::RunFollower& run, const widgets::RunView& before, const runs::RunChanges& changes)
{
    const bool fresh = before.folder != run.folder().root();
    widgets::RunView view = fresh ? widgets::RunView{} : before;
    view.folder = run.folder().root();
    view.name = run.folder().name();
    view.state = run.state();
    view.why = run.why();
    view.problem = run.problem();
    view.failure = run.failure();
    view.progress = run.progress();
    view.branches = branchProgress(run);
    view.branchStatus = run.branchStatus();
    view.attempt = run.attempt();
    if (fresh || changes.config)
        view.config = run.config();
    const auto renew = [&](auto& shared, const auto& list, bool changed) {
        if (fresh || changed || changes.superseded)
            shared = std::make_shared<std::remove_cvref_t<decltype(list)>>(list);
    };
    renew(view.stages, run.stages(), changes.stages);
    renew(view.samples, run.samples(), changes.samples);
    renew(view.checkpoints, run.checkpoints(), changes.checkpoints || changes.evaluations);
    renew(view.evaluations, run.evaluations(), changes.evaluations);
    if (fresh || changes.branches) {
        auto all = std::make_shared<std::vector<runs::EvaluationEntry>>();
        for (const auto& [name, branch] : run.branches())
            all->insert(all->end(), branch.evaluations().begin(), branch.evaluations().end());
        if (all->size() != view.branchEvaluations->size())
            view.branchEvaluations = std::move(all);
    }
    if (fresh || changes.evaluations || changes.superseded)
        view.confusion = newestConfusion(run, view.confusion);
    for (const auto& event : fresh ? run.events() : changes.events)
        if (const auto started = runs::eventAs<runs::Started>(event)) {
            view.devices = started->devices;
            view.ranks = started->ranks;
        }
    if (view.devices == "auto" && (fresh || changes.checkpoints))
        view.devices = devicesOfCheckpoint(run);
    view.last.clear();
    for (const auto& tag : run.tags())
        if (const auto* curve = run.curve(tag); curve != nullptr && !curve->empty())
            view.last[tag] = curve->last();
    describeLoss(run, view);
    return view;
}

} // namespace espalier::gui
