// SPDX-License-Identifier: Apache-2.0
#include "app/cli/supervisor.h"

#include "app/cli/free_port.h"
#include "app/cli/progress_text.h"
#include "core/base/text.h"
#include "core/machine/memory.h"
#include "core/runs/run_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace espalier::cli {

using namespace std::chrono_literals;
using runs::RunState;

namespace {

constexpr auto kOneSignal = 2s;  // launchers repeat what a terminal already sent to all
constexpr auto kGpusEvery = 10s; // load and heat are not read more often

/// We and the workers stand inside the run and call it "."; a person needs the whole path.
Error named(Error error)
{
    std::error_code ignored;
    for (auto at = error.message.find(" ./"); at != std::string::npos; at = error.message.find(" ./"))
        error.message.replace(at + 1, 1, std::filesystem::current_path(ignored).string());
    return error;
}

} // namespace

Supervisor::Supervisor(runs::RunFolder folder, std::optional<OwnedRun> run, SupervisorPlan plan, Signals& signals, Console& console)
    : m_folder(std::move(folder)), m_run(std::move(run)), m_plan(std::move(plan)), m_signals(signals), m_console(console),
      m_summary(m_folder.root()), m_gpus(m_plan.devices), m_end(m_run ? 0 : m_plan.place.rank, m_patience, " The run can be resumed.")
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
    if (auto met = meet(); !met)
        failedBy(met.error());
    attempt();
    while (waitsForBranches() && trainBranches())
        attempt();
    refuseLateWishes();
    auto end = !m_end.hasFailed() || m_end.endsAtOnce() ? tellEnd() : tellFailure();
    if (m_plan.meeting)
        m_plan.meeting->leave();
    if (m_logFd >= 0)
        ::close(m_logFd);
    if (m_writeError)
        return named(*m_writeError);
    return end ? end : Result<RunState>(named(end.error()));
}

/// The workers of the run itself, from their start to their end.
void Supervisor::attempt()
{
    m_workers.clear();
    m_end.begins();
    m_gpuCurves = {};
    if (!m_end.hasFailed())
        if (auto begun = spawnAll(); !begun) {
            killAll();
            failedBy(begun.error());
        }
    loop();
    for (const auto& answer : std::exchange(m_unsaid, {}))
        write(answer);
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
    m_end.among(*m_plan.meeting);
    return Done{};
}

/// What a worker reads of its place among the ranks.
std::vector<std::pair<std::string, std::string>> Supervisor::placeOf(int worker) const
{
    const auto& place = m_plan.place;
    if (place.worldSize > 1) // one worker of several supervisors
        return m_agreed.environment(place.rank, place.localRank, place.worldSize, place.agentHoldsStore);
    auto here = m_agreed;
    here.address = "127.0.0.1";
    here.localWorldSize = static_cast<int>(m_plan.devices.size());
    return here.environment(worker, worker, here.localWorldSize, false);
}

Result<Done> Supervisor::spawnAll()
{
    if (!m_plan.meeting)
        m_agreed.port = freePort();
    std::vector<std::string> arguments;
    if (trainsApart())
        arguments = {"--branches", "apart"};
    for (int i = 0; i < static_cast<int>(m_plan.devices.size()); ++i) {
        const auto& device = m_plan.devices[static_cast<std::size_t>(i)];
        auto child = spawn(device, arguments, placeOf(i));
        if (!child)
            return child.error();
        m_workers.push_back({.child = std::move(*child), .rank = m_plan.meeting ? m_plan.place.rank : i, .device = device});
    }
    return Done{};
}

Result<Child> Supervisor::spawn(const std::string& device, std::vector<std::string> arguments,
                                std::vector<std::pair<std::string, std::string>> environment) const
{
    ChildSpec spec;
    spec.program = m_plan.worker;
    spec.arguments = {m_plan.job, "--run", "."};
    std::ranges::move(arguments, std::back_inserter(spec.arguments));
    spec.folder = m_folder.root();
    spec.signalMask = m_signals.before();
    spec.environment = std::move(environment);
    spec.environment.emplace_back(runs::environment::kDevice, device);
    spec.inherit = m_plan.inherit;
    if (m_run)
        spec.inherit.push_back(m_run->lock.fd());
    return Child::spawn(spec);
}

void Supervisor::loop()
{
    while (!isOver()) {
        wait();
        m_signals.take();
        for (auto& worker : m_workers)
            if (worker.read([&](const Json& line) { hear(worker, line); }, [&](std::string_view line) { hearOutput(worker, line); }))
                hearExit(worker);
        if (m_crew)
            m_crew->work();
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
    for (const auto& worker : m_workers)
        worker.child.addTo(fds);
    if (m_crew)
        m_crew->addTo(fds);
    if (m_plan.meeting)
        m_plan.meeting->addTo(fds);
    // The clock ticks for the lease; more often while something is coming to its end.
    const auto toBeat = std::chrono::duration_cast<std::chrono::milliseconds>(m_lastBeat + m_patience.beat() - Clock::now());
    const auto tick = m_end.nears() ? 50ms : std::max(10ms, toBeat);
    ::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::chrono::milliseconds>(tick, 1s).count()));
}

void Supervisor::askToStop()
{
    if (m_crew)
        m_crew->ask({"", runs::WishKind::Stop, Json::object()});
    else if (auto* zero = rankZero(); zero && zero->child.running())
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
        } else if (!m_end.endsAtOnce() && (m_plan.place.worldSize == 1 || now - m_firstSignal > kOneSignal)) {
            m_end.atOnce();
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
    if (!m_crew && (!zero || !zero->child.running()))
        return;
    const auto taken = runs::takeWishes(m_folder);
    for (const auto& refused : taken.refused)
        log(LogLevel::Warning, refused);
    for (const auto& wish : taken.wishes)
        if (runs::moduleOf(wish))
            obeyModule(wish);
        else if (m_crew)
            m_crew->ask(wish);
        else
            zero->child.say(Json{{"wish", runs::wishJson(wish)}});
}

void Supervisor::refuseLateWishes()
{
    if (m_run)
        for (const auto& wish : runs::takeWishes(m_folder).wishes)
            write(runs::WishAnswered{wish.id, std::string(runs::wishText(wish.kind)), "The run came to its end before this could be done.",
                                     false, m_step});
}

void Supervisor::beat()
{
    const auto now = Clock::now();
    if (now - m_lastBeat < m_patience.beat())
        return;
    m_lastBeat = now;
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
    if (m_crew)
        return m_crew->addGpuCurves(values);
    for (std::size_t i = 0; i < m_workers.size() && i < values.size(); ++i)
        if (m_run)
            m_gpuCurves.add(m_folder, m_workers[i].rank, m_step, values[i]);
        else
            m_plan.meeting->say({{"kind", "gpu"}, {"values", values[i]}}, true);
}

/// Whether this attempt is: of the run itself, or of its branches.
bool Supervisor::isOver() const
{
    if (m_crew)
        return m_crew->over();
    return std::ranges::none_of(m_workers, [](const auto& worker) { return worker.child.running(); }) && !m_end.awaitsWord(Clock::now());
}

Supervisor::Worker* Supervisor::rankZero()
{
    for (auto& worker : m_workers)
        if (worker.rank == 0)
            return &worker;
    return nullptr;
}

void Supervisor::writeEvent(const runs::Event& event)
{
    if (!m_run)
        return;
    if (auto done = m_run->events.append(event); !done && !m_writeError)
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
    if (summary.loss && !m_crew)
        line += fmt::format(" · loss {:.4g}", *summary.loss);
    if (p.imagesPerSecond > 0)
        line += fmt::format(" · {:.4g} img/s", p.imagesPerSecond);
    if (m_crew)
        line += " · " + branchesText(summary.branches);
    else if (!m_doing.empty() && m_doing != "training")
        line += fmt::format(" · {}", m_doing);
    m_console.progress(line);
}

} // namespace espalier::cli
