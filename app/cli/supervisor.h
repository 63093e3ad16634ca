// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/branch_crew.h"
#include "app/cli/common_end.h"
#include "app/cli/console.h"
#include "app/cli/gpu_curves.h"
#include "app/cli/meeting.h"
#include "app/cli/owned_run.h"
#include "app/cli/signals.h"
#include "app/cli/train_worker.h"
#include "core/base/log.h"
#include "core/config/run_config.h"
#include "core/runs/events.h"
#include "core/runs/library.h"
#include "core/runs/rendezvous.h"
#include "core/runs/run_folder.h"
#include "core/runs/watcher.h"
#include "core/runs/worker_link.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

struct SupervisorPlan {
    std::filesystem::path worker;
    std::vector<std::string> devices = {}; // one worker each: "cpu", "cuda:0"
    config::RunConfig config = {};         // of the run
    runs::Rendezvous place = {};           // under torchrun and its like: that of the one worker
    std::string job = "train";             // of the workers; "search" leaves earlier
    Introduction introduction = {};        // to the supervisors of other ranks
    std::unique_ptr<Meeting> meeting = {}; // where these were found already
    std::vector<int> inherit = {};         // locks that workers keep with us
};

/// Trains a run: one worker per device, wishes relayed, the end told. Where stages stand side by side these workers leave, each branch gets
/// one of its own, and when all branches have ended the others begin again. Everything in one thread, which must be the main thread. Where
/// ranks were started one by one, each has a supervisor of one worker; that of rank 0 writes, and hears from the others how their workers
/// fare.
class Supervisor {
public:
    /// `run` is missing for ranks other than 0 that were started one by one: they write nothing.
    Supervisor(runs::RunFolder folder, std::optional<OwnedRun> run, SupervisorPlan plan, Signals& signals, Console& console);

    /// The state in which the run came to rest, or what went wrong (already written into the run).
    Result<runs::RunState> train();

private:
    using Clock = std::chrono::steady_clock;
    using Worker = TrainWorker;

    // supervisor.cpp
    Result<Done> meet();
    Result<Done> spawnAll();
    Result<Child> spawn(const std::string& device, std::vector<std::string> arguments,
                        std::vector<std::pair<std::string, std::string>> environment) const;
    std::vector<std::pair<std::string, std::string>> placeOf(int worker) const;
    void attempt();
    void loop();
    void wait();
    void askToStop();
    void relayWishes();
    void refuseLateWishes();
    void obeySignals();
    void beat();
    void watchGpus();
    bool isOver() const;
    Worker* rankZero();
    void showProgress();
    // supervisor_branches.cpp: stages that train side by side
    bool trainsApart() const { return m_run && m_plan.job == "train" && m_plan.place.worldSize == 1; }
    bool waitsForBranches();
    bool trainBranches();
    void obeyModule(const runs::Wish& wish);
    // supervisor_hears.cpp: what workers and other ranks say
    void hear(Worker& worker, const Json& line);
    void hearOutput(const Worker& worker, std::string_view line);
    void hearExit(Worker& worker);
    void hearRank(const Meeting::Peer& peer, const Json& line);
    // supervisor_ends.cpp: how a run ends
    void failedBy(const Error& error);
    void watchClock();
    void killAll();
    Result<runs::RunState> tellEnd();
    Result<runs::RunState> tellFailure();
    void log(LogLevel level, std::string_view text);
    template <class T>
    void write(const T& what)
    {
        writeEvent(runs::makeEvent(what));
    }
    void writeEvent(const runs::Event& event);

    runs::RunFolder m_folder;
    std::optional<OwnedRun> m_run;
    SupervisorPlan m_plan;
    Signals& m_signals;
    Console& m_console;
    runs::FolderWatcher m_watcher;
    runs::SummaryReader m_summary;
    std::vector<Worker> m_workers;            // of the run itself
    std::unique_ptr<BranchCrew> m_crew;       // of its branches, while they train
    std::optional<runs::StateChanged> m_rest; // in which the branches left the run
    std::vector<runs::WishAnswered> m_unsaid; // answers that rank 0 was given to write, until it says that it did
    std::optional<Error> m_writeError;
    std::uint64_t m_oomBefore = 0;
    std::int64_t m_step = -1;
    std::string m_doing;
    int m_signalsObeyed = 0, m_logFd = -1;
    Agreement m_agreed;
    GpuMeter m_gpus;
    GpuCurves m_gpuCurves;
    const Patience m_patience = Patience::fromEnvironment();
    CommonEnd m_end;
    Clock::time_point m_lastBeat{}, m_lastWishes{}, m_lastProgress{}, m_lastGpus{}, m_firstSignal{};
};

} // namespace espalier::cli
