// SPDX-License-Identifier: Apache-2.0
// What workers and the supervisors of other ranks say, and what these are told.
#include "app/cli/supervisor.h"

#include "core/base/json_value.h"
#include "core/machine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <sys/wait.h>

namespace espalier::cli {

namespace {

constexpr std::size_t kTail = 8192;

} // namespace

void Supervisor::hear(Worker& worker, const Json& line)
{
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
        if (m_plan.meeting && worker.end)
            m_plan.meeting->say({{"kind", "end"}});
    } else if (const auto answer = answerFrom(line)) {
        std::erase_if(m_unsaid, [&](const auto& each) { return each.id == answer->id; });
    } else if (kind == "failed") {
        worker.failed = true;
        failedBy(causeFrom(line, worker.rank));
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

void Supervisor::hearOutput(const Worker& worker, std::string_view line)
{
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
                                                  causeOfExit(workerName(worker.rank), status, false, "").error.message));
    if (worker.failed) {
        for (auto& cause : m_causes)
            if (cause.rank == worker.rank && cause.error.detail.empty())
                cause.error.detail = worker.tail;
        return;
    }
    if (m_terminated) // by us
        return;
    auto cause = causeOfExit(workerName(worker.rank), status, machine::outOfMemoryKills() > m_oomBefore, worker.tail);
    cause.rank = worker.rank;
    failedBy(std::move(cause));
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

} // namespace espalier::cli
