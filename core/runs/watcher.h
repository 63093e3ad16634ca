// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

namespace espalier::runs {

/// Waits for changes in folders (inotify), with a timed fallback for disks that do not tell.
class FolderWatcher {
public:
    FolderWatcher();
    ~FolderWatcher();
    FolderWatcher(const FolderWatcher&) = delete;
    FolderWatcher& operator=(const FolderWatcher&) = delete;

    /// Watches exactly these folders from now on (not what is below them). Folders that are not there are ignored. Waiting thread only.
    void watch(const std::set<std::filesystem::path>& folders);
    /// Returns when something changed, wake() was called, stop was asked for or `longest` passed. True: something changed. One thread.
    bool wait(std::stop_token stop, std::chrono::milliseconds longest);
    /// Folders in which something changed, according to the last wait().
    const std::set<std::filesystem::path>& changed() const { return m_changed; }
    /// Ends the wait. Any thread.
    void wake();
    /// For a poll loop of one's own: readable when something changed; then take() it. -1 where there is no inotify.
    int fd() const { return m_inotify; }
    bool take();

private:
    int m_inotify = -1, m_event = -1;
    std::map<int, std::filesystem::path> m_byWatch;
    std::map<std::filesystem::path, int> m_byPath;
    std::set<std::filesystem::path> m_changed;
};

/// Folders worth watching for one run: its root, its newest scalars folder, and those of its branches.
std::set<std::filesystem::path> watchFolders(const std::filesystem::path& runFolder);

} // namespace espalier::runs
