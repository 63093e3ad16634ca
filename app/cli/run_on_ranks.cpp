// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_on_ranks.h"

#include "app/cli/common_end.h"
#include "app/cli/devices.h"
#include "app/cli/free_port.h"
#include "app/cli/job_worker.h"
#include "app/cli/meeting.h"
#include "core/base/json_value.h"
#include "core/machine/memory.h"

#include <algorithm>
#include <csignal>
#include <sys/wait.h>

namespace espalier::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto kOneSignal = 2s; // launchers repeat what a terminal already sent to all

class RanksOfJob {
public:
    using Clock = JobWorker::Clock;
    RanksOfJob(const Job& job, Signals& signals, Console& console)
        : m_job(job), m_signals(signals), m_console(console), m_placed(job.place.worldSize > 1), m_leads(job.place.rank == 0),
          m_end(job.place.rank, m_patience, "")
    {
    }

    Result<Json> run()
    {
        m_oomBefore = machine::outOfMemoryKills();
        auto begun = m_placed ? meet() : Result<Done>(Done{});
        if (begun)
            begun = spawnAll();
        if (!begun)
            m_end.failed({m_job.place.rank, begun.error(), -1, "", false});
        while (anyRunning() || m_end.awaitsWord(Clock::now()))
            oneTurn();
        m_console.endProgress();
        auto end = conclude();
        if (m_meeting)
            m_meeting->leave();
        return end;
    }

private:
    Result<Done> meet()
    {
        const auto& file = m_job.place.meetingFile;
        auto meeting = m_leads ? Meeting::open(m_job.place, file) : Meeting::find(m_job.place, file, m_signals, [] { return false; });
        if (!meeting)
            return meeting.error();
        m_meeting = *std::move(meeting);
        auto asked = m_job.request;
        asked.erase("device"); // each has its own
        auto agreed = m_meeting->agree(
            {{}, ESPALIER_VERSION, gpuIdentity(m_job.devices.front()), {{"job", m_job.name}, {"request", asked}}}, m_signals, [] {});
        if (!agreed)
            return agreed.error();
        m_agreed = *std::move(agreed);
        m_end.among(*m_meeting);
        return Done{};
    }

    Result<Done> spawnAll()
    {
        const auto& place = m_job.place;
        const int world = m_placed ? place.worldSize : static_cast<int>(m_job.devices.size());
        if (!m_placed)
            m_agreed = {"127.0.0.1", freePort(), "", world};
        for (std::size_t i = 0; i < m_job.devices.size(); ++i) {
            const int rank = m_placed ? place.rank : static_cast<int>(i);
            auto worker =
                JobWorker::spawn(m_job, rank, m_job.devices[i],
                                 m_agreed.environment(rank, m_placed ? place.localRank : rank, world, place.agentHoldsStore), m_signals);
            if (!worker)
                return worker.error();
            m_workers.push_back(*std::move(worker));
        }
        return Done{};
    }

    void oneTurn()
    {
        std::vector<pollfd> fds{{m_signals.fd(), POLLIN, 0}};
        for (auto& worker : m_workers)
            worker.child().addTo(fds);
        if (m_meeting)
            m_meeting->addTo(fds);
        ::poll(fds.data(), fds.size(), m_end.nears() ? 50 : static_cast<int>(m_patience.beat().count()));
        m_signals.take();
        for (auto& worker : m_workers)
            if (worker.take(m_job, m_console))
                hearExit(worker);
        if (m_meeting)
            m_meeting->exchange([this](const Meeting::Peer& peer, const Json& line) { hearRank(peer, line); });
        obeySignals();
        watchClock();
    }

    void hearExit(JobWorker& worker)
    {
        const int status = *worker.child().exit();
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && worker.result()) {
            m_end.done();
            return;
        }
        if (m_end.endsAtOnce() || m_end.terminated()) // by us
            return;
        Cause cause;
        cause.rank = worker.rank();
        cause.error = worker.failure() ? *worker.failure() : worker.whyEnded(m_job.name, machine::outOfMemoryKills() > m_oomBefore);
        if (cause.error.detail.empty())
            cause.error.detail = worker.tail();
        cause.consequence = worker.failure() && (cause.error.code == ErrorCode::Lost || cause.error.code == ErrorCode::Cancelled);
        m_end.failed(std::move(cause));
    }

    /// What the supervisor of another rank says.
    void hearRank(const Meeting::Peer& peer, const Json& line)
    {
        if (textAt(line, "kind") == "asked")
            cancelAll();
        else
            m_end.hear(peer, line);
    }

    void obeySignals()
    {
        while (m_obeyed < m_signals.asked()) {
            const auto now = Clock::now();
            if (++m_obeyed == 1) {
                m_firstSignal = now;
                if (m_meeting)
                    m_meeting->say({{"kind", "asked"}});
                cancelAll();
            } else if (!m_placed || now - m_firstSignal > kOneSignal) {
                m_end.atOnce();
                signalAll(SIGKILL);
            }
        }
    }

    void cancelAll()
    {
        if (m_end.wasCancelled())
            return;
        m_end.cancelled();
        for (auto& worker : m_workers)
            worker.child().say(Json{{"cancel", true}});
    }

    void watchClock()
    {
        const auto now = Clock::now();
        for (auto& worker : m_workers)
            if (!m_end.hasFailed() && worker.child().running() && now - worker.lastWord() >= m_patience.silence) {
                Cause cause;
                cause.rank = worker.rank();
                cause.error = {ErrorCode::Lost, silentText(workerName(worker.rank()), worker.child().pid(), m_patience.silence),
                               worker.tail()};
                worker.child().signal(SIGKILL);
                m_end.failed(std::move(cause));
            }
        m_end.watch(now);
        const auto due = m_end.due(now, m_workers.size() > 1);
        if (due != CommonEnd::Due::Nothing)
            signalAll(due == CommonEnd::Due::Terminate ? SIGTERM : SIGKILL);
    }

    void signalAll(int number)
    {
        for (auto& worker : m_workers)
            worker.child().signal(number);
    }

    Result<Json> conclude()
    {
        if (m_end.endsAtOnce())
            return Error{ErrorCode::Cancelled, "Ended at once.", {}};
        if (!m_end.hasFailed() && m_leads && !m_workers.empty() && m_workers.front().result())
            return *m_workers.front().result();
        if (!m_end.hasFailed() && !m_leads)
            return Json::object();
        m_end.tellReason();
        return m_end.reason().error;
    }

    bool anyRunning()
    {
        return std::ranges::any_of(m_workers, [](auto& worker) { return worker.child().running(); });
    }

    const Job& m_job;
    Signals& m_signals;
    Console& m_console;
    const bool m_placed, m_leads;
    const Patience m_patience = Patience::fromEnvironment();
    CommonEnd m_end;
    std::uint64_t m_oomBefore = 0;
    std::unique_ptr<Meeting> m_meeting;
    Agreement m_agreed;
    std::vector<JobWorker> m_workers;
    int m_obeyed = 0;
    Clock::time_point m_firstSignal{};
};

} // namespace

Result<Json> runOnRanks(const Job& job, Signals& signals, Console& console)
{
    return RanksOfJob(job, signals, console).run();
}

} // namespace espalier::cli
