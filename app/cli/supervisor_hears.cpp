// SPDX-License-Identifier: Apache-2.0
// What workers and the supervisors of other ranks say, and what these are told.
#include "app/cli/supervisor.h"

#include "core/base/json_value.h"
#include "core/machine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <sys/wait.h>

namespace espalier::cli {

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
        if (worker.end)
            m_end.done();
    } else if (const auto answer = answerFrom(line)) {
        std::erase_if(m_unsaid, [&](const auto& each) { return each.id == answer->id; });
    } else if (kind == "failed") {
        worker.failed = true;
        m_end.failed(causeFrom(line, worker.rank));
    }
}

/// What the supervisor of another rank says.
void Supervisor::hearRank(const Meeting::Peer& peer, const Json& line)
{
    const auto kind = valueOr<std::string>(line, "kind", "");
    if (kind == "output" && m_run) {
        log(LogLevel::Info, valueOr<std::string>(line, "line", ""));
    } else if (kind == "gpu" && m_run) {
        m_gpuCurves.add(m_folder, peer.rank, m_step, line.value("values", Json()));
    } else if (kind == "asked" && m_run) {
        askToStop();
    } else {
        m_end.hear(peer, line);
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
    if ((well && worker.end) || m_end.endsAtOnce())
        return;
    if (worker.end && !well) // it had saved everything and said so; what came after is noted, not a failure
        return log(LogLevel::Warning, fmt::format("worker {} ended badly after its work was done: {}", worker.rank,
                                                  causeOfExit(workerName(worker.rank), status, false, "").error.message));
    if (worker.failed)
        return m_end.explain(worker.rank, worker.tail);
    if (m_end.terminated()) // by us
        return;
    auto cause = causeOfExit(workerName(worker.rank), status, machine::outOfMemoryKills() > m_oomBefore, worker.tail);
    cause.rank = worker.rank;
    m_end.failed(std::move(cause));
}

} // namespace espalier::cli
