// SPDX-License-Identifier: Apache-2.0
#pragma once

// The worker's end of its supervisor: environment, two pipes of JSON lines, and the promise not to outlive it.
// Control pipe (supervisor -> worker): {"wish": {…}} | {"cancel": true}; EOF: the supervisor is gone.
// Status pipe (worker -> supervisor): {"kind": "alive" | "started" | "step" | "measured" | "failed" | "end" | "progress" | "event" |
// "result", …}.
//
// How espalier-cli starts it:
//   espalier-worker train --run .             working folder: the run folder, so that a moved run is followed; one process per rank.
//                                             Goes on from the newest valid checkpoint if there is one. Sends started, then step … end.
//     … --branches apart                      leaves (end: waits) where stages side by side come next, which others train:
//     … --branch B --devices N --at-once M    trains those of branch B alone, in its folder of the run, and sends measured for each that
//                                             ends: plan.json is the supervisor's. Batches are cut as the N devices of the run would cut
//                                             them, threads shared with the M that train at once.
//   espalier-worker <job> --request FILE      one process; FILE is the job's JSON. Sends progress … result. With "run" in the request it
//                                             works on a run at rest: its events go through event(), since the supervisor has the pen.
// Every worker also gets ESPALIER_DEVICE ("cpu", "cuda:1") and LOCAL_WORLD_SIZE. Exit status: exitCode(error), 0 when all went well.

#include "core/base/json.h"
#include "core/base/result.h"
#include "core/runs/control.h"
#include "core/runs/events.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace espalier::runs {

namespace environment {
inline constexpr const char* kControlFd = "ESPALIER_CONTROL_FD";
inline constexpr const char* kStatusFd = "ESPALIER_STATUS_FD";
inline constexpr const char* kSupervisor = "ESPALIER_SUPERVISOR_PID";    // the parent that the worker expects
inline constexpr const char* kHangSeconds = "ESPALIER_HANG_SECONDS";     // no step for so long: the worker hangs (600)
inline constexpr const char* kSilentSeconds = "ESPALIER_SILENT_SECONDS"; // not a word for so long: the worker is stopped (30)
inline constexpr const char* kGraceSeconds = "ESPALIER_GRACE_SECONDS";   // between SIGTERM and SIGKILL of workers (5)
inline constexpr const char* kJoinSeconds = "ESPALIER_JOIN_SECONDS";     // ranks wait so long for each other (30)
inline constexpr const char* kWorkerBinary = "ESPALIER_WORKER_BINARY";
inline constexpr const char* kLibrary = "ESPALIER_LIBRARY";
inline constexpr const char* kAttempt = "ESPALIER_ATTEMPT"; // of ranks that several supervisors started: no other attempt has this name
inline constexpr const char* kDevice = "ESPALIER_DEVICE";   // "cpu" or "cuda:N": where this worker computes
/// What a variable says; `otherwise` where it is not set or makes no sense.
std::chrono::seconds seconds(const char* name, std::chrono::seconds otherwise);
} // namespace environment

/// Place of this process among the workers of a run, as its supervisor tells it: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE,
/// MASTER_ADDR, MASTER_PORT.
struct Ranks {
    int rank = 0, worldSize = 1, localRank = 0;
    std::string masterAddress = "127.0.0.1";
    int masterPort = 0;
    int localWorldSize = 1; // on this machine; worldSize when nobody says
};
/// From the environment; one rank alone when RANK is not set. Usage error that names a variable that makes no sense.
Result<Ranks> ranksFromEnvironment();

enum class EndedHow { Finished, Paused, Stopped, Waits }; // Waits: for stages that others train
std::string_view endText(EndedHow how);
std::optional<EndedHow> endFromText(std::string_view text);

/// Make it first thing in main of a worker: arms PDEATHSIG, checks the parent, and starts the thread that reads the control pipe.
/// Without a supervisor (variables not set) it does nothing, so that a worker can be run by hand. All methods: any thread.
class WorkerLink {
public:
    WorkerLink();
    ~WorkerLink(); // joins the thread
    WorkerLink(const WorkerLink&) = delete;
    WorkerLink& operator=(const WorkerLink&) = delete;

    bool supervised() const { return m_control >= 0; }

    /// Wishes that arrived since the last call, oldest first. Only rank 0 gets any.
    std::vector<Wish> takeWishes();
    /// A pause or stop wish was seen, or the job was cancelled: long work (sampling, evaluation) should come to its end early.
    bool stopRequested() const { return m_stop.stop_requested(); }
    std::stop_token stopToken() const { return m_stop.get_token(); }
    /// Stands for a wish that did not come through the pipe (a signal to a worker run by hand).
    void requestStop();

    void started(const Json& details = Json::object());
    /// At most one line a second goes out: call it every step. Also call it (same step) while sampling, saving or evaluating.
    void heartbeat(std::int64_t step, std::string_view doing = "training");
    /// While this rank waits for another one, it says so: what it waits for may take long, and whoever is late is the one that hangs.
    void setWaiting(bool waits) { m_waits = waits; }
    /// Before a failed worker exits with exitCode(error).
    void failed(const Error& error, std::int64_t step = -1, std::string_view checkpoint = "");
    /// Before a train worker exits with 0; the supervisor then writes the state.
    void end(EndedHow how, std::int64_t step);

    // Jobs (sample, evaluate, export, bench …): progress at most ten times a second, then one result.
    void progress(double done, double of, std::string_view what);
    void result(const Json& result);
    /// For the events.jsonl of the run that a job works on. A train worker of rank 0 has its own RunWriter, and sends its answers to
    /// wishes.
    void event(const Event& event);
    /// Of a branch: an entry for the ledger of plan.json.
    void measured(const Json& measurement);

private:
    void readControl(std::stop_token stop);
    void take(const std::string& line);
    void send(const Json& line, bool mayDrop);

    int m_control = -1, m_status = -1, m_wake = -1;
    std::mutex m_mutex; // wishes
    std::vector<Wish> m_wishes;
    std::mutex m_sendMutex;
    std::chrono::steady_clock::time_point m_lastHeartbeat{}, m_lastProgress{};
    std::string m_lastDoing;
    std::atomic<bool> m_waits = false;
    std::stop_source m_stop;
    std::jthread m_reader; // last: joins before the rest goes
};

} // namespace espalier::runs
