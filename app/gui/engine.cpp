// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine.h"

#include "app/gui/curve_views.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/lease.h"
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
constexpr auto kQueueEvery = 1s;                            // while somebody waits: devices come free without a word
} // namespace

Engine::Engine(fs::path cli, Sink sink)
    : m_sink(std::move(sink)), m_launches(std::move(cli), [this](EngineEvent event) { m_sink(std::move(event)); })
{
}

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
        m_launches.look();
        if (m_library && now - m_machineRead >= machinePatience())
            publishMachine();
        if (m_library && (m_queueDirty || now - m_queueRead >= (m_queue.anyWaits() ? std::chrono::milliseconds(kQueueEvery) : patience())))
            publishQueue();

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
        if (m_library && m_devicesWatched)
            until(m_machineRead, machinePatience());
        if (m_library && m_queue.anyWaits())
            until(m_queueRead, kQueueEvery);
        if (m_watcher.wait(stop, longest))
            noteChanges();
    }
}

void Engine::noteChanges()
{
    const auto library = m_library ? m_library->folder() : fs::path();
    for (const auto& folder : m_watcher.changed()) {
        m_queueDirty = m_queueDirty || folder == m_queue.folder();
        if (folder == library)
            m_libraryDirty = true;
        if (folder == library || folder == m_queue.folder())
            continue;
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
    if (m_launches.any())
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
    publishQueue();
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
        known[run.folder] = runs::isLive(run.state) || run.state == runs::RunState::Queued; // a process stands behind it
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
    std::set<fs::path> folders{m_library->folder(), m_queue.folder()};
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

std::chrono::milliseconds Engine::machinePatience() const
{
    if (m_devicesWatched)
        return 1s;
    return anyLive() ? std::chrono::milliseconds(kMachineEvery) : std::chrono::milliseconds(60s);
}

void Engine::publishQueue()
{
    m_queueDirty = false;
    m_queueRead = Clock::now();
    std::set<fs::path> known;
    for (const auto& [folder, live] : m_known)
        known.insert(folder);
    if (auto changed = m_queue.read(known, m_machine.deviceNames()))
        m_sink(QueueChanged{std::move(*changed)});
}

void Engine::answerWishes(const std::vector<runs::Event>& events)
{
    for (const auto& event : events)
        if (const auto answer = runs::eventAs<runs::WishAnswered>(event);
            answer && m_wishes.erase(answer->id) > 0 && !answer->answer.empty())
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

} // namespace espalier::gui
