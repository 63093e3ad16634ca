// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/run_folder.h"

#include <chrono>
#include <functional>

namespace espalier::runs {

/// Ownership of a run folder: flock on its `lock` file. Free only when nobody who inherited the descriptor lives.
class RunLock {
public:
    /// Waits up to `wait`; then a Busy error that names the holder. `stop` (may be empty) ends the wait early.
    static Result<RunLock> acquire(const RunFolder& folder, std::chrono::milliseconds wait, const std::function<bool()>& stop = {});
    RunLock(RunLock&&) noexcept;
    RunLock& operator=(RunLock&&) noexcept;
    ~RunLock();

    int fd() const { return m_fd; }
    /// Lets children inherit the descriptor across exec, or not.
    void setInheritable(bool yes);

private:
    explicit RunLock(int fd) : m_fd(fd) {}
    int m_fd = -1;
};

/// Whether somebody on this machine holds the lock just now.
bool isLocked(const RunFolder& folder);
/// "process 4711 (espalier-cli train) on thishost, since 21:04", from lock and lease; for sentences.
std::string lockHolder(const RunFolder& folder);

} // namespace espalier::runs
