// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace espalier::tests {

using Environment = std::vector<std::pair<std::string, std::string>>;

/// espalier-cli as a process of its own, its output in files.
class CliProcess {
public:
    CliProcess(std::vector<std::string> arguments, const Environment& environment, std::filesystem::path output);
    ~CliProcess(); // kills what still runs
    CliProcess(const CliProcess&) = delete;
    CliProcess& operator=(const CliProcess&) = delete;

    pid_t pid() const { return m_pid; }
    void signal(int number) const;
    bool running();
    /// Exit status, 128 + signal, or -1 when it still runs after `limit`.
    int wait(std::chrono::milliseconds limit = std::chrono::seconds(30));
    std::string out() const, err() const;

private:
    pid_t m_pid = -1;
    int m_status = -1;
    bool m_ended = false;
    std::filesystem::path m_out, m_err;
};

struct CliResult {
    int status = -1;
    std::string out, err;
    Json json() const { return Json::parse(out, nullptr, false); }
};

/// Processes whose working folder lies below `folder`: supervisor and workers of a run in it.
std::vector<pid_t> processesIn(const std::filesystem::path& folder);
std::vector<pid_t> childrenOf(pid_t parent);
bool isZombie(pid_t process);
/// Waits until `condition` holds; false after `limit`.
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10));

} // namespace espalier::tests

#include <thread>

template <class Condition>
bool espalier::tests::eventually(Condition condition, std::chrono::milliseconds limit)
{
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}
