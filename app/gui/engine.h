// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine_events.h"
#include "app/gui/launches.h"
#include "app/gui/log_reader.h"
#include "app/gui/machine_reader.h"
#include "app/gui/pace.h"
#include "app/gui/plan_reader.h"
#include "app/gui/queue_reader.h"
#include "core/runs/control.h"
#include "core/runs/watcher.h"
#include "widgets/run_values.h"

#include <QString>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace espalier::gui {

/// The work of the engine thread: follows the library and the chosen run, answers plots, launches runs and delivers wishes.
/// run() and everything marked so belong to the engine thread; post() may be called by any.
class Engine {
public:
    using Sink = std::function<void(EngineEvent)>;
    /// `cli` is the program that trains; `sink` is called on the engine thread.
    Engine(std::filesystem::path cli, Sink sink);

    /// Any thread: has the engine thread do something soon.
    void post(std::function<void(Engine&)> work);
    /// Engine thread: works until stop is asked for.
    void run(std::stop_token stop);

    // Engine thread, through post().
    void openLibrary(const std::filesystem::path& library);
    void selectRun(const std::filesystem::path& folder);
    void ask(const widgets::PlotQuery& query);
    /// How fast such a run will train, as far as the library knows; only the newest question is answered.
    void askPace(const Json& config);
    /// Answered by ConfigRead: what another run was started with.
    void readConfig(const std::filesystem::path& folder);
    void startNew(const Json& config, const std::string& name, std::filesystem::path folder, bool queued);
    void resume(const std::filesystem::path& folder, const StartHow& how = {});
    /// While somebody chooses devices, what they do is told every second.
    void watchDevices(bool watched);
    /// Something done with the queue: its order and tickets are told anew, and what went wrong.
    void changeQueue(const std::function<Result<Done>(const runs::Queue&)>& change);
    /// A run that somebody made in the library: shows it, and starts it where asked.
    void showNew(const std::filesystem::path& folder, bool start);
    void wish(const std::filesystem::path& folder, runs::WishKind kind, Json options);
    void hold(const std::filesystem::path& folder, const std::string& branch, bool held);
    /// `said` while it goes on, `done` when it has ended well, else `failed` and why.
    void job(const std::filesystem::path& folder, std::vector<std::string> arguments, const QString& said, const QString& done,
             const QString& failed);
    void rename(const std::filesystem::path& folder, const std::string& name);
    void archive(const std::filesystem::path& folder);
    void trash(const std::filesystem::path& folder);
    void saveCsv(const std::string& tag, const std::filesystem::path& file);
    void keep(const std::filesystem::path& folder, std::int64_t step, bool keep);
    void remove(const std::filesystem::path& folder, std::int64_t step);

private:
    using Clock = std::chrono::steady_clock;
    bool takeWork();
    void noteChanges();
    void scanLibrary(bool first);
    void lookAtRuns();
    void publishLibrary(bool first);
    void pollRun(bool fresh);
    void publishPlot();
    void publishPace();
    void loadGrid();
    void publishLog(bool fresh);
    void answerWishes(const std::vector<runs::Event>& events);
    void publishMachine();
    void publishQueue();
    std::chrono::milliseconds machinePatience() const;
    void watchFolders();
    std::chrono::milliseconds patience() const;
    bool anyLive() const;
    void say(const QString& text);
    void complain(const Error& error);

    const Sink m_sink;
    runs::FolderWatcher m_watcher;
    std::mutex m_mutex; // m_work
    std::vector<std::function<void(Engine&)>> m_work;

    std::unique_ptr<runs::Library> m_library;
    std::map<std::filesystem::path, bool> m_known; // folder -> live
    std::set<std::filesystem::path> m_dirtyRuns;   // where files have changed since the last look
    bool m_libraryDirty = false;                   // runs came or went
    std::unique_ptr<runs::RunFollower> m_follower;
    std::optional<PlanReader> m_plan; // of the chosen run
    widgets::RunView m_view;
    widgets::PlotQuery m_query;
    bool m_asked = false, m_plotDue = false, m_runDirty = false;
    std::string m_gridShown;
    std::optional<LogReader> m_log;
    std::set<std::string> m_wishes; // ids that are ours and unanswered
    Launches m_launches;
    MachineReader m_machine;
    QueueReader m_queue;
    bool m_queueDirty = false, m_devicesWatched = false;
    PaceFinder m_paces;
    std::optional<Json> m_paceAsked;
    Clock::time_point m_scanned{}, m_looked{}, m_runDirtied{}, m_polled{}, m_machineRead{}, m_queueRead{};
};

} // namespace espalier::gui
