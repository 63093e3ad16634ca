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

RunState stateOf(runs::EndedHow how)
{
    return how == runs::EndedHow::Finished ? RunState::Finished : how == runs::EndedHow::Paused ? RunState::Paused : RunState::Stopped;
}

} // namespace

Supervisor::Supervisor(runs::RunFolder folder, std::optional<OwnedRun> run, SupervisorPlan plan, Signals& signals, Console& console)
    : m_folder(std::move(folder)), m_run(std::move(run)), m_plan(std::move(plan)), m_signals(signals), m_console(console),
      m_summary(m_folder.root()), m_hang(secondsFromEnvironment(runs::environment::kHangSeconds, 600s)),
      m_grace(secondsFromEnvironment(runs::environment::kGraceSeconds, 5s))
{
}

Result<RunState> Supervisor::train()
{
    m_oomBefore = machine::outOfMemoryKills();
    m_logFd = ::open(m_folder.logFile().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (m_run) {
        std::error_code ignored;
        std::filesystem::create_directories(m_folder.controlFolder(), ignored);
        (void)runs::takeWishes(m_folder); // of another life
        m_watcher.watch({m_folder.controlFolder()});
        write(runs::StateChanged{RunState::Starting, ""});
        if (m_writeError)
            return named(*m_writeError);
    }
    m_lastBeat = Clock::now();
    auto spawned = spawnAll();
    if (!spawned) {
        killAll();
        failedBy({-1, spawned.error(), -1, "", false});
    }
    loop();
    refuseLateWishes();
    auto end = m_causes.empty() || m_now ? tellEnd() : tellFailure();
    if (m_logFd >= 0)
        ::close(m_logFd);
    if (m_writeError)
        return named(*m_writeError);
    return end ? end : Result<RunState>(named(end.error()));
}

Result<Done> Supervisor::spawnAll()
{
    const int port = m_plan.placed ? 0 : freePort();
    const int world = static_cast<int>(m_plan.devices.size());
    for (int i = 0; i < world; ++i) {
        ChildSpec spec;
        spec.program = m_plan.worker;
        spec.arguments = {m_plan.job, "--run", "."};
        spec.folder = m_folder.root();
        spec.signalMask = m_signals.before();
        spec.environment = {{runs::environment::kDevice, m_plan.devices[static_cast<std::size_t>(i)]}};
        if (!m_plan.placed) {
            const auto text = std::to_string(i);
            for (auto& pair : std::vector<std::pair<std::string, std::string>>{{"RANK", text},
                                                                               {"LOCAL_RANK", text},
                                                                               {"WORLD_SIZE", std::to_string(world)},
                                                                               {"LOCAL_WORLD_SIZE", std::to_string(world)},
                                                                               {"MASTER_ADDR", "127.0.0.1"},
                                                                               {"MASTER_PORT", std::to_string(port)}})
                spec.environment.push_back(std::move(pair));
        }
        if (m_run)
            spec.inherit.push_back(m_run->lock.fd());
        auto child = Child::spawn(spec);
        if (!child)
            return child.error();
        m_workers.push_back({std::move(*child),
                             m_plan.placed ? m_plan.placed->rank : i,
                             m_plan.devices[static_cast<std::size_t>(i)],
                             {},
                             Clock::now(),
                             {},
                             false});
    }
    return Done{};
}

void Supervisor::loop()
{
    while (anyRunning()) {
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
        obeySignals();
        relayWishes();
        watchClock();
        beat();
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
    if (kind == "step") {
        m_step = std::max(m_step, valueOr<std::int64_t>(line, "step", -1));
        if (worker.rank == 0)
            m_doing = valueOr<std::string>(line, "doing", "");
    } else if (kind == "end") {
        worker.end = runs::endFromText(valueOr<std::string>(line, "how", ""));
        m_step = std::max(m_step, valueOr<std::int64_t>(line, "step", -1));
        if (!m_firstEnd)
            m_firstEnd = worker.lastWord;
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

void Supervisor::hearOutput(Worker& worker, std::string_view line)
{
    worker.tail += line;
    worker.tail += '\n';
    if (worker.tail.size() > 2 * kTail)
        worker.tail.erase(0, worker.tail.size() - kTail);
    log(LogLevel::Info, m_workers.size() > 1 ? fmt::format("rank {}: {}", worker.rank, line) : std::string(line));
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
    m_causes.push_back(std::move(cause));
    if (!m_ending)
        m_ending = Clock::now();
}

void Supervisor::obeySignals()
{
    const auto ask = [&](std::string_view id) {
        if (auto* zero = rankZero(); zero && zero->child.running())
            zero->child.say(Json{{"wish", runs::wishJson({std::string(id), runs::WishKind::Stop, Json::object()})}});
    };
    while (m_signalsObeyed < m_signals.asked()) {
        if (++m_signalsObeyed == 1) {
            m_console.note("Stopping: saving a checkpoint first. Once more ends at once, without saving.");
            ask("signal");
        } else if (!m_now) {
            m_now = true;
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
        if (!worker.child.running() || now - worker.lastWord < m_hang)
            continue;
        Cause cause;
        cause.rank = worker.rank;
        cause.error = {
            ErrorCode::Lost,
            fmt::format("Worker {} gave no sign of life for {} and was ended. The run can be resumed.", worker.rank, durationText(m_hang)),
            worker.tail};
        worker.failed = true;
        worker.child.signal(SIGKILL);
        return failedBy(std::move(cause));
    }
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
        const bool all = std::all_of(m_causes.begin(), m_causes.end(), [](const auto& cause) { return cause.consequence; });
        if (now - *m_ending < (all ? 4 * kCausesWithin : kCausesWithin) && m_workers.size() > 1)
            return;
        m_terminated = now;
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
    if (!m_run || now - m_lastBeat < 1s)
        return;
    m_lastBeat = now;
    ++m_run->lease.counter;
    // A full disk must not end a run that only reads; what matters is written by rank 0, which tells.
    (void)runs::writeLease(m_folder, m_run->lease);
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
    if (failed.checkpoint.empty())
        if (const auto stored = runs::storedCheckpoints(m_folder); !stored.empty())
            failed.checkpoint = m_folder.relative(m_folder.checkpointFolder(stored.back().step));
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
