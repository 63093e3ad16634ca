// SPDX-License-Identifier: Apache-2.0
#include "tests/app/cli/cli_runner.h"

#include "core/base/files.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace espalier::tests {
namespace fs = std::filesystem;

CliProcess::CliProcess(std::vector<std::string> arguments, const Environment& environment, fs::path output)
    : m_out(output.string() + ".out"), m_err(output.string() + ".err")
{
    const char* cli = std::getenv("ESPALIER_TEST_CLI");
    arguments.insert(arguments.begin(), cli ? cli : "espalier-cli");
    std::vector<char*> argv;
    for (auto& each : arguments)
        argv.push_back(each.data());
    argv.push_back(nullptr);
    m_pid = ::fork();
    if (m_pid != 0)
        return;
    ::setpgid(0, 0);
    for (const auto& [name, value] : environment)
        ::setenv(name.c_str(), value.c_str(), 1);
    const int out = ::open(m_out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644),
              err = ::open(m_err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::close(out);
    ::close(err);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

CliProcess::~CliProcess()
{
    if (running()) {
        signal(SIGKILL);
        wait();
    }
}

void CliProcess::signal(int number) const
{
    ::kill(m_pid, number);
}

bool CliProcess::running()
{
    if (m_ended)
        return false;
    int status = 0;
    if (::waitpid(m_pid, &status, WNOHANG) != m_pid)
        return true;
    m_ended = true;
    m_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

int CliProcess::wait(std::chrono::milliseconds limit)
{
    return eventually([this] { return !running(); }, limit) ? m_status : -1;
}

std::string CliProcess::out() const
{
    const auto text = readFile(m_out);
    return text ? *text : "";
}

std::string CliProcess::err() const
{
    const auto text = readFile(m_err);
    return text ? *text : "";
}

std::vector<pid_t> processesIn(const fs::path& folder)
{
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos)
            continue;
        std::error_code gone;
        const auto at = fs::read_symlink(entry.path() / "cwd", gone);
        const auto stat = readFile(entry.path() / "stat", 4096);
        const bool zombie = stat && stat->find(") Z ") != std::string::npos;
        if (!gone && !zombie && at.string().starts_with(folder.string()))
            found.push_back(static_cast<pid_t>(std::stol(name)));
    }
    return found;
}

std::vector<pid_t> childrenOf(pid_t parent)
{
    const auto id = std::to_string(parent);
    const auto text = readFile("/proc/" + id + "/task/" + id + "/children", 1 << 16);
    std::vector<pid_t> children;
    const char* at = text ? text->c_str() : "";
    for (char* end = nullptr;; at = end) {
        const long pid = std::strtol(at, &end, 10);
        if (end == at)
            return children;
        children.push_back(static_cast<pid_t>(pid));
    }
}

bool isZombie(pid_t process)
{
    const auto stat = readFile("/proc/" + std::to_string(process) + "/stat", 4096);
    return stat && stat->find(") Z ") != std::string::npos;
}

} // namespace espalier::tests
