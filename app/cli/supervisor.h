// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/cause.h"
#include "app/cli/child.h"
#include "app/cli/console.h"
#include "app/cli/gpu_curves.h"
#include "app/cli/meeting.h"
#include "app/cli/owned_run.h"
#include "app/cli/signals.h"
#include "core/base/log.h"
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
    std::vector<std::string> devices;      // one worker each: "cpu", "cuda:0"
    runs::Rendezvous place = {};           // under torchrun and its like: that of the one worker
    std::string job = "train";             // of the workers; "search" leaves earlier
    Introduction introduction = {};        // to the supervisors of other ranks
    std::unique_ptr<Meeting> meeting = {}; // where these were found already
    std::vector<int> inherit = {};         // locks that workers keep with us
};

/// Trains a run: one worker per device, wishes relayed, the end told. Everything in one thread, which must be the main thread. Where ranks
/// were started one by one, each has a supervisor of one worker; that of rank 0 writes, and hears from the others how their workers fare.
class Supervisor {
public:
    /// `run` is missing for ranks other than 0 that were started one by one: they write nothing.
    Supervisor(runs::RunFolder folder, std::optional<OwnedRun> run, SupervisorPlan plan, Signals& signals, Console& console);

    /// The state in which the run came to rest, or what went wrong (already written into the run).
    Result<runs::RunState> train();

private:
    using Clock = std::chrono::steady_clock;
    struct Worker {
        Child child;
        int rank = 0;
        std::string device, tail;
        Clock::time_point lastWord{}, lastStep{}; // any word; one that tells of progress
        std::optional<runs::EndedHow> end;
        bool failed = false;
    };

    // supervisor.cpp
    Result<Done> meet();
    Result<Done> spawnAll();
    std::vector<std::pair<std::string, std::string>> placeOf(int worker) const;
    void loop();
    void wait();
    void askToStop();
    void relayWishes();
    void refuseLateWishes();
    void obeySignals();
    void beat();
    void watchGpus();
    bool anyRunning() const;
    Worker* rankZero();
    void showProgress();
    // supervisor_hears.cpp: what workers and other ranks say
    void hear(Worker& worker, const Json& line);
    void hearOutput(Worker& worker, std::string_view line);
    void hearExit(Worker& worker);
    void hearRank(const Meeting::Peer& peer, const Json& line);
    void tellRanks(const Cause& cause);
    void tellOver();
    // supervisor_ends.cpp: how a run ends
    void failedBy(Cause cause);
    bool allConsequences() const;
    bool awaitsCauses(Clock::time_point now) const;
    void watchClock();
    void endAll(Clock::time_point now);
    void killAll();
    Result<runs::RunState> tellEnd();
    Result<runs::RunState> tellFailure();
    void log(LogLevel level, std::string_view text);
    template <class T>
    void write(const T& what)
    {
        if (!m_run)
            return;
        if (auto done = m_run->events.write(what); !done && !m_writeError)
            m_writeError = done.error();
    }

    runs::RunFolder m_folder;
    std::optional<OwnedRun> m_run;
    SupervisorPlan m_plan;
    Signals& m_signals;
    Console& m_console;
    runs::FolderWatcher m_watcher;
    runs::SummaryReader m_summary;
    std::vector<Worker> m_workers;
    std::vector<Cause> m_causes;
    std::optional<Error> m_writeError;
    std::uint64_t m_oomBefore = 0;
    std::int64_t m_step = -1;
    std::string m_doing;
    int m_signalsObeyed = 0, m_logFd = -1;
    bool m_now = false;  // a second signal: end at once
    bool m_over = false; // rank 0 said, or was told, that the run is over
    Agreement m_agreed;
    GpuMeter m_gpus;
    GpuCurves m_gpuCurves;
    std::chrono::seconds m_hang{600}, m_silence{30}, m_grace{5};
    Clock::time_point m_lastBeat{}, m_lastWishes{}, m_lastProgress{}, m_lastGpus{}, m_firstSignal{};
    std::optional<Clock::time_point> m_ending, m_terminated, m_firstEnd;
};

} // namespace espalier::cli
