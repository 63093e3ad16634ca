// SPDX-License-Identifier: Apache-2.0
#include "core/runs/library.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"
#include "core/runs/branches.h"
#include "core/runs/curves.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fcntl.h>
#include <limits>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kSparkline = 48, kMaxAttempts = 8;

/// At most `count` points, evenly spread over a scalar file, always with the last one.
std::vector<ScalarPoint> pointsSpread(const fs::path& file, std::size_t count)
{
    std::vector<ScalarPoint> points;
    const auto header = readScalarHeader(file);
    if (!header || header->bytes == 0)
        return points;
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return points;
    const off_t size = ::lseek(fd, 0, SEEK_END);
    const std::uint64_t all =
        size > static_cast<off_t>(header->bytes) ? (static_cast<std::uint64_t>(size) - header->bytes) / sizeof(ScalarPoint) : 0;
    const std::size_t take = std::min<std::uint64_t>(all, count);
    for (std::size_t i = 0; i < take; ++i) {
        const std::uint64_t index = take == 1 ? all - 1 : (all - 1) * i / (take - 1);
        ScalarPoint point;
        if (::pread(fd, &point, sizeof point, static_cast<off_t>(header->bytes + index * sizeof point)) ==
            static_cast<ssize_t>(sizeof point))
            points.push_back(point);
    }
    ::close(fd);
    return points;
}

/// What is remembered of one run between two scans.
struct Known {
    explicit Known(const fs::path& root) : folder(root), reader(folder.eventsFile()), probe(folder), branches(folder)
    {
        summary.folder = root;
        summary.name = folder.name();
    }
    RunFolder folder;
    EventReader reader;
    LivenessProbe probe;
    Branches branches;
    RunSummary summary;
    Progress own; // what the run itself has done, without its branches
    RunState written = RunState::New;
    std::string writtenWhy;
    std::optional<Started> started;
    std::map<int, std::int64_t> resumes;
    std::vector<int> attempts; // with scalars, the newest last
    struct Distance {
        std::int64_t step;
        double value;
        std::string metric;
    };
    std::vector<Distance> distances;
    std::int64_t lastEventStep = 0;
    Json config;
    std::int64_t identityAt = -2, configAt = -2, eventsAt = -2, scalarsAt = -2;
    std::uint64_t eventsSize = 0, lossSize = 0;
    std::string identityProblem, configProblem, eventsProblem;
    Clock::time_point probed{};

    bool update();
    bool readIdentityFile();
    bool readConfigFile();
    bool readEventsFile();
    void listAttempts();
    bool readScalarFiles();
    bool readState();
    void apply(const Event& event);
};

bool Known::readIdentityFile()
{
    const auto at = modifiedNs(folder.identityFile());
    if (at == identityAt)
        return false;
    identityAt = at;
    identityProblem.clear();
    if (auto identity = readIdentity(folder)) {
        summary.runId = identity->runId;
        summary.created = identity->created;
    } else {
        identityProblem = at < 0 ? "run.json is missing." : identity.error().message;
    }
    return true;
}

bool Known::readConfigFile()
{
    const auto at = modifiedNs(folder.configFile());
    if (at == configAt)
        return false;
    configAt = at;
    configProblem = "config.json is damaged or missing: the settings of the run cannot be read.";
    config = Json::object();
    if (const auto text = readFile(folder.configFile(), 16u << 20)) {
        auto json = parseJson(*text);
        if (json.is_object() && json.contains("config") && json["config"].is_object()) {
            config = std::move(json["config"]);
            configProblem.clear();
        }
    }
    summary.model = valueOr<std::string>(config, "model", "kind", {});
    summary.dataset = valueOr<std::string>(config, "data", "source", {});
    summary.schedule = valueOr<std::string>(config, "schedule", "kind", {});
    return true;
}

void Known::apply(const Event& event)
{
    summary.changed = std::max(summary.changed, event.time);
    if (const auto e = eventAs<StateChanged>(event)) {
        written = e->state;
        if (e->state != RunState::Failed || writtenWhy.empty() || !e->why.empty())
            writtenWhy = e->why;
    } else if (const auto e = eventAs<Started>(event)) {
        started = *e;
    } else if (const auto e = eventAs<Resumed>(event)) {
        resumes[e->attempt] = e->fromStep;
        std::erase_if(distances, [&](const auto& each) { return each.step > e->fromStep; });
        lastEventStep = std::min(lastEventStep, e->fromStep);
    } else if (const auto e = eventAs<CheckpointWritten>(event)) {
        lastEventStep = std::max(lastEventStep, e->step);
    } else if (const auto e = eventAs<Evaluated>(event)) {
        // A distance to other images than those of the data set says nothing beside the rest.
        const bool ofData = !e->recipe.is_object() || !e->recipe.contains("reference");
        if (ofData && leadingMetric(e->metric) && std::isfinite(e->value))
            distances.push_back({e->step, e->value, e->metric});
    } else if (const auto e = eventAs<Failed>(event)) {
        writtenWhy = e->message;
    }
}

bool Known::readEventsFile()
{
    std::uint64_t size = 0;
    const auto at = modifiedNs(folder.eventsFile(), &size);
    if (at == eventsAt && size == eventsSize)
        return false;
    eventsAt = at;
    eventsSize = size;
    const auto events = reader.poll();
    if (reader.restarted()) {
        written = RunState::New;
        started.reset();
        resumes.clear();
        distances.clear();
        lastEventStep = 0;
    }
    for (const auto& event : events)
        apply(event);
    eventsProblem = at < 0                  ? "events.jsonl is missing: what the run did is not known."
                    : reader.badLines() > 0 ? "events.jsonl has damaged lines, which were left out."
                                            : "";
    // Of the metric that was measured last: numbers of another do not compare.
    summary.bestMetric.reset();
    summary.bestMetricName = distances.empty() ? std::string() : distances.back().metric;
    for (const auto& each : distances)
        if (each.metric == summary.bestMetricName && (!summary.bestMetric || isBetter(each.metric, each.value, *summary.bestMetric)))
            summary.bestMetric = each.value;
    return true;
}

void Known::listAttempts()
{
    attempts.clear();
    std::error_code error;
    for (fs::directory_iterator each(folder.scalarsFolder(), error), end; !error && each != end; each.increment(error)) {
        const auto name = each->path().filename().string();
        int number = 0;
        const auto [last, why] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (why == std::errc{} && last == name.data() + name.size() && number > 0)
            attempts.push_back(number);
    }
    std::sort(attempts.begin(), attempts.end());
    if (attempts.size() > kMaxAttempts)
        attempts.erase(attempts.begin(), attempts.end() - kMaxAttempts);
}

bool Known::readScalarFiles()
{
    const auto at = modifiedNs(folder.scalarsFolder());
    if (at != scalarsAt)
        listAttempts();
    const int newest = attempts.empty() ? 0 : attempts.back();
    std::uint64_t size = 0;
    modifiedNs(folder.scalarsFile(newest, tags::kLoss), &size);
    if (at == scalarsAt && size == lossSize)
        return false;
    scalarsAt = at;
    lossSize = size;
    std::vector<ScalarPoint> loss;
    const auto lastOf = [&](std::string_view tag) {
        const auto points = pointsSpread(folder.scalarsFile(newest, tag), 1);
        return points.empty() || !std::isfinite(points[0].value) ? 0.0 : points[0].value;
    };
    for (const int attempt : attempts) {
        const auto resumed = resumes.find(attempt);
        if (resumed != resumes.end())
            std::erase_if(loss, [&](const auto& point) { return point.step > resumed->second; });
        for (const auto& point : pointsSpread(folder.scalarsFile(attempt, tags::kLoss), kSparkline))
            if (loss.empty() || point.step >= loss.back().step)
                loss.push_back(point);
    }
    summary.sparkline.clear();
    summary.loss.reset();
    own.step = lastEventStep;
    if (!loss.empty()) {
        own.step = std::max(loss.back().step, lastEventStep);
        summary.loss = loss.back().value;
        // Even in steps, whatever share of points each attempt gave.
        const auto first = loss.front().step, last = loss.back().step;
        std::size_t from = 0;
        for (int i = 0; i < kSparkline && from < loss.size(); ++i) {
            const double until = static_cast<double>(first) + static_cast<double>(last - first) * (i + 1) / kSparkline;
            double sum = 0.0;
            int count = 0;
            for (; from < loss.size() && (static_cast<double>(loss[from].step) <= until || i + 1 == kSparkline); ++from)
                if (std::isfinite(loss[from].value)) {
                    sum += loss[from].value;
                    ++count;
                }
            if (count > 0)
                summary.sparkline.push_back(static_cast<float>(sum / count));
        }
        summary.changed = std::max(summary.changed, loss.back().time);
    }
    own.images = lastOf(tags::kImages);
    own.seconds = lastOf(tags::kTrainingSeconds);
    own.imagesPerSecond = lastOf(tags::kImagesPerSecond);
    return true;
}

bool Known::readState()
{
    RunState next = written;
    const auto needsProcess = [](RunState each) { return isLive(each) || each == RunState::Queued; };
    if (needsProcess(written)) {
        const auto now = Clock::now();
        next = summary.state == RunState::Lost ? RunState::Lost : written;
        if (now - probed >= std::chrono::milliseconds(900)) {
            probed = now;
            next = written;
            if (probe.probe(now) == Liveness::Dead) {
                readEventsFile(); // it may have ended properly in between
                next = needsProcess(written) ? RunState::Lost : written;
            }
        }
    }
    const bool other = next != summary.state;
    summary.state = next;
    summary.why = next == RunState::Lost ? "Its process ended without a word: it was killed, or the machine went down." : writtenWhy;
    return other;
}

bool Known::update()
{
    bool other = readIdentityFile();
    other |= readConfigFile();
    other |= readEventsFile();
    other |= readScalarFiles();
    other |= readState();
    if (written != RunState::Finished)
        other |= branches.poll();
    if (!other)
        return false;
    auto& p = summary.progress = own;
    p.step = std::max(p.step, lastEventStep);
    branches.addTo(p, {});
    summary.branches = branches.status();
    p.measure(started, config, summary.state);
    summary.problem.clear();
    for (const auto* problem : {&identityProblem, &configProblem, &eventsProblem})
        if (summary.problem.empty() && !problem->empty())
            summary.problem = *problem;
    summary.damaged = !summary.problem.empty();
    if (summary.changed == 0.0)
        summary.changed = summary.created;
    return true;
}

} // namespace

struct Library::Impl {
    fs::path folder;
    std::map<fs::path, Known> known;
    std::vector<RunSummary> runs;
    std::vector<fs::path> changed;
};

Library::Library(fs::path folder) : m_impl(std::make_unique<Impl>())
{
    m_impl->folder = std::move(folder);
}
Library::~Library() = default;
Library::Library(Library&&) noexcept = default;
Library& Library::operator=(Library&&) noexcept = default;

const fs::path& Library::folder() const
{
    return m_impl->folder;
}

const std::vector<RunSummary>& Library::runs() const
{
    return m_impl->runs;
}

const std::vector<fs::path>& Library::changed() const
{
    return m_impl->changed;
}

bool Library::scan()
{
    auto& known = m_impl->known;
    m_impl->changed.clear();
    std::vector<fs::path> here;
    std::error_code error;
    for (fs::directory_iterator at(m_impl->folder, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        std::error_code ignored;
        if (name.starts_with('.') || !at->is_directory(ignored))
            continue;
        // A run whose small files are gone still shows, with a badge.
        if (known.contains(at->path()) || isRunFolder(at->path()) || fs::exists(at->path() / "events.jsonl", ignored))
            here.push_back(at->path());
    }
    std::sort(here.begin(), here.end());
    bool other = std::erase_if(known, [&](const auto& each) { return !std::binary_search(here.begin(), here.end(), each.first); }) > 0;
    for (const auto& path : here) {
        auto [at, fresh] = known.try_emplace(path, path);
        if (at->second.update() || fresh)
            m_impl->changed.push_back(path);
    }
    other |= !m_impl->changed.empty();
    if (other) {
        m_impl->runs.clear();
        for (const auto& [path, each] : known)
            m_impl->runs.push_back(each.summary);
    }
    return other;
}

bool Library::look(const std::set<fs::path>& folders)
{
    m_impl->changed.clear();
    for (const auto& folder : folders) {
        const auto at = m_impl->known.find(folder);
        if (at == m_impl->known.end() || !at->second.update())
            continue;
        m_impl->changed.push_back(folder);
        const auto place = std::lower_bound(m_impl->runs.begin(), m_impl->runs.end(), folder,
                                            [](const RunSummary& run, const fs::path& path) { return run.folder < path; });
        *place = at->second.summary;
    }
    return !m_impl->changed.empty();
}

struct SummaryReader::Impl {
    Known known;
};

SummaryReader::SummaryReader(fs::path runFolder) : m_impl(new Impl{Known(runFolder)}) {}
SummaryReader::~SummaryReader() = default;
SummaryReader::SummaryReader(SummaryReader&&) noexcept = default;
SummaryReader& SummaryReader::operator=(SummaryReader&&) noexcept = default;

bool SummaryReader::update()
{
    return m_impl->known.update();
}

const RunSummary& SummaryReader::summary() const
{
    return m_impl->known.summary;
}

RunSummary summarize(const fs::path& runFolder)
{
    Known known(runFolder);
    known.update();
    return known.summary;
}

} // namespace espalier::runs
