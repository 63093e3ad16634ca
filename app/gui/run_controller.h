// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine.h"

#include "app/gui/job_thread.h"

#include <QObject>

#include <mutex>
#include <thread>

namespace espalier::gui {

/// The door between the window and the engine thread. All methods belong to the GUI thread and return at once; what comes of them
/// arrives as signals, in order.
class RunController : public QObject {
    Q_OBJECT
public:
    explicit RunController(std::filesystem::path cli, QObject* parent = nullptr);
    ~RunController() override; // asks the thread to stop and joins it; runs go on

    void openLibrary(const std::filesystem::path& library);
    void selectRun(const std::filesystem::path& folder);
    void ask(const widgets::PlotQuery& query);
    void askPace(const Json& config);                     // answered by paceFound()
    void readConfig(const std::filesystem::path& folder); // answered by configRead()
    void startNew(const Json& config, const QString& name, const QString& folder, bool queued = false);
    void resume(const std::filesystem::path& folder, const StartHow& how = {});
    /// While somebody chooses devices: machineChanged() comes every second.
    void watchDevices(bool watched);
    /// To that place in the queue, counted from 1.
    void moveInQueue(const QString& id, int place);
    void removeFromQueue(const QString& id);
    /// Without waiting any longer.
    void startQueuedNow(const QString& id);
    void requestWish(const std::filesystem::path& folder, runs::WishKind kind, Json options = Json::object());
    /// Of a run at rest: nobody trains this branch before that is taken back.
    void holdModule(const std::filesystem::path& folder, const std::string& branch, bool held);
    /// `espalier-cli <arguments>` beside the window, which it outlives; its output goes to the run's launch.log. Says `done` when it has
    /// ended well, else `failed` and why.
    void startJob(const std::filesystem::path& folder, const QStringList& arguments, const QString& said, const QString& done,
                  const QString& failed);
    /// Makes a run of another's stages beside it on the thread for long work, shows it, and starts it where asked.
    void fork(const std::filesystem::path& folder, const QStringList& arguments, const QString& name, bool start);
    void rename(const std::filesystem::path& folder, const QString& name);
    void archive(const std::filesystem::path& folder);
    void trash(const std::filesystem::path& folder);
    void saveCsv(const QString& tag, const QString& file);
    void keepCheckpoint(const std::filesystem::path& folder, std::int64_t step, bool keep);
    void deleteCheckpoint(const std::filesystem::path& folder, std::int64_t step);
    /// Reads the whole checkpoint on the thread for long work; answered by checkpointChecked().
    void verifyCheckpoint(const std::filesystem::path& folder, std::int64_t step);
    /// Reads what these runs measured on the thread for long work; answered by runsCompared().
    void compareRuns(const QStringList& folders);
    /// Runs `espalier-cli <arguments>` to its end on the thread for long work and says `done`, or `failed` and why.
    void runTool(const QStringList& arguments, const QString& done, const QString& failed);
    /// Has espalier-cli say what a file or folder is; answered by foreignInspected().
    void inspect(const std::filesystem::path& path);
    /// Reads a configuration on the thread for long work; answered by foreignSettings().
    void readSettings(const std::filesystem::path& file);

Q_SIGNALS:
    void libraryChanged(const espalier::gui::LibraryChanged& change);
    void runChanged(const espalier::gui::RunChanged& change);
    void plotAnswered(const espalier::widgets::PlotData& data);
    void gridArrived(const espalier::gui::GridArrived& grid);
    void machineChanged(const espalier::gui::MachineChanged& machine);
    void queueChanged(const espalier::widgets::QueueView& queue);
    void logArrived(const espalier::gui::LogArrived& log);
    void configRead(const espalier::gui::ConfigRead& read);
    void paceFound(const std::optional<espalier::widgets::Pace>& pace);
    void checkpointChecked(const espalier::gui::CheckpointChecked& check);
    void runsCompared(const espalier::gui::RunsCompared& compared);
    void foreignInspected(const espalier::gui::ForeignInspected& found);
    void foreignSettings(const espalier::gui::ForeignSettings& found);
    void launched(const QString& folder);
    void said(const espalier::gui::Said& said);

private:
    void publish(EngineEvent event); // engine thread
    void drain();                    // GUI thread

    std::mutex m_inboxMutex;
    std::vector<EngineEvent> m_inbox;
    bool m_drainQueued = false;
    const std::filesystem::path m_cli;
    Engine m_engine;
    JobThread m_jobs;
    std::jthread m_thread; // last: joins before the rest goes
};

/// espalier-cli beside the running program, else the one on PATH.
std::filesystem::path findCli();

} // namespace espalier::gui
