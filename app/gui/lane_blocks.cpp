// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/lane_blocks.h"

#include "core/base/text.h"
#include "core/config/config.h"
#include "core/plan/search_results.h"
#include "core/plan/stage_config.h"
#include "core/runs/branches.h"
#include "core/runs/events.h"
#include "core/runs/metrics.h"
#include "widgets/format.h"
#include "widgets/stage_view.h"
#include "widgets/stage_words.h"
#include "widgets/state_look.h"

#include <QStringList>

#include <algorithm>

namespace espalier::gui {
namespace {

using widgets::BlockView;
using widgets::PlotData;
using widgets::StageSpan;
using widgets::StageView;
using widgets::XAxis;

std::string kindOf(const Json& config, const char* group)
{
    if (config.is_object() && config.contains(group) && config[group].is_object() && config[group].contains("kind") &&
        config[group]["kind"].is_string())
        return config[group]["kind"].get<std::string>();
    return {};
}

/// Where a boundary lies. What the run has done is looked up in its curves; what it will do comes from the forecast.
double xOf(const widgets::StagePoint& point, bool reached, const runs::RunFollower& run, const AxisMap& map, const PlotData& data)
{
    if (reached || data.query.axis == XAxis::Step)
        return map.at(point.steps);
    const auto& now = run.progress();
    switch (data.query.axis) {
    case XAxis::Images:
        return point.images;
    case XAxis::TrainingTime:
        return point.seconds > now.seconds ? point.seconds : map.at(point.steps);
    case XAxis::Flops:
        return std::max(point.flops, data.now);
    default: // as much more wall clock as training time
        return point.seconds > now.seconds && now.seconds > 0 ? data.now * point.seconds / now.seconds : map.at(point.steps);
    }
}

QString timeOf(const StageSpan& span)
{
    const double seconds = span.to.seconds - span.from.seconds;
    if (!(seconds > 0))
        return {};
    if (!span.ended)
        return QStringLiteral("forecast %1").arg(widgets::duration(seconds));
    QString text = QStringLiteral("took %1").arg(widgets::duration(seconds));
    if (span.forecastSeconds)
        text += QStringLiteral(", forecast was %1").arg(widgets::duration(*span.forecastSeconds));
    return text;
}

/// "chose r24_l8 of 6 candidates", or what it will do.
QString searchText(const plan::Plan& plan, const plan::Stage& stage, const std::optional<config::RunConfig>& config)
{
    const auto found = config ? plan::searchResults(plan, stage, *config) : std::nullopt;
    if (found && found->complete)
        for (const auto& candidate : found->candidates)
            if (candidate.chosen)
                return QStringLiteral("chose %1 of %2 candidates").arg(widgets::qstr(candidate.name)).arg(found->candidates.size());
    return QStringLiteral("%1 candidates").arg(stage.window.size());
}

const runs::BranchStatus* statusOf(const runs::RunFollower& run, const plan::Stage& stage)
{
    const auto& all = run.branchStatus();
    const auto found = stage.branch.empty() ? all.end() : std::ranges::find(all, stage.branch, &runs::BranchStatus::name);
    return found == all.end() ? nullptr : &*found;
}

/// How a stage fares that stands beside others, as its branch says; where that never wrote a word, as the run does.
runs::RunState stateOf(const runs::RunFollower& run, const plan::Stage& stage, bool ended)
{
    using enum runs::RunState;
    if (ended)
        return Finished;
    if (const auto* status = statusOf(run, stage); status != nullptr && status->state != New)
        return status->state;
    if (std::ranges::none_of(run.stages(), [&](const auto& begun) { return begun.id == stage.id; }))
        return New;
    return run.stages().back().id == stage.id ? run.state() : Stopped; // another one's turn
}

/// "CPU", "GPU 0", "GPUs 0,1"; empty where nobody said it.
QString deviceWords(std::string_view devices)
{
    if (devices.starts_with("cpu"))
        return QStringLiteral("CPU");
    if (devices.empty() || devices.find_first_not_of("0123456789,") != std::string_view::npos)
        return widgets::qstr(devices);
    return (devices.find(',') == std::string_view::npos ? QStringLiteral("GPU ") : QStringLiteral("GPUs ")) + widgets::qstr(devices);
}

/// What a stage beside others was trained on last: as its branch says, else as the run does.
std::string devicesOf(const runs::RunFollower& run, const plan::Stage& stage)
{
    if (const auto* status = statusOf(run, stage); status != nullptr && !status->device.empty())
        return status->device;
    std::string devices;
    for (const auto& event : run.events())
        if (const auto started = runs::eventAs<runs::Started>(event))
            devices = started->devices;
    return devices;
}

/// Seconds that a stage beside others has left, while it trains.
std::optional<double> timeLeft(const runs::RunFollower& run, const plan::Stage& stage, const StageSpan& span, runs::RunState state)
{
    const auto* status = statusOf(run, stage);
    if (!runs::isLive(state) || span.ended)
        return std::nullopt;
    if (status != nullptr && status->etaSeconds)
        return status->etaSeconds;
    const auto found = run.branches().find(stage.branch);
    if (found == run.branches().end() || !span.started)
        return std::nullopt;
    const auto& now = found->second.progress();
    return now.imagesPerSecond > 0.0 && span.to.seconds > now.seconds ? std::optional(span.to.seconds - now.seconds) : std::nullopt;
}

const runs::Pyramid* lossOf(const runs::RunFollower& run, const plan::Stage& stage)
{
    const auto found = run.branches().find(stage.branch);
    const auto* loss = found == run.branches().end() ? nullptr : found->second.curve(runs::tags::kLoss);
    return loss == nullptr || loss->empty() ? nullptr : loss;
}

/// What stands in the lane of a stage beside others: "loss 1.23 · GPU 0 · 3 m left"; what it is while there is nothing to say.
QString laneText(const runs::RunFollower& run, const plan::Stage& stage, const StageView& view, const StageSpan& span, runs::RunState state)
{
    QStringList words;
    if (const auto* loss = lossOf(run, stage))
        words << QStringLiteral("loss %1").arg(widgets::value(loss->last().value, 4));
    if (!words.isEmpty() || runs::isLive(state))
        if (const auto devices = deviceWords(devicesOf(run, stage)); !devices.isEmpty())
            words << devices;
    if (const auto left = timeLeft(run, stage, span, state))
        words << QStringLiteral("%1 left").arg(widgets::duration(*left));
    else if (span.ended && span.to.seconds > span.from.seconds)
        words << QStringLiteral("took %1").arg(widgets::duration(span.to.seconds - span.from.seconds));
    if (const auto* status = statusOf(run, stage); status != nullptr && status->held && !runs::isLive(state))
        words.prepend(QStringLiteral("held"));
    return words.isEmpty() ? view.counted : words.join(QStringLiteral(" · "));
}

/// What the button of a lane does now, and why it cannot.
std::optional<widgets::ModuleControl> controlOf(const runs::RunFollower& run, const plan::Stage& stage)
{
    const auto* status = statusOf(run, stage);
    if (status == nullptr || status->module < 0 || run.state() == runs::RunState::Finished)
        return std::nullopt;
    const bool starts = status->held || status->state == runs::RunState::Failed;
    const auto may = runs::possible(starts ? runs::Action::Start : runs::Action::Pause, *status, run.state());
    return widgets::ModuleControl{status->module, status->name, starts, may.allowed ? std::string() : may.why};
}

/// What there is to say of a stage beside others: its state, loss, steps of its length, devices and the time that is left.
QStringList branchLines(const runs::RunFollower& run, const plan::Stage& stage, const StageSpan& span, runs::RunState state)
{
    const auto* status = statusOf(run, stage);
    QStringList lines{widgets::stateWords(state)};
    if (status != nullptr && !status->why.empty())
        lines.last() += QStringLiteral(": ") + widgets::countedFromOne(widgets::qstr(status->why));
    const auto found = run.branches().find(stage.branch);
    if (const auto* loss = lossOf(run, stage))
        lines << QStringLiteral("loss %1 at step %2").arg(widgets::value(loss->last().value, 4), widgets::number(loss->last().step));
    const auto length = static_cast<std::int64_t>(span.to.steps - span.from.steps);
    if (found != run.branches().end() && span.started && !span.ended && length > 0) {
        const auto& now = found->second.progress();
        lines << QStringLiteral("%1 of %2 steps")
                     .arg(widgets::number(now.step - static_cast<std::int64_t>(span.from.steps)), widgets::number(length));
        if (const auto left = timeLeft(run, stage, span, state))
            lines << QStringLiteral("about %1 left").arg(widgets::duration(*left));
    }
    if (state == runs::RunState::New)
        return lines;
    if (const auto devices = devicesOf(run, stage); !devices.empty())
        lines << QStringLiteral("on %1").arg(devices.starts_with("cpu") ? widgets::qstr(devices) : deviceWords(devices));
    return lines;
}

QString tipOf(const StageView& view, const StageSpan& span, const QString& search, const QStringList& branch)
{
    QStringList lines{view.title, view.search ? search : view.growth, view.trains};
    lines += branch;
    if (view.searched)
        lines << QStringLiteral("size found without training: ") + search;
    const auto steps = static_cast<std::int64_t>(span.to.steps - span.from.steps);
    if (steps > 0)
        lines << QStringLiteral("%1 steps%2").arg(widgets::number(steps), span.ended ? QString() : QStringLiteral(" (forecast)"));
    if (const auto time = timeOf(span); !time.isEmpty())
        lines << time;
    if (span.searchSeconds > 0.5)
        lines << QStringLiteral("and %1 of searching").arg(widgets::duration(span.searchSeconds));
    if (span.ended && !view.search)
        lines << widgets::stageOnCommandLine(view.index);
    if (view.lanes > 1 && view.id.starts_with("module-"))
        lines << QStringLiteral("On the command line: --module %1").arg(widgets::qstr(view.id.substr(7)));
    return lines.join(QLatin1Char('\n'));
}

/// Whether all that stand beside a stage have ended.
bool joined(const plan::Plan& plan, const plan::Stage& stage)
{
    return std::ranges::all_of(
        plan.stages, [&](const auto& other) { return other.branch.empty() || other.after != stage.after || plan::endOf(plan, other.id); });
}

void addPlanned(const runs::RunFollower& run, const plan::Plan& plan, const AxisMap& map, PlotData& data)
{
    std::optional<config::RunConfig> config;
    if (auto read = config::read(run.config().is_object() ? run.config() : Json::object()))
        config = *std::move(read);
    const auto views = widgets::stageViews(plan, config ? plan::pixelsPerPosition(*config) : 1);
    const auto spans = widgets::stageSpans(plan, run.progress(), branchProgress(run));
    const bool lanes = std::ranges::any_of(views, [](const auto& view) { return view.lanes > 1; });
    const bool over = run.state() == runs::RunState::Finished, begun = runs::isLive(run.state());
    for (std::size_t i = 0; i < views.size(); ++i) {
        const auto& [view, span] = std::tie(views[i], spans[i]);
        const auto& stage = plan.stages[i];
        const auto state = stateOf(run, stage, span.ended);
        const bool beside = view.lanes > 1, started = span.started || (begun && i == 0) || (beside && state != runs::RunState::New);
        BlockView block{view.index,
                        view.title.toStdString(),
                        (view.search                        ? QStringLiteral("supernet of %1").arg(view.growth)
                         : beside                           ? laneText(run, stage, view, span, state)
                         : lanes                            ? view.counted
                         : plan.stages[i].trainable.empty() ? view.growth
                                                            : QStringLiteral("%1 · %2").arg(widgets::squared(view.side), view.trains))
                            .toStdString(),
                        xOf(span.from, span.started || plan::beginOf(plan, stage), run, map, data),
                        over && i + 1 == views.size() ? std::max(data.now, xOf(span.to, true, run, map, data))
                                                      : xOf(span.to, span.ended, run, map, data),
                        started,
                        span.ended,
                        view.search,
                        view.id,
                        {},
                        view.lane,
                        view.lanes,
                        {},
                        state,
                        controlOf(run, stage)};
        if (beside) { // those side by side share the stretch up to where all have ended
            const auto place = [&, from = block.x0, to = xOf(span.joined, joined(plan, stage), run, map, data)](double step) {
                const double longest = span.joined.steps - span.from.steps;
                return longest > 0.0 ? from + (to - from) * std::clamp((step - span.from.steps) / longest, 0.0, 1.0) : to;
            };
            const auto own = run.branches().find(stage.branch);
            block.x1 = place(span.to.steps);
            block.reached = span.ended                    ? block.x1
                            : own != run.branches().end() ? place(static_cast<double>(own->second.progress().step))
                                                          : block.x0;
        }
        const auto search = searchText(plan, stage, config);
        block.tip = tipOf(view, span, search, beside ? branchLines(run, stage, span, state) : QStringList()).toStdString();
        if (!span.ended && !span.started && !beside)
            if (const auto time = timeOf(span); !time.isEmpty())
                block.detail += " · " + time.toStdString();
        if (view.searched) {
            BlockView mark = block;
            mark.search = true;
            mark.title = QStringLiteral("Search for stage %1").arg(view.index + 1).toStdString();
            mark.detail = search.toStdString();
            mark.tip = (QStringLiteral("Search for stage %1, without training\n").arg(view.index + 1) + search).toStdString();
            mark.x1 = mark.x0;
            mark.started = mark.ended = span.started || search.startsWith(QLatin1String("chose"));
            data.blocks.push_back(mark);
        }
        data.blocks.push_back(std::move(block));
    }
    if (data.query.axis != XAxis::Flops || data.blocks.back().x1 > 0)
        data.full1 = over ? data.full1 : std::max(data.now, data.blocks.back().x1 > 0 ? data.blocks.back().x1 : data.full1);
}

} // namespace

widgets::BranchProgress branchProgress(const runs::RunFollower& run)
{
    widgets::BranchProgress all;
    for (const auto& [name, branch] : run.branches())
        all.emplace(name, branch.progress());
    return all;
}

void addBlocks(const runs::RunFollower& run, const plan::Plan* plan, const AxisMap& map, PlotData& data)
{
    if (plan != nullptr && plan->stages.size() > 1 && map.known())
        return addPlanned(run, *plan, map, data);
    const auto& stages = run.stages();
    const bool begun = run.progress().step > 0 || runs::isLive(run.state());
    const bool over = run.state() == runs::RunState::Finished;
    if (stages.size() < 2) {
        const auto schedule = kindOf(run.config(), "schedule");
        const bool plain = schedule.empty() || schedule == "plain";
        std::string detail = "all parts train";
        if (run.progress().ofSteps > 0)
            detail += " · " + groupedNumber(run.progress().ofSteps) + " steps";
        const std::string id = stages.empty() ? std::string() : stages.front().id;
        data.blocks.push_back(
            {0, plain ? "Whole model" : widgets::stageTitle(id, 0).toStdString(), detail, 0.0, data.full1, begun, over, false, id, {}});
        return;
    }
    for (std::size_t i = 0; i < stages.size(); ++i) {
        const bool last = i + 1 == stages.size();
        const double from = map.at(static_cast<double>(stages[i].fromStep));
        const double to = last ? data.full1 : map.at(static_cast<double>(stages[i + 1].fromStep));
        data.blocks.push_back({stages[i].index,
                               widgets::stageTitle(stages[i].id, stages[i].index).toStdString(),
                               stages[i].id,
                               from,
                               to,
                               true,
                               !last || over,
                               false,
                               stages[i].id,
                               {}});
    }
}

} // namespace espalier::gui
