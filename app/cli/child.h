// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/base/result.h"

#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace espalier::cli {

struct ChildSpec {
    std::filesystem::path program;
    std::vector<std::string> arguments;                           // without the program
    std::vector<std::pair<std::string, std::string>> environment; // on top of ours
    std::filesystem::path folder;                                 // working folder; empty: ours
    std::vector<int> inherit;                                     // descriptors it keeps under their numbers
    sigset_t signalMask{};                                        // what it starts with
};

/// A worker process with its control pipe (we write), status pipe and output pipe (we read). It lives in its own process group and dies
/// with the thread that started it. Non-blocking; for a poll loop. One thread.
class Child {
public:
    static Result<Child> spawn(const ChildSpec& spec);
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    ~Child(); // kills and reaps what still runs

    pid_t pid() const { return m_pid; }
    int statusFd() const { return m_status; }
    int outputFd() const { return m_output; }
    bool running() const { return m_pid > 0 && !m_exit; }
    /// As waitpid gives it, once it ended.
    std::optional<int> exit() const { return m_exit; }

    /// Queues a line for the control pipe and sends what the pipe takes.
    void say(const Json& line);
    void flushControl();
    bool hasUnsent() const { return !m_unsent.empty(); }
    int controlFd() const { return m_control; }
    /// Reads whole lines; `status` gets JSON objects, `output` texts.
    void read(const std::function<void(const Json&)>& status, const std::function<void(std::string_view)>& output);
    /// What a poll loop waits for.
    void addTo(std::vector<pollfd>& fds) const;
    void signal(int number);
    /// Reaps it if it ended; true the first time.
    bool reap();

private:
    Child() = default;
    static constexpr std::size_t kMaxLine = 8u << 20;
    pid_t m_pid = -1;
    int m_control = -1, m_status = -1, m_output = -1;
    std::string m_unsent, m_statusRest, m_outputRest;
    std::optional<int> m_exit;
};

/// Beside this program, or as ESPALIER_WORKER_BINARY says.
Result<std::filesystem::path> findWorker();

} // namespace espalier::cli
