// SPDX-License-Identifier: Apache-2.0
// How a run ends: by a worker that failed, died or hangs, or well.
#include "app/cli/supervisor.h"

#include "core/base/text.h"
#include "core/runs/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace espalier::cli {

using namespace std::chrono_literals;
using runs::RunState;

namespace {

constexpr auto kCausesWithin = 500ms; // when one worker fails, what the others say in this time may explain it better
constexpr auto kVerdictWithin = 10s;  // rank 0 answers one that failed
constexpr auto kLastWords = 30s;      // between the first worker's proper end and the last one's

RunState stateOf(runs::EndedHow how)
{
    return how == runs::EndedHow::Finished ? RunState::Finished : how == runs::EndedHow::Paused ? RunState::Paused : RunState::Stopped;
}

} // namespace

void Supervisor::failedBy(Cause cause)
{
    if (!m_run && cause.rank == m_plan.place.rank)
        tellRanks(cause);
    m_causes.push_back(std::move(cause));
    if (!m_ending)
        m_ending = Clock::now();
}

bool Supervisor::allConsequences() const
{
    return std::all_of(m_causes.begin(), m_causes.end(), [](const auto& cause) { return cause.consequence; });
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

void Supervisor::watchClock()
{
    const auto now = Clock::now();
    if (m_ending)
        return endAll(now);
    for (auto& worker : m_workers) {
        auto why = worker.hangs(workerName(worker.rank), m_patience, now);
        if (!why)
            continue;
        worker.failed = true;
        worker.child.signal(SIGKILL);
        return failedBy({worker.rank, *std::move(why), -1, "", false});
    }
    if (m_plan.meeting && !m_firstEnd)
        for (const auto& peer : m_plan.meeting->peers())
            if (!peer.left && now - peer.lastWord >= m_patience.silence)
                return failedBy(
                    {peer.rank,
                     {ErrorCode::Lost,
                      fmt::format("Rank {} on {} gave no sign of life for {}: its processes were stopped, or the machine or network "
                                  "went away. The run can be resumed.",
                                  peer.rank, peer.host, durationText(m_patience.silence)),
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
    } else if (now - *m_terminated > m_patience.grace) {
        killAll();
    }
}

void Supervisor::killAll()
{
    for (auto& worker : m_workers)
        worker.child.signal(SIGKILL);
    if (m_crew)
        m_crew->killAll();
}

Result<RunState> Supervisor::tellEnd()
{
    if (m_now) {
        write(
            runs::StateChanged{RunState::Stopped, "Ended at once by a second signal: what was trained since the last checkpoint is lost."});
        return Error{ErrorCode::Cancelled, "Ended at once. What was trained since the last checkpoint will be trained again.", {}};
    }
    if (m_rest) {
        write(*m_rest);
        return m_rest->state;
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

} // namespace espalier::cli
