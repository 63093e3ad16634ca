// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine.h"

#include "app/gui/checkpoints.h"
#include "app/gui/curve_views.h"
#include "app/gui/launcher.h"
#include "app/gui/run_chores.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/branches.h"
#include "core/runs/lease.h"
#include "core/runs/retention.h"
#include "core/runs/lock.h"
#include "core/runs/run_folder.h"

#include <QImageReader>

#include <algorithm>

namespace espalier::gui {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using widgets::qstr;

namespace {
constexpr auto kScanEvery = 500ms;                          // at most so often while files change
constexpr auto kScanAnyway = std::chrono::milliseconds(4s); // for disks that do not tell
constexpr auto kPollEvery = 60ms;                           // the chosen run: a new point is on the screen well within 300 ms
constexpr auto kGather = 20ms;                              // what a trainer reports together is read together
constexpr auto kMachineEvery = 2s;                          // while something trains here
constexpr auto kLaunchPatience = 6s;

/// The last sentence that a program left in its log, without its name before it.
Said failureOf(const QString& what, const fs::path& log, std::uintmax_t from, int code)
{
    const auto text = readFile(log, 64u << 20);
    std::string words = text && text->size() > from ? text->substr(static_cast<std::size_t>(from)) : std::string();
    while (!words.empty() && (words.back() == '\n' || words.back() == ' '))
        words.pop_back();
    const auto line = words.substr(words.rfind('\n') == std::string::npos ? 0 : words.rfind('\n') + 1);
    Said said{what + QLatin1Char(' ') + sentenceOf(line, code), true, {}, qstr(log.string())};
    if (words.size() > line.size())
        said.detail = qstr(words);
    return said;
}
} // namespace

Engine::Engine(fs::path cli, Sink sink) : m_cli(std::move(cli)), m_sink(std::move(sink)) {}

void Engine::post(std::function<void(Engine&)> work)
{
    {
        std::lock_guard lock(m_mutex);
        m_work.push_back(std::move(work));
    }
    m_watcher.wake();
}

bool Engine::takeWork()
{
    std::vector<std::function<void(Engine&)>> work;
    {
        std::lock_guard lock(m_mutex);
        work.swap(m_work);
    }
    for (const auto& each : work)
        each(*this);
    return !work.empty();
}

void Engine::run(std::stop_token stop)
{
    while (!stop.stop_requested()) {
        takeWork();
        const auto now = Clock::now();
        if (m_library && now - m_scanned >= (m_libraryDirty ? std::chrono::milliseconds(kScanEvery) : kScanAnyway))
            scanLibrary(false);
        else if (m_library && now - m_looked >= (m_dirtyRuns.empty() ? patience() : std::chrono::milliseconds(kScanEvery)))
            lookAtRuns();
        if (m_follower && (m_runDirty ? now - m_polled >= kPollEvery && now - m_runDirtied >= kGather : now - m_polled >= patience()))
            pollRun(false);
        if (m_plotDue)
            publishPlot();
        if (m_paceAsked)
            publishPace();
        watchLaunches();
        watchJobs();
        if (m_library && now - m_machineRead >= (anyLive() ? std::chrono::milliseconds(kMachineEvery) : 60s))
            publishMachine();

        // Bursts of writes are read together: what changed just after a look waits for the next one.
        auto longest = patience();
        const auto until = [&](Clock::time_point last, std::chrono::milliseconds every) {
            longest = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(last + every - Clock::now()), 1ms, longest);
        };
        if (m_library && m_libraryDirty)
            until(m_scanned, kScanEvery);
        if (m_library && !m_dirtyRuns.empty())
            until(m_looked, kScanEvery);
        if (m_follower && m_runDirty)
            until(std::max(m_polled + kPollEvery, m_runDirtied + kGather), 0ms);
        if (m_watcher.wait(stop, longest))
            noteChanges();
    }
}

void Engine::noteChanges()
{
    const auto library = m_library ? m_library->folder() : fs::path();
    for (const auto& folder : m_watcher.changed()) {
        if (folder == library) {
            m_libraryDirty = true;
            continue;
        }
        if (const auto inside = folder.lexically_relative(library); m_library && !inside.empty() && *inside.begin() != "..")
            m_dirtyRuns.insert(library / *inside.begin());
        if (!m_follower)
            continue;
        const auto root = m_follower->folder().root();
        const auto [at, rest] = std::mismatch(root.begin(), root.end(), folder.begin(), folder.end());
        if (at != root.end())
            continue;
        if (!std::exchange(m_runDirty, true))
            m_runDirtied = Clock::now();
        if (folder == root || folder == root / "scalars")
            watchFolders(); // folders that we want to hear from may have come
    }
}

bool Engine::anyLive() const
{
    return std::any_of(m_known.begin(), m_known.end(), [](const auto& run) { return run.second; });
}

std::chrono::milliseconds Engine::patience() const
{
    if (!m_library)
        return 60s;
    if (!m_launches.empty() || !m_jobs.empty())
        return 400ms;
    return anyLive() ? 1000ms : 4000ms; // files that tell us wake us at once; this is for disks that do not
}

void Engine::openLibrary(const fs::path& library)
{
    std::error_code error;
    fs::create_directories(library, error);
    m_follower.reset();
    m_view = {};
    m_known.clear();
    m_library = std::make_unique<runs::Library>(library);
    scanLibrary(true);
    watchFolders();
    publishMachine();
}

void Engine::scanLibrary(bool first)
{
    m_libraryDirty = false;
    m_dirtyRuns.clear();
    const bool changed = m_library->scan();
    m_scanned = m_looked = Clock::now();
    if (changed || first)
        publishLibrary(first);
}

void Engine::lookAtRuns()
{
    auto folders = std::exchange(m_dirtyRuns, {});
    for (const auto& [folder, live] : m_known)
        if (live)
            folders.insert(folder); // whether they still do
    m_looked = Clock::now();
    if (m_library->look(folders))
        publishLibrary(false);
}

void Engine::publishLibrary(bool first)
{
    LibraryChanged event{m_library->folder(), {}, {}, first};
    std::map<fs::path, bool> known;
    const auto& moved = m_library->changed();
    for (const auto& run : m_library->runs()) {
        known[run.folder] = runs::isLive(run.state);
        if (first || !m_known.contains(run.folder) || std::find(moved.begin(), moved.end(), run.folder) != moved.end())
            event.changed.push_back(run);
    }
    for (const auto& [folder, live] : m_known)
        if (!known.contains(folder))
            event.gone.push_back(folder);
    const bool moves = !event.gone.empty() || known.size() != m_known.size();
    m_known = std::move(known);
    m_sink(std::move(event));
    if (moves)
        watchFolders();
}

void Engine::watchFolders()
{
    std::set<fs::path> folders{m_library->folder()};
    for (const auto& [folder, live] : m_known)
        folders.insert(folder); // its events say when it starts, wherever that happens
    if (m_follower)
        folders.merge(runs::watchFolders(m_follower->folder().root()));
    m_watcher.watch(folders);
}

void Engine::selectRun(const fs::path& folder)
{
    if (m_follower && m_follower->folder().root() == folder)
        return;
    m_follower.reset();
    m_view = {};
    m_gridShown.clear();
    m_asked = false;
    if (folder.empty())
        return;
    m_follower = std::make_unique<runs::RunFollower>(folder);
    m_plan.emplace(runs::RunFolder(folder));
    pollRun(true);
    if (m_library)
        watchFolders();
}

void Engine::pollRun(bool fresh)
{
    m_runDirty = false;
    const auto changes = m_follower->poll();
    const bool planned = m_plan->poll();
    m_polled = Clock::now();
    publishLog(fresh);
    if (!changes.any() && !planned && !fresh)
        return;
    const auto attempt = m_view.attempt;
    m_view = viewOf(*m_follower, fresh ? widgets::RunView{} : m_view, changes);
    m_view.plan = m_plan->plan();
    RunChanged event{m_view, fresh ? m_follower->events() : changes.events, fresh};
    m_sink(std::move(event));
    m_plotDue = m_asked || fresh;
    if (fresh || changes.samples || changes.superseded)
        loadGrid();
    if (!fresh)
        answerWishes(changes.events);
    if (m_library && m_view.attempt != attempt)
        watchFolders(); // the scalars of a new attempt lie in a folder of their own
}

void Engine::ask(const widgets::PlotQuery& query)
{
    m_query = query;
    m_asked = true;
    m_plotDue = m_follower != nullptr;
}

void Engine::publishPlot()
{
    m_plotDue = false;
    if (m_follower)
        m_sink(PlotAnswered{answer(*m_follower, m_query, m_plan->plan().get())});
}

void Engine::askPace(const Json& config)
{
    m_paceAsked = config;
}

void Engine::readConfig(const fs::path& folder)
{
    const auto text = readFile(runs::RunFolder(folder).configFile(), 16u << 20);
    auto document = text ? Json::parse(*text, nullptr, false) : Json();
    const bool whole = document.is_object() && document.contains("config") && document["config"].is_object();
    if (!whole)
        complain(text ? Error{ErrorCode::Format,
                              "config.json of " + folder.filename().string() + " is damaged: there is nothing to compare.", folder.string()}
                      : text.error());
    m_sink(ConfigRead{folder, whole ? std::move(document["config"]) : Json()});
}

void Engine::publishPace()
{
    const auto config = config::read(*std::exchange(m_paceAsked, std::nullopt));
    if (!config || !m_library)
        return;
    m_sink(PaceFound{m_paces.find(*config, m_library->runs(), {runs::hostName(), m_machine.gpuNames()})});
}

void Engine::loadGrid()
{
    const auto& samples = m_follower->samples();
    GridArrived event{m_follower->folder().root(), {}, std::nullopt};
    // Averaged weights when there are any: raw ones of the same step come beside them.
    for (auto at = samples.rbegin(); at != samples.rend() && !event.entry; ++at) {
        const auto step = at->drawn.step;
        for (auto twin = at; twin != samples.rend() && twin->drawn.step == step; ++twin)
            if (!event.entry || (twin->drawn.weights.starts_with("ema") && !event.entry->drawn.weights.starts_with("ema")))
                event.entry = *twin;
    }
    const std::string grid = event.entry ? event.entry->drawn.grid : std::string();
    if (event.entry) {
        const fs::path relative(grid);
        if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end())
            return; // a run folder names only what lies inside it
        QImageReader reader(qstr((event.folder / relative).string()));
        reader.setAllocationLimit(256);
        event.image = reader.read();
        if (event.image.isNull())
            event.entry.reset();
    }
    if (grid == m_gridShown && !grid.empty())
        return;
    m_gridShown = grid;
    m_sink(std::move(event));
}

void Engine::publishLog(bool fresh)
{
    if (fresh || !m_log)
        m_log.emplace(m_follower->folder());
    LogArrived event{m_follower->folder().root(), m_log->read(), fresh};
    if (fresh || !event.lines.empty())
        m_sink(std::move(event));
}

void Engine::publishMachine()
{
    m_machineRead = Clock::now();
    if (auto changed = m_machine.read(m_library->folder()))
        m_sink(std::move(*changed));
}

void Engine::answerWishes(const std::vector<runs::Event>& events)
{
    for (const auto& event : events)
        if (const auto answer = runs::WishAnswered::from(event); answer && m_wishes.erase(answer->id) > 0 && !answer->answer.empty())
            m_sink(Said{qstr(answer->answer), !answer->granted, {}});
}

void Engine::say(const QString& text)
{
    m_sink(Said{text, false, {}});
}

void Engine::complain(const Error& error)
{
    m_sink(Said{qstr(error.message), true, qstr(error.detail)});
}

void Engine::startNew(const Json& config, const std::string& name, fs::path folder)
{
    const auto read = config::read(config);
    if (!read)
        return complain(read.error());
    if (folder.empty()) {
        const auto library = m_library ? m_library->folder() : runs::libraryFolder();
        const auto wanted = library / runs::safeName(name);
        std::error_code error;
        folder = !name.empty() && !fs::exists(wanted, error) ? wanted : runs::newRunPath(library, name.empty() ? "run" : name);
    }
    const auto made = runs::createRunFolder(folder, config::document(*read));
    if (!made)
        return complain(made.error());
    resume(folder);
}

void Engine::resume(const fs::path& folder)
{
    const auto started =
        launchDetached({m_cli.string(), "train", "--run", folder.string(), "--quiet"}, runs::RunFolder(folder).launchLogFile());
    if (!started)
        return complain(started.error());
    m_launches.push_back({folder, Clock::now(), runs::wallTime()});
    m_sink(Launched{folder});
    if (m_library)
        scanLibrary(false);
}

void Engine::showNew(const fs::path& folder, bool start)
{
    if (start)
        return resume(folder);
    if (m_library)
        scanLibrary(false);
    m_sink(Launched{folder});
}

void Engine::watchLaunches()
{
    std::erase_if(m_launches, [&](const Launch& launch) {
        const auto summary = runs::summarize(launch.folder);
        if (runs::isLive(summary.state) || (summary.changed >= launch.wall && runs::isAtRest(summary.state)))
            return true;
        if (Clock::now() - launch.at < kLaunchPatience || runs::isLocked(runs::RunFolder(launch.folder)))
            return Clock::now() - launch.at > 60s;
        const auto log = tailOf(runs::RunFolder(launch.folder).launchLogFile(), 3);
        m_sink(Said{QStringLiteral("%1 did not start. ").arg(qstr(summary.name)) +
                        (log.empty() ? QStringLiteral("Its launch.log is empty.") : qstr(log)),
                    true,
                    {},
                    qstr(runs::RunFolder(launch.folder).launchLogFile().string())});
        return true;
    });
}

void Engine::wish(const fs::path& folder, runs::WishKind kind, Json options)
{
    const auto sent = runs::sendWish(runs::RunFolder(folder), kind, std::move(options));
    if (!sent)
        return complain(sent.error());
    m_wishes.insert(*sent);
}

void Engine::hold(const fs::path& folder, const std::string& branch, bool held)
{
    if (const auto done = runs::setHeld(runs::RunFolder(folder), branch, held); !done)
        return complain(done.error());
    m_runDirty = true;
}

void Engine::job(const fs::path& folder, std::vector<std::string> arguments, const QString& said, const QString& done,
                 const QString& failed)
{
    arguments.insert(arguments.begin(), m_cli.string());
    const auto log = runs::RunFolder(folder).launchLogFile();
    std::error_code error;
    const auto size = fs::file_size(log, error);
    auto started = launchWatched(arguments, log);
    if (!started)
        return complain(started.error());
    m_jobs.push_back({log, error ? 0 : size, done, failed, std::move(*started)});
    say(said);
}

void Engine::watchJobs()
{
    std::erase_if(m_jobs, [this](Job& job) {
        const auto code = job.end.exitCode();
        if (!code)
            return false;
        if (*code == 0)
            say(job.done);
        else
            m_sink(failureOf(job.failed, job.log, job.logFrom, *code));
        return true;
    });
}

void Engine::rename(const fs::path& folder, const std::string& name)
{
    const auto renamed = renameRun(folder, name);
    if (!renamed)
        return complain(renamed.error());
    if (*renamed == folder)
        return;
    scanLibrary(false);
    m_sink(Launched{*renamed}); // shown under its new name
}

void Engine::archive(const fs::path& folder)
{
    const auto archived = archiveRun(folder);
    if (!archived)
        return complain(archived.error());
    scanLibrary(false);
    say(QStringLiteral("Moved to %1.").arg(qstr(archived->string())));
}

void Engine::trash(const fs::path& folder)
{
    if (const auto gone = trashRun(folder); !gone)
        return complain(gone.error());
    if (m_follower && m_follower->folder().root() == folder)
        m_follower.reset();
    scanLibrary(false);
    say(QStringLiteral("%1 is in the trash.").arg(qstr(folder.filename().string())));
}

void Engine::saveCsv(const std::string& tag, const fs::path& file)
{
    if (!m_follower)
        return;
    const auto rows = writeCsv(*m_follower, tag, file);
    if (!rows)
        return complain(rows.error());
    say(QStringLiteral("Saved %1 rows to %2.").arg(static_cast<qulonglong>(*rows)).arg(qstr(file.string())));
}

void Engine::keep(const fs::path& folder, std::int64_t step, bool keep)
{
    if (const auto done = runs::keepCheckpoint(runs::RunFolder(folder), step, keep); !done)
        return complain(done.error());
    say(keep ? QStringLiteral("The checkpoint of step %1 is kept.").arg(step)
             : QStringLiteral("The checkpoint of step %1 may go with the others.").arg(step));
    m_runDirty = true;
}

void Engine::remove(const fs::path& folder, std::int64_t step)
{
    if (const auto done = deleteCheckpoint(runs::RunFolder(folder), step); !done)
        return complain(done.error());
    say(QStringLiteral("The checkpoint of step %1 is deleted.").arg(step));
    m_runDirty = true;
}

} // namespace espalier::gui
