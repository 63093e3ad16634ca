// SPDX-License-Identifier: Apache-2.0
#include "core/runs/lock.h"

#include "core/base/files.h"
#include "core/runs/lease.h"

#include <fmt/format.h>

#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace espalier::runs {

Result<RunLock> RunLock::acquire(const RunFolder& folder, std::chrono::milliseconds wait, const std::function<bool()>& stop)
{
    const int fd = ::open(folder.lockFile().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return ioError("open", folder.lockFile(), errno);
    RunLock lock(fd);
    const auto end = std::chrono::steady_clock::now() + wait;
    for (;;) {
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0)
            return lock;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return ioError("lock", folder.lockFile(), errno);
        // flock has no waiting with an end, so this looks again now and then.
        if (stop && stop())
            return Error{ErrorCode::Cancelled, "Stopped while waiting for the run's lock.", {}};
        if (std::chrono::steady_clock::now() >= end)
            return Error{
                ErrorCode::Busy,
                fmt::format("The run {} is in use by {}. Stop it there, or wait until it ends.", folder.name(), lockHolder(folder)),
                {}};
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

RunLock::RunLock(RunLock&& other) noexcept : m_fd(std::exchange(other.m_fd, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept
{
    std::swap(m_fd, other.m_fd);
    return *this;
}

RunLock::~RunLock()
{
    // Closing frees the lock only when no child holds the same open file.
    if (m_fd >= 0)
        ::close(m_fd);
}

void RunLock::setInheritable(bool yes)
{
    ::fcntl(m_fd, F_SETFD, yes ? 0 : FD_CLOEXEC);
}

bool isLocked(const RunFolder& folder)
{
    const int fd = ::open(folder.lockFile().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    // A shared lock, for a moment: two that look do not disturb each other, and acquire() tries again.
    const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(fd);
    return held;
}

std::string lockHolder(const RunFolder& folder)
{
    const auto lease = readLease(folder);
    if (!lease)
        return "another process";
    const auto seconds = static_cast<std::time_t>(lease->started);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return fmt::format("process {} on {} (since {:02}:{:02})", lease->pid, lease->host, local.tm_hour, local.tm_min);
}

} // namespace espalier::runs
