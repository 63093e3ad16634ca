// SPDX-License-Identifier: Apache-2.0
#include "core/runs/device_locks.h"

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/parse_json.h"
#include "core/runs/lease.h"
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

struct User {
    std::int64_t pid = 0;
    std::uint64_t startTicks = 0;
    fs::path run;
};

std::string textOf(int fd)
{
    std::string text(1 << 16, '\0');
    const auto got = ::pread(fd, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

/// Processes that live and said that they use the device. Anybody may write such a file.
std::vector<User> usersIn(std::string_view text)
{
    std::vector<User> users;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = parseJson(text.substr(at, end - at));
        at = end + 1;
        if (!line.is_object())
            continue;
        const auto pid = line.find("pid"), ticks = line.find("start_ticks"), run = line.find("run");
        if (pid == line.end() || !pid->is_number_integer() || ticks == line.end() || !ticks->is_number_unsigned() || run == line.end() ||
            !run->is_string())
            continue;
        User user{pid->get<std::int64_t>(), ticks->get<std::uint64_t>(), run->get<std::string>()};
        if (const auto now = startTicksOf(user.pid); now != 0 && now == user.startTicks)
            users.push_back(std::move(user));
    }
    return users;
}

fs::path lockFile(const std::string& device)
{
    return deviceLockFolder() / (safeName(device) + ".lock");
}

/// All users of the machine open the same files, and nobody may lead another elsewhere with a link.
int openLock(const std::string& device)
{
    const auto folder = deviceLockFolder();
    if (::mkdir(folder.c_str(), 0777) == 0)
        ::chmod(folder.c_str(), 01777); // whatever the umask says
    const auto file = lockFile(device);
    const int fd = ::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
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
    locks.m_how = how;
    return locks;
}

DeviceLocks::DeviceLocks(DeviceLocks&& other) noexcept
    : m_devices(std::exchange(other.m_devices, {})), m_fds(std::exchange(other.m_fds, {})), m_how(other.m_how)
{
}

DeviceLocks& DeviceLocks::operator=(DeviceLocks&& other) noexcept
{
    std::swap(m_devices, other.m_devices);
    std::swap(m_fds, other.m_fds);
    std::swap(m_how, other.m_how);
    return *this;
}

DeviceLocks::~DeviceLocks()
{
    for (const int fd : m_fds)
        ::close(fd); // a child that inherited it holds it on
}

void DeviceLocks::sayWho(const fs::path& run) const
{
    constexpr std::size_t kMany = 4096; // bytes, after which names of processes that are gone are thrown out
    const auto own = ownLease();
    const auto line = Json{{"pid", own.pid}, {"start_ticks", own.startTicks}, {"run", run.string()}}.dump() + "\n";
    for (const int fd : m_fds) {
        auto text = m_how == How::Alone ? std::string() : textOf(fd);
        const bool renew = m_how == How::Alone || text.size() > kMany;
        if (renew) {
            std::string living;
            for (const auto& user : usersIn(text))
                living += Json{{"pid", user.pid}, {"start_ticks", user.startTicks}, {"run", user.run.string()}}.dump() + "\n";
            text = living + line;
            if (::ftruncate(fd, 0) != 0)
                continue;
        }
        const auto& words = renew ? text : line;
        [[maybe_unused]] const auto written = ::write(fd, words.data(), words.size());
    }
}

DeviceUse useOf(const std::string& device)
{
    DeviceUse use;
    const int fd = ::open(lockFile(device).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return use; // nobody ever used it
    // A shared lock fails where somebody has it alone, and keeps nobody from sharing it.
    use.inUse = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    const auto text = textOf(fd);
    ::close(fd);
    for (const auto& user : usersIn(text)) {
        use.inUse = true;
        if (std::find(use.runs.begin(), use.runs.end(), user.run) == use.runs.end())
            use.runs.push_back(user.run);
    }
    return use;
}

bool isInUse(const std::string& device)
{
    return useOf(device).inUse;
}

} // namespace espalier::runs
