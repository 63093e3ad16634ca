// SPDX-License-Identifier: Apache-2.0
#include "app/cli/child.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct Pipe {
    int read = -1, write = -1;
    Pipe() = default;
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe()
    {
        for (const int fd : {read, write})
            if (fd >= 0)
                ::close(fd);
    }
    bool open()
    {
        int fds[2];
        if (::pipe2(fds, O_CLOEXEC) != 0)
            return false;
        read = fds[0];
        write = fds[1];
        return true;
    }
};

std::vector<std::string> mergedEnvironment(const ChildSpec& spec, int control, int status)
{
    auto wanted = spec.environment;
    wanted.emplace_back(runs::environment::kControlFd, std::to_string(control));
    wanted.emplace_back(runs::environment::kStatusFd, std::to_string(status));
    wanted.emplace_back(runs::environment::kSupervisor, std::to_string(::getpid()));
    std::vector<std::string> all;
    for (char** each = environ; *each; ++each) {
        const std::string_view entry(*each);
        const auto name = entry.substr(0, entry.find('='));
        if (std::none_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.first == name; }))
            all.emplace_back(entry);
    }
    for (const auto& [name, value] : wanted)
        all.push_back(name + "=" + value);
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> all;
    for (auto& text : texts)
        all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

void keep(int fd)
{
    ::fcntl(fd, F_SETFD, 0);
}

void doNotBlock(int fd)
{
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

} // namespace

Result<Child> Child::spawn(const ChildSpec& spec)
{
    Pipe control, status, output, problem;
    if (!control.open() || !status.open() || !output.open() || !problem.open())
        return ioError("make a pipe for", spec.program, errno);
    auto environment = mergedEnvironment(spec, control.read, status.write);
    std::vector<std::string> arguments{spec.program.string()};
    arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
    auto argv = pointers(arguments);
    auto envp = pointers(environment);
    const pid_t parent = ::getpid();

    const pid_t pid = ::fork();
    if (pid < 0)
        return Error{ErrorCode::Io, fmt::format("Could not start {}: {}.", spec.program.string(), std::strerror(errno)), {}};
    if (pid == 0) {
        // Only what is safe between fork and exec.
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent)
            ::_exit(1);
        const int nothing = ::open("/dev/null", O_RDONLY);
        ::dup2(nothing, STDIN_FILENO);
        ::dup2(output.write, STDOUT_FILENO);
        ::dup2(output.write, STDERR_FILENO);
        keep(control.read);
        keep(status.write);
        for (const int fd : spec.inherit)
            keep(fd);
        std::signal(SIGPIPE, SIG_DFL);
        ::sigprocmask(SIG_SETMASK, &spec.signalMask, nullptr);
        if (spec.folder.empty() || ::chdir(spec.folder.c_str()) == 0)
            ::execve(argv[0], argv.data(), envp.data());
        const int why = errno;
        [[maybe_unused]] const auto put = ::write(problem.write, &why, sizeof why);
        ::_exit(127);
    }
    ::setpgid(pid, pid); // both sides do it: whoever comes first
    Child child;
    child.m_pid = pid;
    ::close(std::exchange(problem.write, -1));
    int why = 0;
    ssize_t got;
    do
        got = ::read(problem.read, &why, sizeof why);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        child.reap();
        return Error{ErrorCode::Io, fmt::format("Could not start {}: {}.", spec.program.string(), std::strerror(why)), {}};
    }
    child.m_control = std::exchange(control.write, -1);
    child.m_status = std::exchange(status.read, -1);
    child.m_output = std::exchange(output.read, -1);
    for (const int fd : {child.m_control, child.m_status, child.m_output})
        doNotBlock(fd);
    return child;
}

Child::Child(Child&& other) noexcept
{
    *this = std::move(other);
}

Child& Child::operator=(Child&& other) noexcept
{
    std::swap(m_pid, other.m_pid);
    std::swap(m_control, other.m_control);
    std::swap(m_status, other.m_status);
    std::swap(m_output, other.m_output);
    std::swap(m_unsent, other.m_unsent);
    std::swap(m_statusRest, other.m_statusRest);
    std::swap(m_outputRest, other.m_outputRest);
    std::swap(m_exit, other.m_exit);
    return *this;
}

Child::~Child()
{
    if (running()) {
        signal(SIGKILL);
        int status;
        while (::waitpid(m_pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    for (const int fd : {m_control, m_status, m_output})
        if (fd >= 0)
            ::close(fd);
}

void Child::say(const Json& line)
{
    m_unsent += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    flushControl();
}

void Child::flushControl()
{
    while (!m_unsent.empty() && m_control >= 0) {
        const ssize_t put = ::write(m_control, m_unsent.data(), m_unsent.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) { // it is gone; reap() will tell
            m_unsent.clear();
            return;
        }
        m_unsent.erase(0, static_cast<std::size_t>(put));
    }
}

namespace {

/// Appends what the pipe holds and hands out whole lines. False at its end.
bool drain(int fd, std::string& rest, std::size_t limit, const std::function<void(std::string_view)>& line)
{
    char buffer[1 << 16];
    for (int round = 0; round < 64; ++round) { // a worker that shouts must not keep us from all else
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0)
            return false;
        rest.append(buffer, static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
            line(std::string_view(rest).substr(begin, end - begin));
        rest.erase(0, begin);
        if (rest.size() > limit)
            rest.clear();
    }
    return true;
}

} // namespace

void Child::read(const std::function<void(const Json&)>& status, const std::function<void(std::string_view)>& output)
{
    const auto statusLine = [&](std::string_view line) {
        const auto json = parseJson(line);
        if (json.is_object() && json.contains("kind") && json["kind"].is_string())
            status(json);
    };
    if (m_status >= 0 && !drain(m_status, m_statusRest, kMaxLine, statusLine))
        ::close(std::exchange(m_status, -1));
    if (m_output >= 0 && !drain(m_output, m_outputRest, 1 << 16, output)) {
        if (!m_outputRest.empty())
            output(std::exchange(m_outputRest, {}));
        ::close(std::exchange(m_output, -1));
    }
}

void Child::addTo(std::vector<pollfd>& fds) const
{
    for (const int fd : {m_status, m_output})
        if (fd >= 0)
            fds.push_back({fd, POLLIN, 0});
    if (hasUnsent() && m_control >= 0)
        fds.push_back({m_control, POLLOUT, 0});
}

void Child::signal(int number)
{
    if (!running())
        return;
    // The group, for whatever the worker started itself; the worker alone while it has not made its group yet.
    if (::kill(-m_pid, number) != 0)
        ::kill(m_pid, number);
}

bool Child::reap()
{
    if (!running())
        return false;
    int status = 0;
    const pid_t ended = ::waitpid(m_pid, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return false;
    m_exit = ended < 0 ? 0 : status;
    if (m_control >= 0)
        ::close(std::exchange(m_control, -1));
    return true;
}

Result<fs::path> findWorker()
{
    std::error_code error;
    if (const char* given = std::getenv(runs::environment::kWorkerBinary); given && *given) {
        const auto path = fs::absolute(given, error);
        if (::access(path.c_str(), X_OK) == 0)
            return path;
        return Error{ErrorCode::Usage, fmt::format("ESPALIER_WORKER_BINARY names {}, which cannot be run.", given), {}};
    }
    const auto self = fs::read_symlink("/proc/self/exe", error);
    const auto path = self.parent_path() / "espalier-worker";
    if (!error && ::access(path.c_str(), X_OK) == 0)
        return path;
    return Error{ErrorCode::Io,
                 fmt::format("espalier-worker is not there ({}). Build it, or name it in ESPALIER_WORKER_BINARY.", path.string()),
                 {}};
}

} // namespace espalier::cli
