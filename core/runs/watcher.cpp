// SPDX-License-Identifier: Apache-2.0
#include "core/runs/watcher.h"

#include "core/runs/run_folder.h"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;

FolderWatcher::FolderWatcher() : m_inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), m_event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

FolderWatcher::~FolderWatcher()
{
    if (m_inotify >= 0)
        ::close(m_inotify);
    if (m_event >= 0)
        ::close(m_event);
}

void FolderWatcher::watch(const std::set<fs::path>& folders)
{
    if (m_inotify < 0)
        return; // the timed fallback remains
    for (auto at = m_byPath.begin(); at != m_byPath.end();) {
        if (folders.contains(at->first)) {
            ++at;
            continue;
        }
        ::inotify_rm_watch(m_inotify, at->second);
        m_byWatch.erase(at->second);
        at = m_byPath.erase(at);
    }
    for (const auto& folder : folders) {
        if (m_byPath.contains(folder))
            continue;
        const int watch = ::inotify_add_watch(m_inotify, folder.c_str(),
                                              IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                                                  IN_MOVE_SELF | IN_ONLYDIR);
        if (watch < 0)
            continue;
        m_byPath[folder] = watch;
        m_byWatch[watch] = folder;
    }
}

bool FolderWatcher::wait(std::stop_token stop, std::chrono::milliseconds longest)
{
    m_changed.clear();
    const std::stop_callback onStop(stop, [this] { wake(); });
    if (stop.stop_requested())
        return false;
    pollfd fds[2] = {{m_event, POLLIN, 0}, {m_inotify, POLLIN, 0}};
    int ready;
    do
        ready = ::poll(fds, m_inotify >= 0 ? 2 : 1, static_cast<int>(longest.count()));
    while (ready < 0 && errno == EINTR);
    std::uint64_t count;
    while (::read(m_event, &count, sizeof count) > 0) {
    }
    return take();
}

bool FolderWatcher::take()
{
    m_changed.clear();
    alignas(inotify_event) char buffer[16384];
    for (;;) {
        const ssize_t got = m_inotify >= 0 ? ::read(m_inotify, buffer, sizeof buffer) : -1;
        if (got <= 0)
            break;
        for (ssize_t at = 0; at < got;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            if (event->mask & IN_Q_OVERFLOW) { // too much at once: everything may have changed
                for (const auto& [path, watch] : m_byPath)
                    m_changed.insert(path);
                continue;
            }
            const auto found = m_byWatch.find(event->wd);
            if (found == m_byWatch.end())
                continue;
            m_changed.insert(found->second);
            if (event->mask & IN_IGNORED) {
                m_byPath.erase(found->second);
                m_byWatch.erase(found);
            }
        }
    }
    return !m_changed.empty();
}

void FolderWatcher::wake()
{
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(m_event, &one, sizeof one);
}

std::set<fs::path> watchFolders(const fs::path& runFolder)
{
    std::set<fs::path> folders{runFolder, runFolder / "scalars", runFolder / "checkpoints"};
    long newest = -1;
    std::error_code error;
    for (fs::directory_iterator at(runFolder / "scalars", error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        long attempt = -1;
        if (std::from_chars(name.data(), name.data() + name.size(), attempt).ec == std::errc{})
            newest = std::max(newest, attempt);
    }
    if (newest >= 0)
        folders.insert(runFolder / "scalars" / std::to_string(newest));
    for (fs::directory_iterator at(runFolder / "branches", error), end; !error && at != end; at.increment(error))
        folders.merge(watchFolders(at->path()));
    if (!error)
        folders.insert(runFolder / "branches");
    return folders;
}

} // namespace espalier::runs
