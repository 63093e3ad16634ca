// SPDX-License-Identifier: Apache-2.0
// How a run ends: by a worker that failed, died or hangs, or well.
#include "app/cli/supervisor.h"

#include "core/base/text.h"
#include "core/runs/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace espalier::cli {

using runs::RunState;

namespace {

RunState stateOf(runs::EndedHow how)
{
    return how == runs::EndedHow::Finished ? RunState::Finished : how == runs::EndedHow::Paused ? RunState::Paused : RunState::Stopped;
}

} // namespace

/// By what is wrong here, before or between workers.
void Supervisor::failedBy(const Error& error)
{
    m_end.failed({m_run ? -1 : m_plan.place.rank, error, -1, "", false});
}

void Supervisor::watchClock()
{
    const auto now = Clock::now();
    for (auto& worker : m_workers) {
        if (m_end.hasFailed())
            break;
        if (auto why = worker.hangs(workerName(worker.rank), m_patience, now)) {
            worker.failed = true;
            worker.child.signal(SIGKILL);
            m_end.failed({worker.rank, *std::move(why), -1, "", false});
        }
    }
    m_end.watch(now);
    switch (m_end.due(now, m_workers.size() > 1)) {
    case CommonEnd::Due::Nothing:
        return;
    case CommonEnd::Due::Terminate:
        for (auto& worker : m_workers)
            worker.child.signal(SIGTERM);
        return;
    case CommonEnd::Due::Hurry:
        for (auto& worker : m_workers)
            if (worker.child.running()) {
                log(LogLevel::Warning, fmt::format("worker {} did not end after its work was done and was ended", worker.rank));
                worker.end = worker.end ? worker.end : runs::EndedHow::Stopped;
            }
        [[fallthrough]];
    case CommonEnd::Due::Kill:
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
    if (m_end.endsAtOnce()) {
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
    const auto reason = m_end.reason();
    m_end.tellReason();
    auto failed = failureOf(reason, m_step);
    if (failed.checkpoint.empty())
        if (const auto stored = runs::storedCheckpoints(m_folder); !stored.empty())
            failed.checkpoint = m_folder.relative(m_folder.checkpointFolder(stored.back().step));
    if (m_workers.empty() && reason.error.code == ErrorCode::Cancelled) { // nothing had begun
        write(runs::StateChanged{RunState::Stopped, failed.message});
        return reason.error;
    }
    log(LogLevel::Error, failed.message);
    write(failed);
    write(runs::StateChanged{RunState::Failed, failed.message});
    return Error{runs::errorCodeFromText(failed.code), failed.message, failed.detail};
}

} // namespace espalier::cli
