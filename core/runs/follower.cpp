// SPDX-License-Identifier: Apache-2.0
#include "core/runs/follower.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"
#include "core/runs/branches.h"
#include "core/runs/curves.h"
#include "core/runs/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace espalier::runs {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kProbeEvery = std::chrono::milliseconds(1000);
constexpr std::uint64_t kMaxConfig = 16u << 20;

} // namespace

struct RunFollower::Impl {
    Impl(fs::path root, const RunFolder& run)
        : folder(std::move(root)), reader(folder.eventsFile()), curves(folder), probe(run), branches(folder)
    {
    }

    RunFolder folder;
    EventReader reader;
    Curves curves;
    LivenessProbe probe;
    Branches branches;
    Clock::time_point probed{}, listed{};

    std::vector<Event> events;
    RunState written = RunState::New, state = RunState::New;
    std::string why, configProblem, eventsProblem;
    std::optional<Failed> failure;
    int attempt = 0;
    double attemptTime = 0.0;
    std::optional<Started> started;
    Progress progress;
    Json config;
    std::int64_t configModified = -2, checkpointsModified = -2;
    std::uint64_t eventsSize = 0;
    std::vector<StageEntry> stages;
    std::vector<SampleEntry> samples;
    std::vector<CheckpointEntry> checkpoints;
    std::vector<EvaluationEntry> evaluations;
    std::int64_t resumedFrom = -1; // -1: never
    std::int64_t lastEventStep = 0;

    void reset();
    void apply(const Event& event, RunChanges& changes);
    void supersede(const Resumed& resumed, RunChanges& changes);
    void readEvents(RunChanges& changes);
    void readConfig(RunChanges& changes);
    void listCheckpoints(RunChanges& changes);
    void rateCheckpoints();
    void updateState(RunChanges& changes, Clock::time_point now);
    void updateProgress(RunChanges& changes);
    std::optional<double> eta() const;
};

void RunFollower::Impl::reset()
{
    curves.clear();
    events.clear();
    stages.clear();
    samples.clear();
    checkpoints.clear();
    evaluations.clear();
    failure.reset();
    started.reset();
    written = RunState::New;
    attempt = 0;
    resumedFrom = -1;
    checkpointsModified = -2;
    lastEventStep = 0;
}

void RunFollower::Impl::supersede(const Resumed& resumed, RunChanges& changes)
{
    const auto beyond = [&](std::int64_t step) { return step > resumed.fromStep; };
    const auto cut = curves.resume(resumed.attempt, resumed.fromStep);
    changes.grownTags.insert(changes.grownTags.end(), cut.begin(), cut.end());
    const auto s = std::erase_if(samples, [&](const auto& e) { return beyond(e.drawn.step); });
    const auto c = std::erase_if(checkpoints, [&](const auto& e) { return beyond(e.step); });
    const auto v = std::erase_if(evaluations, [&](const auto& e) { return beyond(e.evaluated.step); });
    const auto t = std::erase_if(stages, [&](const auto& e) { return beyond(e.fromStep); });
    changes.samples |= s > 0;
    changes.checkpoints |= c > 0;
    changes.evaluations |= v > 0;
    changes.stages |= t > 0;
    changes.superseded |= s + c + v + t > 0 || !cut.empty();
    resumedFrom = resumed.fromStep;
    lastEventStep = std::min(lastEventStep, resumed.fromStep);
    checkpointsModified = -2;
}

void RunFollower::Impl::apply(const Event& event, RunChanges& changes)
{
    if (const auto e = eventAs<StateChanged>(event)) {
        // The cause of a failure is told by its own event, just before.
        if (e->state != RunState::Failed)
            failure.reset();
        written = e->state;
        why = e->why;
    } else if (const auto e = eventAs<Started>(event)) {
        started = *e;
        attempt = std::max(attempt, e->attempt);
        attemptTime = event.time;
    } else if (const auto e = eventAs<Resumed>(event)) {
        attempt = std::max(attempt, e->attempt);
        attemptTime = event.time;
        supersede(*e, changes);
    } else if (const auto e = eventAs<StageStarted>(event)) {
        std::erase_if(stages, [&](const auto& each) { return each.id == e->id; }); // a resume tells it again
        stages.push_back({e->index, e->id, e->fromStep, event.time});
        changes.stages = true;
    } else if (const auto e = eventAs<SamplesDrawn>(event)) {
        std::erase_if(samples, [&](const auto& each) { return each.drawn.grid == e->grid; });
        samples.push_back({*e, event.time});
        changes.samples = true;
    } else if (const auto e = eventAs<CheckpointWritten>(event)) {
        std::erase_if(checkpoints, [&](const auto& each) { return each.step == e->step; });
        checkpoints.push_back({e->step, e->stage, e->folder, e->bytes, e->because, false, {}, event.time});
        lastEventStep = std::max(lastEventStep, e->step);
        changes.checkpoints = true;
    } else if (const auto e = eventAs<CheckpointRemoved>(event)) {
        changes.checkpoints |= std::erase_if(checkpoints, [&](const auto& each) { return each.step == e->step; }) > 0;
    } else if (const auto e = eventAs<Evaluated>(event)) {
        evaluations.push_back({*e, event.time});
        changes.evaluations = true;
    } else if (const auto e = eventAs<Failed>(event)) {
        failure = *e;
    }
}

void RunFollower::Impl::readEvents(RunChanges& changes)
{
    std::uint64_t size = 0;
    const auto modified = modifiedNs(folder.eventsFile(), &size);
    if (modified < 0) {
        eventsProblem = isRunFolder(folder.root()) ? "events.jsonl is missing: what the run did is not known." : "";
        return;
    }
    if (size == eventsSize && !events.empty())
        return;
    eventsSize = size;
    auto fresh = reader.poll();
    if (reader.restarted())
        reset();
    for (auto& event : fresh) {
        apply(event, changes);
        events.push_back(event);
        changes.events.push_back(std::move(event));
    }
    eventsProblem = reader.badLines() > 0
                        ? fmt::format("events.jsonl has {} damaged line{}, left out.", reader.badLines(), reader.badLines() == 1 ? "" : "s")
                        : "";
}

void RunFollower::Impl::readConfig(RunChanges& changes)
{
    const auto modified = modifiedNs(folder.configFile());
    if (modified == configModified)
        return;
    configModified = modified;
    changes.config = true;
    config = nullptr;
    const auto text = readFile(folder.configFile(), kMaxConfig);
    if (!text) {
        configProblem = text.error().message;
        return;
    }
    auto json = parseJson(*text);
    if (!json.is_object() || !json.contains("config") || !json["config"].is_object()) {
        configProblem = "config.json is damaged: the settings of the run cannot be read.";
        return;
    }
    configProblem.clear();
    config = std::move(json["config"]);
}

void RunFollower::Impl::listCheckpoints(RunChanges& changes)
{
    // What lies on the disk is the truth: someone may delete a checkpoint, or a kill may come between it and its event.
    const auto now = Clock::now();
    const auto modified = modifiedNs(folder.checkpointsFolder());
    if (modified == checkpointsModified && now - listed < kProbeEvery)
        return;
    if (modified != checkpointsModified || !checkpoints.empty()) {
        checkpointsModified = modified;
        const auto stored = storedCheckpoints(folder);
        const auto onDisk = [&](std::int64_t step) {
            const auto at = std::find_if(stored.begin(), stored.end(), [&](const auto& each) { return each.step == step; });
            return at == stored.end() ? nullptr : &*at;
        };
        changes.checkpoints |= std::erase_if(checkpoints, [&](const auto& each) { return !onDisk(each.step); }) > 0;
        for (const auto& each : stored) {
            auto at = std::find_if(checkpoints.begin(), checkpoints.end(), [&](const auto& known) { return known.step == each.step; });
            if (at != checkpoints.end()) {
                changes.checkpoints |= at->keptByHand != each.keptByHand;
                at->keptByHand = each.keptByHand;
            } else if (resumedFrom < 0 || each.step <= resumedFrom) {
                checkpoints.push_back({each.step, 0, folder.relative(folder.checkpointFolder(each.step)), 0, "", each.keptByHand, {}, 0.0});
                changes.checkpoints = true;
            }
        }
        std::sort(checkpoints.begin(), checkpoints.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    }
    listed = now;
}

void RunFollower::Impl::rateCheckpoints()
{
    for (auto& checkpoint : checkpoints)
        for (const auto& each : evaluations) // the newest wins
            if (each.evaluated.step == checkpoint.step && !each.evaluated.weights.starts_with("raw") &&
                leadingMetric(each.evaluated.metric))
                checkpoint.metric = {each.evaluated.metric, each.evaluated.value};
}

void RunFollower::Impl::updateState(RunChanges& changes, Clock::time_point now)
{
    RunState next = written;
    const auto needsProcess = [](RunState each) { return isLive(each) || each == RunState::Queued; };
    if (needsProcess(written)) {
        next = state == RunState::Lost ? RunState::Lost : written;
        if (now - probed >= kProbeEvery || !changes.events.empty()) {
            probed = now;
            const auto alive = probe.probe(now);
            next = written;
            if (alive == Liveness::Dead) {
                // It may have ended properly between our look at the events and this one.
                readEvents(changes);
                next = needsProcess(written) ? RunState::Lost : written;
            }
        }
    }
    if (next == state)
        return;
    state = next;
    changes.state = true;
    if (state == RunState::Lost)
        why = "Its process ended without a word: it was killed, or the machine went down.";
    else if (state == RunState::Failed && failure)
        why = failure->message;
}

std::optional<double> RunFollower::Impl::eta() const
{
    if (!isLive(state))
        return std::nullopt;
    std::optional<double> best;
    const auto consider = [&](double seconds) {
        if (std::isfinite(seconds))
            best = std::min(best.value_or(seconds), std::max(seconds, 0.0));
    };
    const auto* curve = curves.find(tags::kLoss);
    // Of what trains side by side the run has no steps of its own.
    const bool beside = !stages.empty() && branches.all().contains(stages.back().id);
    if (curve && curve->points.size() >= 2 && progress.ofSteps > 0 && !beside) {
        const auto last = curve->points.size() - 1;
        auto from = last - std::min<std::size_t>(last, 50);
        while (from < last && curve->points.point(from).time < attemptTime)
            ++from;
        const auto a = curve->points.point(from), b = curve->points.point(last);
        if (b.step > a.step)
            consider(static_cast<double>(progress.ofSteps - progress.step) * (b.time - a.time) / static_cast<double>(b.step - a.step));
    }
    if (progress.ofImages > 0 && progress.imagesPerSecond > 0)
        consider((progress.ofImages - progress.images) / progress.imagesPerSecond);
    if (progress.ofSeconds > 0)
        consider((progress.ofSeconds - progress.seconds) / static_cast<double>(std::max<std::int64_t>(branches.training(), 1)));
    return best;
}

void RunFollower::Impl::updateProgress(RunChanges& changes)
{
    Progress next;
    const auto last = [&](std::string_view tag) {
        const auto* curve = curves.find(tag);
        const double value = curve && !curve->points.empty() ? curve->points.last().value : 0.0;
        return std::isfinite(value) ? value : 0.0;
    };
    if (const auto* loss = curves.find(tags::kLoss); loss && !loss->points.empty())
        next.step = loss->points.last().step;
    next.step = std::max(next.step, lastEventStep);
    next.images = last(tags::kImages);
    next.seconds = last(tags::kTrainingSeconds);
    next.imagesPerSecond = last(tags::kImagesPerSecond);
    branches.addTo(next, stages.empty() ? std::string_view() : std::string_view(stages.back().id));
    next.measure(started, config, state);
    std::swap(progress, next);
    progress.etaSeconds = eta();
    changes.progress |= progress.step != next.step || progress.ofSteps != next.ofSteps || progress.images != next.images ||
                        progress.seconds != next.seconds || progress.fraction != next.fraction ||
                        progress.imagesPerSecond != next.imagesPerSecond || progress.etaSeconds.has_value() != next.etaSeconds.has_value();
}

RunFollower::RunFollower(fs::path folder) : m_impl(std::make_unique<Impl>(folder, RunFolder(folder))) {}
RunFollower::RunFollower(fs::path folder, const RunFolder& run) : m_impl(std::make_unique<Impl>(std::move(folder), run)) {}
RunFollower::~RunFollower() = default;
RunFollower::RunFollower(RunFollower&&) noexcept = default;
RunFollower& RunFollower::operator=(RunFollower&&) noexcept = default;

RunChanges RunFollower::poll()
{
    RunChanges changes;
    m_impl->readEvents(changes);
    m_impl->readConfig(changes);
    const bool eventsDamaged = !m_impl->eventsProblem.empty();
    auto grown = m_impl->curves.poll(eventsDamaged);
    changes.grownTags.insert(changes.grownTags.end(), grown.begin(), grown.end());
    std::sort(changes.grownTags.begin(), changes.grownTags.end());
    changes.grownTags.erase(std::unique(changes.grownTags.begin(), changes.grownTags.end()), changes.grownTags.end());
    m_impl->updateState(changes, Clock::now());
    m_impl->listCheckpoints(changes);
    changes.branches = m_impl->branches.poll();
    if (changes.checkpoints || changes.evaluations)
        m_impl->rateCheckpoints();
    if (changes.any())
        m_impl->updateProgress(changes);
    return changes;
}

const RunFolder& RunFollower::folder() const
{
    return m_impl->folder;
}

RunState RunFollower::state() const
{
    return m_impl->state;
}

const std::string& RunFollower::why() const
{
    return m_impl->why;
}

const std::optional<Failed>& RunFollower::failure() const
{
    return m_impl->failure;
}

const Progress& RunFollower::progress() const
{
    return m_impl->progress;
}

int RunFollower::attempt() const
{
    return m_impl->attempt;
}

std::string RunFollower::devices() const
{
    return m_impl->started ? m_impl->started->devices : "";
}

const Json& RunFollower::config() const
{
    return m_impl->config;
}

std::string RunFollower::problem() const
{
    if (!m_impl->configProblem.empty())
        return m_impl->configProblem;
    return m_impl->eventsProblem.empty() ? m_impl->curves.problem() : m_impl->eventsProblem;
}

const std::vector<StageEntry>& RunFollower::stages() const
{
    return m_impl->stages;
}

const std::vector<SampleEntry>& RunFollower::samples() const
{
    return m_impl->samples;
}

const std::vector<CheckpointEntry>& RunFollower::checkpoints() const
{
    return m_impl->checkpoints;
}

const std::vector<EvaluationEntry>& RunFollower::evaluations() const
{
    return m_impl->evaluations;
}

const std::vector<Event>& RunFollower::events() const
{
    return m_impl->events;
}

const std::map<std::string, RunFollower, std::less<>>& RunFollower::branches() const
{
    return m_impl->branches.all();
}

const std::vector<BranchStatus>& RunFollower::branchStatus() const
{
    return m_impl->branches.status();
}

std::vector<std::string> RunFollower::tags() const
{
    std::vector<std::string> tags;
    for (const auto& [tag, curve] : m_impl->curves.all())
        tags.push_back(tag);
    return tags;
}

const Pyramid* RunFollower::curve(std::string_view tag) const
{
    const auto* curve = m_impl->curves.find(tag);
    return curve ? &curve->points : nullptr;
}

std::string RunFollower::unit(std::string_view tag) const
{
    const auto* curve = m_impl->curves.find(tag);
    return curve ? curve->unit : "";
}

} // namespace espalier::runs
