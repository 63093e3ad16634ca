// SPDX-License-Identifier: Apache-2.0
#include "app/cli/supervisor.h"

#include "app/cli/free_port.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/machine/memory.h"
#include "core/runs/retention.h"
#include "core/runs/run_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace espalier::cli {

using namespace std::chrono_literals;
using runs::RunState;

namespace {

constexpr std::size_t kTail = 8192;
constexpr auto kCausesWithin = 500ms; // when one worker fails, what the others say in this time may explain it better
constexpr auto kVerdictWithin = 10s;  // rank 0 answers one that failed
constexpr auto kOneSignal = 2s;       // launchers repeat what a terminal already sent to all
constexpr auto kGpusEvery = 10s;      // load and heat are not read more often
constexpr auto kLastWords = 30s;      // between the first worker's proper end and the last one's

std::chrono::seconds secondsFromEnvironment(const char* name, std::chrono::seconds otherwise)
{
    const char* text = std::getenv(name);
    const long value = text ? std::strtol(text, nullptr, 10) : 0;
    return value > 0 ? std::chrono::seconds(value) : otherwise;
}

template <class T>
T valueOr(const Json& json, const char* key, T otherwise)
{
    const auto at = json.find(key);
    if (at == json.end())
        return otherwise;
    if constexpr (std::is_same_v<T, std::string>)
        return at->is_string() ? at->template get<std::string>() : otherwise;
    else
        return at->is_number_integer() ? at->template get<T>() : otherwise;
}

/// We and the workers stand inside the run and call it "."; a person needs the whole path.
Error named(Error error)
{
    std::error_code ignored;
    for (auto at = error.message.find(" ./"); at != std::string::npos; at = error.message.find(" ./"))
        error.message.replace(at + 1, 1, std::filesystem::current_path(ignored).string());
    return error;
}

/// 'T' where a signal or a debugger has stopped the process.
bool isStopped(pid_t process)
{
    const auto stat = readFile("/proc/" + std::to_string(process) + "/stat", 4096);
    const auto at = stat ? stat->rfind(") ") : std::string::npos;
    return at != std::string::npos && at + 2 < stat->size() && ((*stat)[at + 2] == 'T' || (*stat)[at + 2] == 't');
}

std::string whyHanging(int rank, pid_t process, bool silent, std::chrono::seconds silence, std::chrono::seconds hang)
{
    if (silent && isStopped(process))
        return fmt::format(
            "Worker {} was stopped (SIGSTOP, or by a debugger), gave no sign of life for {} and was ended. The run can be resumed.", rank,
            durationText(silence));
    if (silent)
        return fmt::format("Worker {} gave no sign of life for {} and was ended. The run can be resumed.", rank, durationText(silence));
    return fmt::format("Worker {} lives, but took no step for {} and was ended. The run can be resumed.", rank, durationText(hang));
}

RunState stateOf(runs::EndedHow how)
{
    return how == runs::EndedHow::Finished ? RunState::Finished : how == runs::EndedHow::Paused ? RunState::Paused : RunState::Stopped;
}

} // namespace

Supervisor::Supervisor(runs::RunFolder folder, std::optional<OwnedRun> run, SupervisorPlan plan, Signals& signals, Console& console)
    : m_folder(std::move(folder)), m_run(std::move(run)), m_plan(std::move(plan)), m_signals(signals), m_console(console),
      m_summary(m_folder.root()), m_gpus(m_plan.devices), m_hang(secondsFromEnvironment(runs::environment::kHangSeconds, 600s)),
      m_silence(secondsFromEnvironment(runs::environment::kSilentSeconds, 30s)),
      m_grace(secondsFromEnvironment(runs::environment::kGraceSeconds, 5s))
{
}

Result<RunState> Supervisor::train()
{
    m_oomBefore = machine::outOfMemoryKills();
    if (m_run) {
        m_logFd = ::open(m_folder.logFile().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        std::error_code ignored;
        std::filesystem::create_directories(m_folder.controlFolder(), ignored);
        (void)runs::takeWishes(m_folder); // of another life
        m_watcher.watch({m_folder.controlFolder()});
        write(runs::StateChanged{RunState::Starting, ""});
        if (m_writeError)
            return named(*m_writeError);
    }
    m_lastBeat = Clock::now();
    auto begun = meet();
    if (begun)
        begun = spawnAll();
    if (!begun) {
        killAll();
        failedBy({m_run ? -1 : m_plan.place.rank, begun.error(), -1, "", false});
    }
    loop();
    refuseLateWishes();
    auto end = m_causes.empty() || m_now ? tellEnd() : tellFailure();
    if (m_plan.meeting)
        m_plan.meeting->leave();
    if (m_logFd >= 0)
        ::close(m_logFd);
    if (m_writeError)
        return named(*m_writeError);
    return end ? end : Result<RunState>(named(end.error()));
}

/// Ranks that were started one by one find each other and compare what they are about to do.
Result<Done> Supervisor::meet()
{
    if (m_plan.place.worldSize == 1)
        return Done{};
    if (!m_plan.meeting) {
        auto opened = Meeting::open(m_plan.place, m_plan.place.meetingFile);
        if (!opened)
            return opened.error();
        m_plan.meeting = *std::move(opened);
    }
    auto agreed = m_plan.meeting->agree(m_plan.introduction, m_signals, [this] { beat(); });
    if (!agreed)
        return agreed.error();
    m_agreed = *std::move(agreed);
    return Done{};
}

/// What a worker reads of its place among the ranks.
std::vector<std::pair<std::string, std::string>> Supervisor::placeOf(int worker) const
{
    const auto& place = m_plan.place;
    const bool one = place.worldSize > 1; // one worker of several supervisors
    const int world = one ? place.worldSize : static_cast<int>(m_plan.devices.size());
    return {{"RANK", std::to_string(one ? place.rank : worker)},
            {"LOCAL_RANK", std::to_string(one ? place.localRank : worker)},
            {"WORLD_SIZE", std::to_string(world)},
            {"LOCAL_WORLD_SIZE", std::to_string(one ? m_agreed.localWorldSize : world)},
            {"MASTER_ADDR", one ? m_agreed.address : "127.0.0.1"},
            {"MASTER_PORT", std::to_string(m_agreed.port)},
            {"TORCHELASTIC_USE_AGENT_STORE", one && place.agentHoldsStore ? "True" : "False"},
            {runs::environment::kAttempt, m_agreed.name}};
}

Result<Done> Supervisor::spawnAll()
{
    if (!m_plan.meeting)
        m_agreed.port = freePort();
    const int world = static_cast<int>(m_plan.devices.size());
    for (int i = 0; i < world; ++i) {
        ChildSpec spec;
        spec.program = m_plan.worker;
        spec.arguments = {m_plan.job, "--run", "."};
        spec.folder = m_folder.root();
        spec.signalMask = m_signals.before();
        spec.environment = placeOf(i);
        spec.environment.emplace_back(runs::environment::kDevice, m_plan.devices[static_cast<std::size_t>(i)]);
        spec.inherit = m_plan.inherit;
        if (m_run)
            spec.inherit.push_back(m_run->lock.fd());
        auto child = Child::spawn(spec);
        if (!child)
            return child.error();
        m_workers.push_back({std::move(*child),
                             m_plan.meeting ? m_plan.place.rank : i,
                             m_plan.devices[static_cast<std::size_t>(i)],
                             {},
                             Clock::now(),
                             Clock::now(),
                             {},
                             false});
    }
    return Done{};
}

void Supervisor::loop()
{
    while (anyRunning() || awaitsCauses(Clock::now())) {
        wait();
        m_signals.take();
        for (auto& worker : m_workers) {
            worker.child.flushControl();
            const auto read = [&] {
                worker.child.read([&](const Json& line) { hear(worker, line); }, [&](std::string_view line) { hearOutput(worker, line); });
            };
            read();
            if (worker.child.reap()) {
                read(); // what it wrote just before
                hearExit(worker);
            }
        }
        if (m_plan.meeting)
            m_plan.meeting->exchange([&](const Meeting::Peer& peer, const Json& line) { hearRank(peer, line); });
        obeySignals();
        relayWishes();
        watchClock();
        beat();
        watchGpus();
        showProgress();
    }
}

void Supervisor::wait()
{
    std::vector<pollfd> fds{{m_signals.fd(), POLLIN, 0}};
    if (m_run && m_watcher.fd() >= 0)
        fds.push_back({m_watcher.fd(), POLLIN, 0});
    for (const auto& worker : m_workers) {
        for (const int fd : {worker.child.statusFd(), worker.child.outputFd()})
            if (fd >= 0)
                fds.push_back({fd, POLLIN, 0});
        if (worker.child.hasUnsent() && worker.child.controlFd() >= 0)
            fds.push_back({worker.child.controlFd(), POLLOUT, 0});
    }
    if (m_plan.meeting)
        m_plan.meeting->addTo(fds);
    // The clock ticks for the lease; more often while something is coming to its end.
    const auto tick = m_ending || m_firstEnd
                          ? 50ms
                          : std::max(10ms, std::chrono::duration_cast<std::chrono::milliseconds>(m_lastBeat + 1s - Clock::now()));
    ::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::chrono::milliseconds>(tick, 1s).count()));
}

void Supervisor::hear(Worker& worker, const Json& line)
{
    worker.lastWord = Clock::now();
    const auto kind = line["kind"].get<std::string>();
    if (kind == "alive")
        return;
    worker.lastStep = worker.lastWord;
    if (kind == "step") {
        m_step = std::max(m_step, valueOr<std::int64_t>(line, "step", -1));
        if (worker.rank == 0)
            m_doing = valueOr<std::string>(line, "doing", "");
    } else if (kind == "end") {
        worker.end = runs::endFromText(valueOr<std::string>(line, "how", ""));
        m_step = std::max(m_step, valueOr<std::int64_t>(line, "step", -1));
        if (!m_firstEnd)
            m_firstEnd = worker.lastWord;
        if (m_plan.meeting && worker.end)
            m_plan.meeting->say({{"kind", "end"}});
    } else if (kind == "failed") {
        Cause cause;
        cause.rank = worker.rank;
        cause.error.code = runs::errorCodeFromText(valueOr<std::string>(line, "code", ""));
        cause.error.message = valueOr<std::string>(line, "message", "A worker failed without a reason.");
        cause.error.detail = valueOr<std::string>(line, "detail", "");
        cause.step = valueOr<std::int64_t>(line, "step", -1);
        cause.checkpoint = valueOr<std::string>(line, "checkpoint", "");
        cause.consequence = cause.error.code == ErrorCode::Lost || cause.error.code == ErrorCode::Cancelled;
        worker.failed = true;
        failedBy(std::move(cause));
    }
}

/// What the supervisor of another rank says.
void Supervisor::hearRank(const Meeting::Peer& peer, const Json& line)
{
    const auto kind = valueOr<std::string>(line, "kind", "");
    if (kind == "end") {
        m_firstEnd = m_firstEnd ? m_firstEnd : Clock::now();
    } else if (kind == "output" && m_run) {
        log(LogLevel::Info, valueOr<std::string>(line, "line", ""));
    } else if (kind == "gpu" && m_run) {
        m_gpuCurves.add(m_folder, peer.rank, m_step, line.value("values", Json()));
    } else if (kind == "asked" && m_run) {
        askToStop();
    } else if (kind == "over" || kind == "failed" || kind == "gone") {
        if (kind == "gone" && m_firstEnd)
            return;
        Cause cause;
        cause.rank = valueOr<int>(line, "rank", peer.rank);
        cause.error = {kind == "gone" ? ErrorCode::Lost : runs::errorCodeFromText(valueOr<std::string>(line, "code", "")),
                       kind == "gone"
                           ? fmt::format("Rank {} on {} ended without a word: its espalier-cli was killed, or the machine went away. "
                                         "The run can be resumed.",
                                         peer.rank, peer.host)
                           : valueOr<std::string>(line, "message", ""),
                       valueOr<std::string>(line, "detail", "")};
        cause.step = valueOr<std::int64_t>(line, "step", -1);
        cause.checkpoint = valueOr<std::string>(line, "checkpoint", "");
        cause.consequence = kind == "failed" && line.contains("consequence");
        // Rank 0 has heard from everybody, but this rank knows best what it told itself.
        if (kind != "over" || allConsequences())
            failedBy(std::move(cause));
        m_over = m_over || !m_run;
    }
}

/// A worker of this supervisor failed, or another rank did and rank 0 says so to all.
void Supervisor::tellRanks(const Cause& cause)
{
    if (!m_plan.meeting || (m_run && std::exchange(m_over, true)))
        return;
    Json line{{"kind", m_run ? "over" : "failed"},
              {"rank", cause.rank},
              {"code", runs::errorCodeText(cause.error.code)},
              {"message", cause.error.message},
              {"detail", cause.error.detail.substr(0, kTail)},
              {"step", cause.step},
              {"checkpoint", cause.checkpoint}};
    if (cause.consequence)
        line["consequence"] = true;
    m_plan.meeting->say(line);
}

void Supervisor::tellOver()
{
    const auto failed = failureOf(m_causes, m_step);
    tellRanks({failed.rank, {runs::errorCodeFromText(failed.code), failed.message, failed.detail}, failed.step, failed.checkpoint, false});
}

/// When one fails, what the others say soon after may explain it better: one whose peer died speaks before the supervisor of that peer.
bool Supervisor::awaitsCauses(Clock::time_point now) const
{
    if (!m_plan.meeting || !m_ending || m_now || m_agreed.name.empty())
        return false;
    if (!m_run) // rank 0 has the last word
        return !m_over && now - *m_ending < kVerdictWithin;
    return now - *m_ending < (allConsequences() ? 4 * kCausesWithin : kCausesWithin);
}

bool Supervisor::allConsequences() const
{
    return std::all_of(m_causes.begin(), m_causes.end(), [](const auto& cause) { return cause.consequence; });
}

void Supervisor::hearOutput(Worker& worker, std::string_view line)
{
    worker.tail += line;
    worker.tail += '\n';
    if (worker.tail.size() > 2 * kTail)
        worker.tail.erase(0, worker.tail.size() - kTail);
    const auto said = m_workers.size() > 1 || m_plan.meeting ? fmt::format("rank {}: {}", worker.rank, line) : std::string(line);
    log(LogLevel::Info, said);
    if (!m_run && m_plan.meeting)
        m_plan.meeting->say({{"kind", "output"}, {"line", said.substr(0, 4096)}}, true);
}

void Supervisor::hearExit(Worker& worker)
{
    const int status = *worker.child.exit();
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if ((well && worker.end) || m_now)
        return;
    if (worker.end && !well) // it had saved everything and said so; what came after is noted, not a failure
        return log(LogLevel::Warning, fmt::format("worker {} ended badly after its work was done: {}", worker.rank,
                                                  causeOfExit(worker.rank, status, false, "").error.message));
    if (worker.failed) {
        for (auto& cause : m_causes)
            if (cause.rank == worker.rank && cause.error.detail.empty())
                cause.error.detail = worker.tail;
        return;
    }
    if (m_terminated) // by us
        return;
    failedBy(causeOfExit(worker.rank, status, machine::outOfMemoryKills() > m_oomBefore, worker.tail));
}

void Supervisor::failedBy(Cause cause)
{
    if (!m_run && cause.rank == m_plan.place.rank)
        tellRanks(cause);
    m_causes.push_back(std::move(cause));
    if (!m_ending)
        m_ending = Clock::now();
}

void Supervisor::askToStop()
{
    if (auto* zero = rankZero(); zero && zero->child.running())
        zero->child.say(Json{{"wish", runs::wishJson({"signal", runs::WishKind::Stop, Json::object()})}});
    else if (m_plan.meeting && !m_run)
        m_plan.meeting->say({{"kind", "asked"}});
}

void Supervisor::obeySignals()
{
    while (m_signalsObeyed < m_signals.asked()) {
        const auto now = Clock::now();
        if (++m_signalsObeyed == 1) {
            m_firstSignal = now;
            m_console.note("Stopping: saving a checkpoint first. Once more ends at once, without saving.");
            askToStop();
        } else if (!m_now && (m_plan.place.worldSize == 1 || now - m_firstSignal > kOneSignal)) {
            m_now = true;
            if (m_plan.meeting && !m_run)
                m_plan.meeting->say({{"kind", "failed"},
                                     {"rank", m_plan.place.rank},
                                     {"code", runs::errorCodeText(ErrorCode::Cancelled)},
                                     {"message", fmt::format("Rank {} was ended at once by a second signal.", m_plan.place.rank)}});
            killAll();
        }
    }
}

void Supervisor::relayWishes()
{
    if (!m_run || (m_watcher.fd() >= 0 && !m_watcher.take() && Clock::now() - m_lastWishes < 2s))
        return;
    m_lastWishes = Clock::now();
    auto* zero = rankZero();
    if (!zero || !zero->child.running())
        return;
    const auto taken = runs::takeWishes(m_folder);
    for (const auto& refused : taken.refused)
        log(LogLevel::Warning, refused);
    for (const auto& wish : taken.wishes)
        zero->child.say(Json{{"wish", runs::wishJson(wish)}});
}

void Supervisor::refuseLateWishes()
{
    if (m_run)
        for (const auto& wish : runs::takeWishes(m_folder).wishes)
            write(runs::WishAnswered{wish.id, std::string(runs::wishText(wish.kind)), "The run came to its end before this could be done.",
                                     false, m_step});
}

void Supervisor::watchClock()
{
    const auto now = Clock::now();
    if (m_ending)
        return endAll(now);
    for (auto& worker : m_workers) {
        if (!worker.child.running() || (now - worker.lastWord < m_silence && now - worker.lastStep < m_hang))
            continue;
        Cause cause;
        cause.rank = worker.rank;
        cause.error = {ErrorCode::Lost, whyHanging(worker.rank, worker.child.pid(), now - worker.lastWord >= m_silence, m_silence, m_hang),
                       worker.tail};
        worker.failed = true;
        worker.child.signal(SIGKILL);
        return failedBy(std::move(cause));
    }
    if (m_plan.meeting && !m_firstEnd)
        for (const auto& peer : m_plan.meeting->peers())
            if (!peer.left && now - peer.lastWord >= m_silence)
                return failedBy(
                    {peer.rank,
                     {ErrorCode::Lost,
                      fmt::format("Rank {} on {} gave no sign of life for {}: its processes were stopped, or the machine or network "
                                  "went away. The run can be resumed.",
                                  peer.rank, peer.host, durationText(m_silence)),
                      {}},
                     -1,
                     "",
                     false});
    if (m_firstEnd && now - *m_firstEnd > kLastWords)
        for (auto& worker : m_workers)
            if (worker.child.running()) {
                log(LogLevel::Warning, fmt::format("worker {} did not end after its work was done and was ended", worker.rank));
                worker.end = worker.end ? worker.end : runs::EndedHow::Stopped;
                worker.child.signal(SIGKILL);
            }
}

void Supervisor::endAll(Clock::time_point now)
{
    if (!m_terminated) {
        // The first to fail need not be the reason: a peer that died speaks less than those who miss it.
        if (now - *m_ending < (allConsequences() ? 4 * kCausesWithin : kCausesWithin) &&
            (m_workers.size() > 1 || (m_plan.meeting && m_run)))
            return;
        m_terminated = now;
        if (m_run)
            tellOver();
        for (auto& worker : m_workers)
            worker.child.signal(SIGTERM);
    } else if (now - *m_terminated > m_grace) {
        killAll();
    }
}

void Supervisor::killAll()
{
    for (auto& worker : m_workers)
        worker.child.signal(SIGKILL);
}

void Supervisor::beat()
{
    const auto now = Clock::now();
    if (now - m_lastBeat < 1s)
        return;
    m_lastBeat = now;
    if (!m_agreed.name.empty())
        m_plan.meeting->say({{"kind", "alive"}}, true);
    if (!m_run)
        return;
    ++m_run->lease.counter;
    // A full disk must not end a run that only reads; what matters is written by rank 0, which tells.
    (void)runs::writeLease(m_folder, m_run->lease);
}

void Supervisor::watchGpus()
{
    const auto now = Clock::now();
    if (!m_gpus.any() || m_step < 0 || now - m_lastGpus < kGpusEvery)
        return;
    m_lastGpus = now;
    const auto values = m_gpus.read();
    for (std::size_t i = 0; i < m_workers.size() && i < values.size(); ++i)
        if (m_run)
            m_gpuCurves.add(m_folder, m_workers[i].rank, m_step, values[i]);
        else
            m_plan.meeting->say({{"kind", "gpu"}, {"values", values[i]}}, true);
}

bool Supervisor::anyRunning() const
{
    return std::any_of(m_workers.begin(), m_workers.end(), [](const auto& worker) { return worker.child.running(); });
}

Supervisor::Worker* Supervisor::rankZero()
{
    for (auto& worker : m_workers)
        if (worker.rank == 0)
            return &worker;
    return nullptr;
}

Result<RunState> Supervisor::tellEnd()
{
    if (m_now) {
        write(
            runs::StateChanged{RunState::Stopped, "Ended at once by a second signal: what was trained since the last checkpoint is lost."});
        return Error{ErrorCode::Cancelled, "Ended at once. What was trained since the last checkpoint will be trained again.", {}};
    }
    auto* zero = rankZero();
    const auto how = (zero ? zero->end : m_workers.front().end).value_or(runs::EndedHow::Stopped);
    const auto state = stateOf(how);
    write(runs::StateChanged{state, m_step >= 0 ? fmt::format("At step {}.", groupedNumber(m_step)) : ""});
    return state;
}

Result<RunState> Supervisor::tellFailure()
{
    auto failed = failureOf(m_causes, m_step);
    if (m_run)
        tellOver();
    if (failed.checkpoint.empty())
        if (const auto stored = runs::storedCheckpoints(m_folder); !stored.empty())
            failed.checkpoint = m_folder.relative(m_folder.checkpointFolder(stored.back().step));
    if (m_workers.empty() && m_causes.front().error.code == ErrorCode::Cancelled) { // nothing had begun
        write(runs::StateChanged{RunState::Stopped, failed.message});
        return m_causes.front().error;
    }
    log(LogLevel::Error, failed.message);
    write(failed);
    write(runs::StateChanged{RunState::Failed, failed.message});
    return Error{runs::errorCodeFromText(failed.code), failed.message, failed.detail};
}

template <class T>
void Supervisor::write(const T& what)
{
    if (!m_run)
        return;
    if (auto done = m_run->events.write(what); !done && !m_writeError)
        m_writeError = done.error();
}

void Supervisor::log(LogLevel level, std::string_view text)
{
    const auto line = runs::logLine(level, text.substr(0, 4096));
    if (m_logFd >= 0) [[maybe_unused]]
        const auto put = ::write(m_logFd, line.data(), line.size());
}

void Supervisor::showProgress()
{
    const auto now = Clock::now();
    if (m_console.quiet || !m_run || now - m_lastProgress < 1s)
        return;
    m_lastProgress = now;
    m_summary.update();
    const auto& summary = m_summary.summary();
    const auto& p = summary.progress;
    std::string line = p.ofSteps > 0 ? fmt::format("step {} / {}", groupedNumber(std::max(p.step, m_step)), groupedNumber(p.ofSteps))
                                     : fmt::format("step {}", groupedNumber(std::max({p.step, m_step, std::int64_t{0}})));
    if (p.ofSeconds > 0)
        line += fmt::format(" · {} / {}", durationText(std::chrono::duration<double>(p.seconds)),
                            durationText(std::chrono::duration<double>(p.ofSeconds)));
    if (summary.loss)
        line += fmt::format(" · loss {:.4g}", *summary.loss);
    if (p.imagesPerSecond > 0)
        line += fmt::format(" · {:.4g} img/s", p.imagesPerSecond);
    if (!m_doing.empty() && m_doing != "training")
        line += fmt::format(" · {}", m_doing);
    m_console.progress(line);
}

} // namespace espalier::cli
