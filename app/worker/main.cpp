// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/machine/memory.h"
#include "core/tensors/host_memory.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace espalier::worker {
namespace {

sigset_t endingSignals()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

/// Inherited by every thread made later: so before the first.
void blockEndingSignals()
{
    const auto set = endingSignals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

/// SIGINT and SIGTERM of a worker run by hand: the first asks to stop cleanly, the second leaves at once. Under a supervisor only its own
/// SIGTERM counts, and ends at once: Slurm and its like signal every process of a job, and it is the supervisor that then says what to do.
class Signals {
public:
    explicit Signals(runs::WorkerLink& link)
    {
        m_thread = std::jthread([this, &link](std::stop_token done) {
            for (int seen = 0; !done.stop_requested();) {
                const timespec tick{0, 500'000'000};
                siginfo_t about{};
                const int signal = ::sigtimedwait(&m_set, &about, &tick);
                if (signal <= 0)
                    continue;
                if (link.supervised()) {
                    if (about.si_pid == ::getppid())
                        ::_exit(1);
                    continue;
                }
                link.requestStop();
                if (++seen > 1)
                    ::_exit(1);
            }
        });
    }

private:
    const sigset_t m_set = endingSignals();
    std::jthread m_thread;
};

void logToStandardError(LogLevel level, std::string_view message)
{
    static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
    std::fprintf(stderr, "%s: %.*s\n", kNames[static_cast<int>(level)], static_cast<int>(message.size()), message.data());
}

/// What this process may still allocate: what the machine has, or less where a limit (ulimit -v) is nearer. 0: not known.
std::uint64_t freeMemory()
{
    const auto available = machine::hostMemory().availableBytes;
    rlimit limit{};
    if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return available;
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const auto used = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return std::min<std::uint64_t>(available, limit.rlim_cur > used ? limit.rlim_cur - used : 1);
}

/// What collectives throw when a peer is gone. Gloo has its own exceptions; only their text tells.
bool meansLostPeer(const std::exception& problem)
{
    if (dynamic_cast<const c10::DistError*>(&problem))
        return true;
    for (const auto* sign : {"/gloo/", "Connection closed by peer", "Connection reset by peer"})
        if (std::strstr(problem.what(), sign))
            return true;
    return false;
}

/// The seam where exceptions of LibTorch become errors.
Result<Json> run(const std::string& job, const Json& request, JobContext& context)
{
    static const std::map<std::string, std::function<Result<Json>(const Json&, JobContext&)>> kJobs{
        {"train", trainJob},       {"search", searchJob},     {"dry-run", rehearseJob},
        {"sample", sampleJob},     {"evaluate", evaluateJob}, {"export", exportJob},
        {"assemble", assembleJob}, {"bench", benchJob},       {"cache-latents", cacheLatentsJob}};
    const auto found = kJobs.find(job);
    if (found == kJobs.end())
        return Error{ErrorCode::Usage, "espalier-worker has no job \"" + job + "\". It is started by espalier-cli."};
    const auto noMemory = [&](const std::exception& problem) { return outOfMemory(problem.what(), context.trained, freeMemory()); };
    try {
        return found->second(request, context);
    } catch (const c10::OutOfMemoryError& problem) {
        return noMemory(problem);
    } catch (const std::bad_alloc& problem) {
        return noMemory(problem);
    } catch (const std::exception& problem) {
        if (std::strstr(problem.what(), "can't allocate memory") || std::strstr(problem.what(), "out of memory"))
            return noMemory(problem);
        if (meansLostPeer(problem))
            return Error{ErrorCode::Lost,
                         "Another worker of this run ended, and without it no step can be taken. The run can be resumed; what the other "
                         "worker said tells why.",
                         problem.what()};
        return Error{ErrorCode::Internal, "The worker met an error that nobody expected; the log holds its text.", problem.what()};
    }
}

Result<Json> readRequest(int argc, char** argv)
{
    Json request = Json::object();
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string name = argv[i], value = argv[i + 1];
        if (name == "--run" || name == "--branch" || name == "--branches") {
            request[name.substr(2)] = value;
        } else if (name == "--devices" || name == "--at-once") {
            int number = 0;
            const auto [last, why] = std::from_chars(value.data(), value.data() + value.size(), number);
            if (why != std::errc() || last != value.data() + value.size())
                return Error{ErrorCode::Usage, name + " must be a whole number."};
            request[name == "--devices" ? "devices" : "at_once"] = number;
        } else if (name == "--request") {
            const auto text = readFile(value, 64 << 20);
            if (!text)
                return text.error();
            request = parseJson(*text);
            if (!request.is_object())
                return Error{ErrorCode::Usage, value + " is no JSON object."};
        } else {
            return Error{ErrorCode::Usage, "Unknown argument " + name + ": espalier-worker <job> --run FOLDER | --request FILE."};
        }
    }
    return request;
}

} // namespace
} // namespace espalier::worker

int main(int argc, char** argv)
{
    using namespace espalier;
    using namespace espalier::worker;
    blockEndingSignals();
    runs::WorkerLink link;         // first thing: no orphan outlives its supervisor
    std::signal(SIGXFSZ, SIG_IGN); // a limit on file sizes is told as a write that failed
    tensors::keepFreedMemory();
    const Signals signals(link);
    if (argc < 2) {
        std::fputs("espalier-worker trains, samples and evaluates for espalier-cli; start that instead.\n", stderr);
        return 2;
    }
    std::stop_source now;
    JobContext context{link, logToStandardError, now.get_token(), {}};
    const auto request = readRequest(argc, argv);
    const auto result = request ? run(argv[1], *request, context) : Result<Json>(request.error());
    if (result) {
        link.result(*result);
        if (!link.supervised())
            std::printf("%s\n", result->dump(2).c_str());
        return 0;
    }
    link.failed(result.error());
    std::fprintf(stderr, "%s\n%s\n", result.error().message.c_str(), result.error().detail.c_str());
    return exitCode(result.error());
}
