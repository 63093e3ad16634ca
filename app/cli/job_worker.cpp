// SPDX-License-Identifier: Apache-2.0
#include "app/cli/job_worker.h"

#include "app/cli/cause.h"
#include "core/base/descriptor.h"
#include "core/base/json_value.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <cerrno>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace espalier::cli {

namespace {

/// The request as a file without a name: nothing to clean up, whoever dies.
int requestFile(const Json& request)
{
    const int fd = ::memfd_create("espalier-request", MFD_CLOEXEC);
    const auto text = request.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::size_t done = 0;
    while (fd >= 0 && done < text.size()) {
        const auto put = ::write(fd, text.data() + done, text.size() - done);
        if (put < 0) {
            ::close(fd);
            return -1;
        }
        done += static_cast<std::size_t>(put);
    }
    if (fd >= 0)
        ::lseek(fd, 0, SEEK_SET);
    return fd;
}

} // namespace

Result<JobWorker> JobWorker::spawn(const Job& job, int rank, const std::string& device,
                                   std::vector<std::pair<std::string, std::string>> place, const Signals& signals)
{
    const auto worker = findWorker();
    if (!worker)
        return worker.error();
    const Descriptor request{requestFile(job.request)};
    if (request.fd < 0)
        return Error{ErrorCode::Io, "Could not hand the request to espalier-worker: no memory for it.", {}};
    ChildSpec spec;
    spec.program = *worker;
    spec.arguments = {job.name, "--request", fmt::format("/proc/self/fd/{}", request.fd)};
    spec.inherit = job.inherit;
    spec.inherit.push_back(request.fd);
    spec.signalMask = signals.before();
    spec.environment = std::move(place);
    spec.environment.emplace_back(runs::environment::kDevice, device);
    auto spawned = Child::spawn(spec);
    if (!spawned)
        return spawned.error();
    return JobWorker(*std::move(spawned), rank);
}

void JobWorker::hear(const Json& line, const Job& job, Console& console)
{
    m_lastWord = Clock::now();
    const auto kind = line["kind"].get<std::string>();
    if (kind == "progress" && m_rank == 0) { // it counts what all do
        const double done = valueOr(line, "done", 0.0), of = valueOr(line, "of", 0.0);
        console.progress(of > 0     ? fmt::format("{}: {:.0f} of {:.0f}", valueOr<std::string>(line, "what", job.name), done, of)
                         : done > 0 ? fmt::format("{}: {:.0f}", valueOr<std::string>(line, "what", job.name), done)
                                    : valueOr<std::string>(line, "what", job.name)); // a sign of life
    } else if (kind == "result" && line.contains("result")) {
        m_result = line["result"];
    } else if (kind == "failed") {
        m_failure = Error{runs::errorCodeFromText(textAt(line, "code")),
                          valueOr<std::string>(line, "message", "The worker failed without a reason."), textAt(line, "detail")};
    } else if (kind == "event" && job.onEvent && line.contains("event") && line["event"].is_object()) {
        const auto& event = line["event"];
        if (event.contains("kind") && event["kind"].is_string() && event.contains("fields") && event["fields"].is_object())
            job.onEvent({valueOr(event, "time", 0.0), event["kind"].get<std::string>(), event["fields"]});
    }
}

bool JobWorker::take(const Job& job, Console& console)
{
    const auto read = [&] {
        m_child.read([&](const Json& line) { hear(line, job, console); },
                     [&](std::string_view line) {
                         m_tail += line;
                         m_tail += '\n';
                         if (m_tail.size() > 16384)
                             m_tail.erase(0, m_tail.size() - 8192);
                     });
    };
    m_child.flushControl();
    read();
    if (!m_child.reap())
        return false;
    read(); // what it wrote just before
    return true;
}

Error JobWorker::whyEnded(const std::string& job, bool oomRose) const
{
    auto error = causeOfExit(workerName(m_rank), *m_child.exit(), oomRose, m_tail).error;
    if (error.code == ErrorCode::Memory) {
        error.message = "The system ended the job for lack of memory. Lower the batch.";
        return error;
    }
    const auto last = m_tail.find_last_not_of('\n');
    const auto begin = last == std::string::npos ? 0 : m_tail.rfind('\n', last) + 1;
    const auto said = last == std::string::npos ? std::string(".") : ": " + m_tail.substr(begin, last + 1 - begin);
    const int status = *m_child.exit();
    error.message = WIFSIGNALED(status) ? fmt::format("Worker {} of {} was ended by {}{}", m_rank, job, signalText(WTERMSIG(status)), said)
                                        : fmt::format("espalier-worker {} ended without a result{}", job, said);
    return error;
}

} // namespace espalier::cli
