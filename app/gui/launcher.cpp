// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/launcher.h"

#include "core/base/files.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <utility>

namespace espalier::gui {
namespace {

/// A null-terminated array of pointers, made before the fork: nothing may be allocated after it.
std::vector<char*> pointersOf(const std::vector<std::string>& command)
{
    std::vector<char*> pointers;
    for (const auto& word : command)
        pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

/// Between fork and exec: only async-signal-safe calls.
/// `keep` stays open in the program as file 3, if it is one.
[[noreturn]] void become(char* const* arguments, int in, int out, int err, int report, int keep = -1)
{
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGCHLD})
        ::signal(signal, SIG_DFL);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC); // keeps `report` open until exec succeeds
    if (keep >= 0) {
        if (report == 3)
            report = ::fcntl(report, F_DUPFD_CLOEXEC, 4);
        if (keep == 3)
            ::fcntl(keep, F_SETFD, 0);
        else
            ::dup2(keep, 3);
    }
    ::execv(arguments[0], arguments);
    const int why = errno;
    [[maybe_unused]] const auto told = ::write(report, &why, sizeof why);
    ::_exit(127);
}

Error cannotRun(const std::string& program, int why)
{
    return Error{ErrorCode::Io, "Could not start " + program + ": " + std::strerror(why) + ". Is Espalier installed or built completely?",
                 program};
}

struct Pipe {
    int read = -1, write = -1;
    bool open()
    {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            return false;
        read = ends[0];
        write = ends[1];
        return true;
    }
    void closeRead()
    {
        if (read >= 0)
            ::close(std::exchange(read, -1));
    }
    void closeWrite()
    {
        if (write >= 0)
            ::close(std::exchange(write, -1));
    }
    ~Pipe()
    {
        closeRead();
        closeWrite();
    }
};

} // namespace

namespace {

Result<Done> launch(const std::vector<std::string>& command, const std::filesystem::path& log, int keep)
{
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (out < 0)
        return ioError("write", log, errno);
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    auto arguments = pointersOf(command);
    Pipe report;
    if (in < 0 || !report.open()) {
        ::close(out);
        return cannotRun(command.front(), errno);
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::setsid();
        const pid_t grandchild = ::fork();
        if (grandchild == 0)
            become(arguments.data(), in, out, out, report.write, keep);
        ::_exit(grandchild < 0 ? 1 : 0);
    }
    const int forkError = errno;
    ::close(in);
    ::close(out);
    report.closeWrite();
    if (child < 0)
        return cannotRun(command.front(), forkError);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return cannotRun(command.front(), EAGAIN);
    int why = 0;
    ssize_t got;
    do
        got = ::read(report.read, &why, sizeof why);
    while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(sizeof why))
        return cannotRun(command.front(), why);
    return Done{};
}

} // namespace

Result<Done> launchDetached(const std::vector<std::string>& command, const std::filesystem::path& log)
{
    return launch(command, log, -1);
}

JobEnd::~JobEnd()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

std::optional<int> JobEnd::exitCode()
{
    if (m_fd < 0)
        return std::nullopt;
    char buffer[16];
    for (;;) {
        const ssize_t got = ::read(m_fd, buffer, sizeof buffer);
        if (got > 0) {
            m_said.append(buffer, static_cast<std::size_t>(got));
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return std::nullopt; // it goes on
        break;
    }
    ::close(std::exchange(m_fd, -1));
    int code = -1; // killed with its shell: nobody could say
    std::from_chars(m_said.data(), m_said.data() + m_said.size(), code);
    return code;
}

Result<JobEnd> launchWatched(const std::vector<std::string>& command, const std::filesystem::path& log)
{
    if (::access(command.front().c_str(), X_OK) != 0)
        return cannotRun(command.front(), errno);
    Pipe end;
    if (!end.open() || ::fcntl(end.read, F_SETFL, O_NONBLOCK) != 0)
        return cannotRun(command.front(), errno);
    // A shell waits for the program and says how it ended: the window may be gone by then.
    std::vector<std::string> words{"/bin/sh", "-c", "\"$@\" 3>&-; echo $? >&3", "sh"};
    words.insert(words.end(), command.begin(), command.end());
    if (const auto started = launch(words, log, end.write); !started)
        return started.error();
    return JobEnd(std::exchange(end.read, -1));
}

Result<Finished> runAndWait(const std::vector<std::string>& command, std::stop_token stop)
{
    Pipe output, errors, report;
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || !output.open() || !errors.open() || !report.open())
        return cannotRun(command.front(), errno);
    auto arguments = pointersOf(command);
    const pid_t child = ::fork();
    if (child == 0) {
        ::setpgid(0, 0);
        become(arguments.data(), in, output.write, errors.write, report.write);
    }
    ::close(in);
    if (child < 0)
        return cannotRun(command.front(), errno);
    output.closeWrite();
    errors.closeWrite();
    report.closeWrite();
    Finished finished;
    constexpr std::size_t kMost = 4 << 20;
    std::optional<std::stop_callback<std::function<void()>>> onStop;
    onStop.emplace(stop, [child] { ::kill(child, SIGTERM); });
    std::array<pollfd, 2> fds{{{output.read, POLLIN, 0}, {errors.read, POLLIN, 0}}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
            break;
        for (auto& fd : fds) {
            if (fd.fd < 0 || !(fd.revents & (POLLIN | POLLHUP | POLLERR)))
                continue;
            char buffer[8192];
            const ssize_t got = ::read(fd.fd, buffer, sizeof buffer);
            auto& into = &fd == &fds[0] ? finished.output : finished.errors;
            if (got > 0 && into.size() < kMost)
                into.append(buffer, static_cast<std::size_t>(got));
            else if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
                fd.fd = -1;
        }
    }
    onStop.reset(); // after waitpid the number may belong to somebody else
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    int why = 0;
    if (::read(report.read, &why, sizeof why) == static_cast<ssize_t>(sizeof why))
        return cannotRun(command.front(), why);
    finished.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished;
}

QString sentenceOf(std::string_view lastLine, int exitCode)
{
    for (const std::string_view name : {"espalier-cli: ", "error: "})
        if (lastLine.starts_with(name))
            lastLine.remove_prefix(name.size());
    if (!lastLine.empty())
        return QString::fromUtf8(lastLine.data(), static_cast<qsizetype>(lastLine.size()));
    return exitCode > 128 ? QStringLiteral("It was ended by signal %1 before it was done.").arg(exitCode - 128)
                          : QStringLiteral("It failed without a word (exit %1).").arg(exitCode);
}

std::string tailOf(const std::filesystem::path& file, int lines)
{
    const auto text = readFile(file, 8u << 20);
    if (!text)
        return {};
    std::string_view rest = *text;
    while (!rest.empty() && (rest.back() == '\n' || rest.back() == ' '))
        rest.remove_suffix(1);
    std::size_t from = rest.size();
    for (int i = 0; i < lines && from != std::string_view::npos && from > 0; ++i)
        from = rest.rfind('\n', from - 1);
    return std::string(from == std::string_view::npos ? rest : rest.substr(from == 0 ? 0 : from + 1));
}

} // namespace espalier::gui
