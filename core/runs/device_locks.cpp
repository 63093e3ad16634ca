// SPDX-License-Identifier: Apache-2.0
#include "core/runs/device_locks.h"

#include "core/base/files.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

/// All users of the machine open the same files, and nobody may lead another elsewhere with a link.
int openLock(const std::string& device)
{
    const auto folder = deviceLockFolder();
    if (::mkdir(folder.c_str(), 0777) == 0)
        ::chmod(folder.c_str(), 01777); // whatever the umask says
    const auto file = folder / (safeName(device) + ".lock");
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd >= 0)
        ::fchmod(fd, 0666); // fails for a file of another user, who has done so
    return fd >= 0 || errno != EACCES ? fd : ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

} // namespace

fs::path deviceLockFolder()
{
    const char* given = std::getenv("ESPALIER_DEVICE_LOCKS");
    return given && *given ? fs::path(given) : fs::path("/tmp/espalier-devices");
}

Result<DeviceLocks> DeviceLocks::take(const std::vector<std::string>& devices, How how)
{
    DeviceLocks locks;
    auto sorted = devices; // two that want the same take them in one order
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    for (const auto& device : sorted) {
        const int fd = openLock(device);
        if (fd < 0)
            return ioError("open the lock of a device in", deviceLockFolder(), errno);
        locks.m_fds.push_back(fd);
        while (::flock(fd, (how == How::Alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
            if (errno == EINTR)
                continue;
            if (errno != EWOULDBLOCK)
                return ioError("lock a device in", deviceLockFolder(), errno);
            return Error{ErrorCode::Busy, fmt::format("The device {} is in use by another run.", device), device};
        }
    }
    locks.m_devices = devices;
    return locks;
}

DeviceLocks::DeviceLocks(DeviceLocks&& other) noexcept
    : m_devices(std::exchange(other.m_devices, {})), m_fds(std::exchange(other.m_fds, {}))
{
}

DeviceLocks& DeviceLocks::operator=(DeviceLocks&& other) noexcept
{
    std::swap(m_devices, other.m_devices);
    std::swap(m_fds, other.m_fds);
    return *this;
}

DeviceLocks::~DeviceLocks()
{
    for (const int fd : m_fds)
        ::close(fd); // a child that inherited it holds it on
}

bool isInUse(const std::string& device)
{
    const auto locks = DeviceLocks::take({device}, DeviceLocks::How::Alone);
    return !locks && locks.error().code == ErrorCode::Busy;
}

} // namespace espalier::runs
