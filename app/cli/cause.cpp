// SPDX-License-Identifier: Apache-2.0
#include "app/cli/cause.h"

#include "core/base/files.h"
#include "core/base/text.h"

#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <sys/wait.h>

namespace espalier::cli {

std::string signalText(int number)
{
    const char* name = ::sigabbrev_np(number);
    const char* meaning = ::sigdescr_np(number);
    return fmt::format("{}{} ({})", name ? "SIG" : "signal ", name ? name : std::to_string(number), meaning ? meaning : "unknown");
}

std::string workerName(int rank)
{
    return fmt::format("worker {}", rank);
}

std::string capital(std::string_view text)
{
    std::string with(text);
    if (!with.empty() && with.front() >= 'a' && with.front() <= 'z')
        with.front() = static_cast<char>(with.front() - 'a' + 'A');
    return with;
}

Cause causeOfExit(std::string_view who, int status, bool oomRose, std::string_view tail)
{
    Cause cause;
    cause.error.detail = tail;
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        if (number == SIGKILL && oomRose) {
            cause.error.code = ErrorCode::Memory;
            cause.error.message = fmt::format(
                "The system killed {} for lack of memory. Lower training.micro_batch or the number of workers, then resume.", who);
        } else {
            cause.error.code = ErrorCode::Lost;
            cause.error.message = fmt::format("{} was ended by {}. {}", capital(who), signalText(number),
                                              number == SIGKILL || number == SIGTERM
                                                  ? "Somebody ended it; the run can be resumed."
                                                  : "That is a fault of the program: see log.txt; the run can be resumed.");
        }
        return cause;
    }
    const int code = WEXITSTATUS(status);
    cause.error.code = ErrorCode::Internal;
    cause.error.message =
        code == 0 ? fmt::format("{} ended without saying how. See log.txt; the run can be resumed.", capital(who))
                  : fmt::format("{} ended with status {} and gave no reason. See log.txt; the run can be resumed.", capital(who), code);
    return cause;
}

namespace {

/// 'T' where a signal or a debugger has stopped the process.
bool isStopped(pid_t process)
{
    const auto stat = readFile("/proc/" + std::to_string(process) + "/stat", 4096);
    const auto at = stat ? stat->rfind(") ") : std::string::npos;
    return at != std::string::npos && at + 2 < stat->size() && ((*stat)[at + 2] == 'T' || (*stat)[at + 2] == 't');
}

} // namespace

std::string silentText(std::string_view who, pid_t process, std::chrono::seconds silence)
{
    return fmt::format("{} {}gave no sign of life for {} and was ended.", capital(who),
                       isStopped(process) ? "was stopped (SIGSTOP, or by a debugger), " : "", durationText(silence));
}

runs::Failed failureOf(const Cause& cause, std::int64_t lastStep)
{
    constexpr std::size_t kLongestDetail = 32768;
    runs::Failed failed;
    failed.message = cause.error.message;
    failed.detail = cause.error.detail;
    if (failed.detail.size() > kLongestDetail)
        failed.detail.erase(0, failed.detail.size() - kLongestDetail);
    failed.step = cause.step >= 0 ? cause.step : lastStep;
    failed.checkpoint = cause.checkpoint;
    failed.rank = cause.rank;
    failed.code = runs::errorCodeText(cause.error.code);
    return failed;
}

} // namespace espalier::cli
