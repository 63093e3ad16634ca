// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_on_ranks.h"

#include "app/cli/cause.h"
#include "app/cli/devices.h"
#include "app/cli/free_port.h"
#include "app/cli/job_worker.h"
#include "app/cli/meeting.h"
#include "core/base/json_value.h"
#include "core/base/text.h"
#include "core/machine/memory.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <sys/wait.h>

namespace espalier::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto kCausesWithin = 500ms; // when one worker fails, what the others say in this time may explain it better
constexpr auto kVerdictWithin = 10s;  // rank 0 answers one that failed
constexpr auto kOneSignal = 2s;       // launchers repeat what a terminal already sent to all
constexpr auto kLastWords = 30s;      // between rank 0's result and the end of the last worker

class RanksOfJob {
public:
    using Clock = JobWorker::Clock;
    RanksOfJob(const Job& job, Signals& signals, Console& console)
        : m_job(job), m_signals(signals), m_console(console), m_placed(job.place.worldSize > 1), m_leads(job.place.rank == 0),
          m_silence(runs::environment::seconds(runs::environment::kSilentSeconds, 30s)),
          m_grace(runs::environment::seconds(runs::environment::kGraceSeconds, 5s))
    {
    }

    Result<Json> run()
    {
        m_oomBefore = machine::outOfMemoryKills();
        auto begun = m_placed ? meet() : Result<Done>(Done{});
        if (begun)
            begun = spawnAll();
        if (!begun)
            failedBy({m_job.place.rank, begun.error(), -1, "", false});
        while (anyRunning() || awaitsCauses(Clock::now()))
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
        ::poll(fds.data(), fds.size(), m_ending || m_firstEnd ? 50 : 1000);
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
            m_firstEnd = m_firstEnd ? m_firstEnd : Clock::now();
            return;
        }
        if (m_now || m_terminated) // by us
            return;
        Cause cause;
        cause.rank = worker.rank();
        cause.error = worker.failure() ? *worker.failure() : worker.whyEnded(m_job.name, machine::outOfMemoryKills() > m_oomBefore);
        if (cause.error.detail.empty())
            cause.error.detail = worker.tail();
        cause.consequence = worker.failure() && (cause.error.code == ErrorCode::Lost || cause.error.code == ErrorCode::Cancelled);
        failedBy(std::move(cause));
    }

    /// What the supervisor of another rank says.
    void hearRank(const Meeting::Peer& peer, const Json& line)
    {
        const auto kind = valueOr<std::string>(line, "kind", "");
        if (kind == "asked")
            return cancelAll();
        if ((kind != "over" && kind != "failed" && kind != "gone") || (kind == "gone" && m_firstEnd))
            return;
        Cause cause;
        cause.rank = valueOr<int>(line, "rank", peer.rank);
        cause.error = {kind == "gone" ? ErrorCode::Lost : runs::errorCodeFromText(valueOr<std::string>(line, "code", "")),
                       kind == "gone" ? fmt::format("Rank {} on {} ended without a word: its espalier-cli was killed, or the machine "
                                                    "went away.",
                                                    peer.rank, peer.host)
                                      : valueOr<std::string>(line, "message", ""),
                       valueOr<std::string>(line, "detail", "")};
        cause.consequence = kind == "failed" && line.contains("consequence");
        if (kind == "over")
            m_causes.clear(); // rank 0 has heard everybody
        failedBy(std::move(cause));
        m_over = m_over || kind == "over" || (kind == "gone" && !m_leads);
    }

    void failedBy(Cause cause)
    {
        if (m_meeting && !m_leads && cause.rank == m_job.place.rank)
            m_meeting->say(lineOf(cause, "failed"));
        m_causes.push_back(std::move(cause));
        m_ending = m_ending ? m_ending : Clock::now();
    }

    static Json lineOf(const Cause& cause, const char* kind)
    {
        Json line{{"kind", kind},
                  {"rank", cause.rank},
                  {"code", runs::errorCodeText(cause.error.code)},
                  {"message", cause.error.message},
                  {"detail", cause.error.detail.substr(0, 8192)}};
        if (cause.consequence)
            line["consequence"] = true;
        return line;
    }

    bool allConsequences() const
    {
        return std::all_of(m_causes.begin(), m_causes.end(), [](const auto& cause) { return cause.consequence; });
    }

    /// The first to fail need not be the reason: one whose peer died speaks before the supervisor of that peer.
    bool awaitsCauses(Clock::time_point now) const
    {
        if (!m_ending || m_now || m_over)
            return false;
        if (!m_leads)
            return !m_agreed.name.empty() && now - *m_ending < kVerdictWithin;
        return now - *m_ending < (allConsequences() ? 4 * kCausesWithin : kCausesWithin);
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
                m_now = true;
                for (auto& worker : m_workers)
                    worker.child().signal(SIGKILL);
            }
        }
    }

    void cancelAll()
    {
        if (!std::exchange(m_cancelled, true))
            for (auto& worker : m_workers)
                worker.child().say(Json{{"cancel", true}});
    }

    void watchClock()
    {
        const auto now = Clock::now();
        if (m_meeting && now - m_lastBeat >= 1s) {
            m_lastBeat = now;
            m_meeting->say({{"kind", "alive"}}, true);
        }
        if (m_ending)
            return endAll(now);
        for (auto& worker : m_workers)
            if (worker.child().running() && now - worker.lastWord() >= m_silence) {
                Cause cause;
                cause.rank = worker.rank();
                cause.error = {ErrorCode::Lost, silentText(workerName(worker.rank()), worker.child().pid(), m_silence), worker.tail()};
                worker.child().signal(SIGKILL);
                return failedBy(std::move(cause));
            }
        if (m_meeting && !m_firstEnd)
            for (const auto& peer : m_meeting->peers())
                if (!peer.left && now - peer.lastWord >= m_silence)
                    return failedBy(
                        {peer.rank,
                         {ErrorCode::Lost,
                          fmt::format("Rank {} on {} gave no sign of life for {}: its processes were stopped, or the machine or "
                                      "network went away.",
                                      peer.rank, peer.host, durationText(m_silence)),
                          {}},
                         -1,
                         "",
                         false});
        if (m_firstEnd && now - *m_firstEnd > kLastWords)
            for (auto& worker : m_workers)
                worker.child().signal(SIGKILL);
    }

    void endAll(Clock::time_point now)
    {
        if (!m_terminated) {
            if (m_leads && awaitsCauses(now))
                return;
            m_terminated = now;
            for (auto& worker : m_workers)
                worker.child().signal(SIGTERM);
        } else if (now - *m_terminated > m_grace) {
            for (auto& worker : m_workers)
                worker.child().signal(SIGKILL);
        }
    }

    Result<Json> conclude()
    {
        if (m_now)
            return Error{ErrorCode::Cancelled, "Ended at once.", {}};
        if (m_causes.empty() && m_leads && !m_workers.empty() && m_workers.front().result())
            return *m_workers.front().result();
        if (m_causes.empty() && !m_leads)
            return Json::object();
        Cause verdict{m_job.place.rank, {ErrorCode::Cancelled, "Cancelled.", {}}, -1, "", false};
        if (const auto best = std::ranges::find(m_causes, false, &Cause::consequence); best != m_causes.end())
            verdict = *best;
        else if (!m_causes.empty() && !m_cancelled)
            verdict = m_causes.front();
        if (m_meeting && m_leads)
            m_meeting->say(lineOf(verdict, "over"));
        return verdict.error;
    }

    bool anyRunning()
    {
        return std::ranges::any_of(m_workers, [](auto& worker) { return worker.child().running(); });
    }

    const Job& m_job;
    Signals& m_signals;
    Console& m_console;
    const bool m_placed, m_leads;
    const std::chrono::seconds m_silence, m_grace;
    std::uint64_t m_oomBefore = 0;
    std::unique_ptr<Meeting> m_meeting;
    Agreement m_agreed;
    std::vector<JobWorker> m_workers;
    std::vector<Cause> m_causes;
    int m_obeyed = 0;
    bool m_now = false, m_over = false, m_cancelled = false;
    Clock::time_point m_firstSignal{}, m_lastBeat{};
    std::optional<Clock::time_point> m_ending, m_terminated, m_firstEnd;
};

} // namespace

Result<Json> runOnRanks(const Job& job, Signals& signals, Console& console)
{
    return RanksOfJob(job, signals, console).run();
}

} // namespace espalier::cli
