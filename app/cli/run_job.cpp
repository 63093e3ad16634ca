// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_job.h"

#include "app/cli/cause.h"
#include "app/cli/child.h"
#include "core/machine/memory.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace espalier::cli {

namespace {

struct Descriptor {
    int fd = -1;
    ~Descriptor()
    {
        if (fd >= 0)
            ::close(fd);
    }
};

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

double numberOr(const Json& json, const char* key, double otherwise)
{
    const auto at = json.find(key);
    return at != json.end() && at->is_number() ? at->get<double>() : otherwise;
}

std::string textOr(const Json& json, const char* key, std::string otherwise)
{
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : otherwise;
}

} // namespace

Result<Json> runJob(const Job& job, Signals& signals, Console& console)
{
    const auto worker = findWorker();
    if (!worker)
        return worker.error();
    const Descriptor request{requestFile(job.request)};
    if (request.fd < 0)
        return Error{ErrorCode::Io, "Could not hand the request to espalier-worker: no memory for it.", {}};
    const auto oomBefore = machine::outOfMemoryKills();
    ChildSpec spec;
    spec.program = *worker;
    spec.arguments = {job.name, "--request", fmt::format("/proc/self/fd/{}", request.fd)};
    spec.inherit = job.inherit;
    spec.inherit.push_back(request.fd);
    spec.signalMask = signals.before();
    spec.environment = {
        {runs::environment::kDevice, job.device}, {"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}};
    auto spawned = Child::spawn(spec);
    if (!spawned)
        return spawned.error();
    auto child = std::move(*spawned);

    std::optional<Json> result;
    std::optional<Error> failure;
    std::string tail;
    const auto hear = [&](const Json& line) {
        const auto kind = line["kind"].get<std::string>();
        if (kind == "progress") {
            const double done = numberOr(line, "done", 0), of = numberOr(line, "of", 0);
            console.progress(of > 0     ? fmt::format("{}: {:.0f} of {:.0f}", textOr(line, "what", job.name), done, of)
                             : done > 0 ? fmt::format("{}: {:.0f}", textOr(line, "what", job.name), done)
                                        : textOr(line, "what", job.name)); // a sign of life
        } else if (kind == "result" && line.contains("result")) {
            result = line["result"];
        } else if (kind == "failed") {
            failure = Error{runs::errorCodeFromText(textOr(line, "code", "")),
                            textOr(line, "message", "The worker failed without a reason."), textOr(line, "detail", "")};
        } else if (kind == "event" && job.onEvent && line.contains("event") && line["event"].is_object()) {
            const auto& event = line["event"];
            if (event.contains("kind") && event["kind"].is_string() && event.contains("fields") && event["fields"].is_object())
                job.onEvent({numberOr(event, "time", 0.0), event["kind"].get<std::string>(), event["fields"]});
        }
    };
    const auto hearOutput = [&](std::string_view line) {
        tail += line;
        tail += '\n';
        if (tail.size() > 16384)
            tail.erase(0, tail.size() - 8192);
    };
    int obeyed = 0;
    while (child.running()) {
        std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}};
        for (const int fd : {child.statusFd(), child.outputFd()})
            if (fd >= 0)
                fds.push_back({fd, POLLIN, 0});
        ::poll(fds.data(), fds.size(), 1000);
        signals.take();
        while (obeyed < signals.asked()) {
            if (++obeyed == 1)
                child.say(Json{{"cancel", true}});
            else
                child.signal(SIGKILL);
        }
        child.flushControl();
        child.read(hear, hearOutput);
        if (child.reap())
            child.read(hear, hearOutput);
    }
    console.endProgress();
    if (failure)
        return *failure;
    const int status = *child.exit();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && result)
        return std::move(*result);
    if (signals.asked() > 0)
        return Error{ErrorCode::Cancelled, "Cancelled.", tail};
    auto cause = causeOfExit(workerName(0), status, machine::outOfMemoryKills() > oomBefore, tail).error;
    if (cause.code != ErrorCode::Memory) {
        const auto last = tail.find_last_not_of('\n');
        const auto begin = last == std::string::npos ? 0 : tail.rfind('\n', last) + 1;
        cause.message = fmt::format("espalier-worker {} ended without a result{}", job.name,
                                    last == std::string::npos ? "." : ": " + tail.substr(begin, last + 1 - begin));
    } else {
        cause.message = "The system ended the job for lack of memory. Lower the batch.";
    }
    return cause;
}

} // namespace espalier::cli
