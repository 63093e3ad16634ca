// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/result.h"

#include <QString>

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier::gui {

/// Starts a program that outlives the window: double fork, own session, stdout and stderr appended to `log`.
/// Says at once when the program cannot be executed; what it does later is in its log.
Result<Done> launchDetached(const std::vector<std::string>& command, const std::filesystem::path& log);

/// Tells when a program that was launched so has ended, and how. Forgetting it leaves the program alone.
class JobEnd {
public:
    explicit JobEnd(int fd) : m_fd(fd) {}
    JobEnd(JobEnd&& other) noexcept : m_fd(std::exchange(other.m_fd, -1)), m_said(std::move(other.m_said)) {}
    JobEnd& operator=(JobEnd&& other) noexcept
    {
        std::swap(m_fd, other.m_fd);
        std::swap(m_said, other.m_said);
        return *this;
    }
    ~JobEnd();
    /// The exit code (128 + signal when it was killed, -1 when nobody could tell), once, when it has ended; never waits.
    std::optional<int> exitCode();

private:
    int m_fd;
    std::string m_said;
};
/// The same as launchDetached(), and tells when it ends.
Result<JobEnd> launchWatched(const std::vector<std::string>& command, const std::filesystem::path& log);

struct Finished {
    int exitCode = -1; // 128 + signal when it was killed
    std::string output, errors;
};
/// Runs a program and waits for its end; a stop request ends it with SIGTERM. For threads that may wait.
Result<Finished> runAndWait(const std::vector<std::string>& command, std::stop_token stop);

/// What a program of ours said when it failed, as a sentence for people: without the program's name before it.
QString sentenceOf(std::string_view lastLine, int exitCode);

/// The last lines of a text file, at most `lines`.
std::string tailOf(const std::filesystem::path& file, int lines);

} // namespace espalier::gui
