// SPDX-License-Identifier: Apache-2.0
#include "core/runs/worker_link.h"

#include "core/base/parse_json.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace espalier::runs {
namespace {

constexpr std::size_t kMaxControlLine = 1 << 20;
constexpr std::array<std::pair<EndedHow, std::string_view>, 4> kEnds{{
    {EndedHow::Finished, "finished"},
    {EndedHow::Paused, "paused"},
    {EndedHow::Stopped, "stopped"},
    {EndedHow::Waits, "waits"},
}};

bool parseInt(const char* text, int low, int high, int& value)
{
    const char* end = text + std::char_traits<char>::length(text);
    int parsed = 0;
    const auto [last, why] = std::from_chars(text, end, parsed);
    if (why != std::errc{} || last != end || parsed < low || parsed > high)
        return false;
    value = parsed;
    return true;
}

int fdFromEnvironment(const char* name)
{
    int fd = -1;
    const char* text = std::getenv(name);
    if (!text || !parseInt(text, 3, 1 << 20, fd) || ::fcntl(fd, F_GETFD) < 0)
        return -1;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

} // namespace

std::chrono::seconds environment::seconds(const char* name, std::chrono::seconds otherwise)
{
    int value = 0;
    const char* text = std::getenv(name);
    return text && parseInt(text, 1, 1 << 30, value) ? std::chrono::seconds(value) : otherwise;
}

std::string_view endText(EndedHow how)
{
    for (const auto& [each, text] : kEnds)
        if (each == how)
            return text;
    return "";
}

std::optional<EndedHow> endFromText(std::string_view text)
{
    for (const auto& [how, each] : kEnds)
        if (each == text)
            return how;
    return std::nullopt;
}

Result<Ranks> ranksFromEnvironment()
{
    Ranks ranks;
    const auto wrong = [](const char* name, const char* text) {
        return Error{
            ErrorCode::Usage, fmt::format("{}={} in the environment makes no sense. Unset it, or start through torchrun.", name, text), {}};
    };
    const char* rank = std::getenv("RANK");
    if (!rank)
        return ranks;
    if (!parseInt(rank, 0, 1 << 20, ranks.rank))
        return wrong("RANK", rank);
    const char* size = std::getenv("WORLD_SIZE");
    if (!size)
        return Error{ErrorCode::Usage, "RANK is set in the environment but WORLD_SIZE is not. Unset it, or start through torchrun.", {}};
    if (!parseInt(size, 1, 1 << 20, ranks.worldSize) || ranks.worldSize <= ranks.rank)
        return wrong("WORLD_SIZE", size);
    if (const char* local = std::getenv("LOCAL_RANK"); local && !parseInt(local, 0, ranks.rank, ranks.localRank))
        return wrong("LOCAL_RANK", local);
    ranks.localWorldSize = ranks.worldSize;
    if (const char* local = std::getenv("LOCAL_WORLD_SIZE"); local && !parseInt(local, 1, ranks.worldSize, ranks.localWorldSize))
        return wrong("LOCAL_WORLD_SIZE", local);
    if (const char* address = std::getenv("MASTER_ADDR"); address && *address)
        ranks.masterAddress = address;
    if (const char* port = std::getenv("MASTER_PORT"); port && !parseInt(port, 1, 65535, ranks.masterPort))
        return wrong("MASTER_PORT", port);
    return ranks;
}

WorkerLink::WorkerLink()
{
    std::signal(SIGPIPE, SIG_IGN);
    m_control = fdFromEnvironment(environment::kControlFd);
    m_status = fdFromEnvironment(environment::kStatusFd);
    // What we start ourselves must not take these for its own.
    ::unsetenv(environment::kControlFd);
    ::unsetenv(environment::kStatusFd);
    if (m_status >= 0)
        ::fcntl(m_status, F_SETFL, ::fcntl(m_status, F_GETFL) | O_NONBLOCK);
    if (m_control < 0)
        return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int parent = 0;
    const char* expected = std::getenv(environment::kSupervisor);
    if (expected && parseInt(expected, 1, 1 << 30, parent) && ::getppid() != parent)
        std::_Exit(1); // the supervisor died before the signal was armed
    m_wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    m_reader = std::jthread([this](std::stop_token stop) { readControl(stop); });
}

WorkerLink::~WorkerLink()
{
    if (m_reader.joinable()) {
        m_reader.request_stop();
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto put = ::write(m_wake, &one, sizeof one);
        m_reader.join();
    }
    for (const int fd : {m_control, m_status, m_wake})
        if (fd >= 0)
            ::close(fd);
}

void WorkerLink::readControl(std::stop_token stop)
{
    std::string rest;
    char buffer[4096];
    while (!stop.stop_requested()) {
        pollfd fds[2] = {{m_control, POLLIN, 0}, {m_wake, POLLIN, 0}};
        // This thread does nothing long: as long as the process is not stopped, its supervisor hears so every second.
        const int ready = ::poll(fds, 2, 1000);
        if (ready < 0 && errno != EINTR)
            std::_Exit(1);
        if (ready == 0)
            send(m_waits ? Json{{"kind", "alive"}, {"waits", true}} : Json{{"kind", "alive"}}, true);
        if (!(fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
            continue;
        const ssize_t got = ::read(m_control, buffer, sizeof buffer);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0) // the supervisor is gone: nobody would learn of what we do from here on
            std::_Exit(1);
        rest.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; (end = rest.find('\n')) != std::string::npos;) {
            take(rest.substr(0, end));
            rest.erase(0, end + 1);
        }
        if (rest.size() > kMaxControlLine)
            rest.clear();
    }
}

void WorkerLink::take(const std::string& line)
{
    const auto json = parseJson(line);
    if (!json.is_object())
        return;
    if (json.contains("cancel"))
        m_stop.request_stop();
    if (const auto at = json.find("wish"); at != json.end())
        if (auto wish = wishFromJson(*at)) {
            const bool ends = (wish->kind == WishKind::Pause || wish->kind == WishKind::Stop) && !moduleOf(*wish);
            {
                const std::lock_guard lock(m_mutex);
                m_wishes.push_back(std::move(*wish));
            }
            if (ends)
                m_stop.request_stop();
        }
}

std::vector<Wish> WorkerLink::takeWishes()
{
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_wishes, {});
}

void WorkerLink::requestStop()
{
    m_stop.request_stop();
}

void WorkerLink::send(const Json& json, bool mayDrop)
{
    if (m_status < 0)
        return;
    const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const std::lock_guard lock(m_sendMutex);
    std::size_t done = 0;
    while (done < line.size()) {
        const ssize_t put = ::write(m_status, line.data() + done, line.size() - done);
        if (put > 0) {
            done += static_cast<std::size_t>(put);
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN) {
            // A supervisor that was halted must not halt training: what the next line repeats is left out. Lines this short go whole or
            // not.
            if (mayDrop && done == 0)
                return;
            pollfd fd{m_status, POLLOUT, 0};
            ::poll(&fd, 1, 1000);
            continue;
        }
        return; // nobody listens any more; the control pipe says the same
    }
}

void WorkerLink::started(const Json& details)
{
    send({{"kind", "started"}, {"details", details}}, false);
}

void WorkerLink::heartbeat(std::int64_t step, std::string_view doing)
{
    const auto now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(m_sendMutex);
        if (now - m_lastHeartbeat < std::chrono::seconds(1) && m_lastDoing == doing)
            return;
        m_lastHeartbeat = now;
        m_lastDoing = doing;
    }
    send({{"kind", "step"}, {"step", step}, {"doing", doing}}, true);
}

void WorkerLink::failed(const Error& error, std::int64_t step, std::string_view checkpoint)
{
    send({{"kind", "failed"},
          {"code", errorCodeText(error.code)},
          {"message", error.message.substr(0, 10'000)},
          {"detail", error.detail.substr(0, 100'000)},
          {"step", step},
          {"checkpoint", checkpoint}},
         false);
}

void WorkerLink::end(EndedHow how, std::int64_t step)
{
    send({{"kind", "end"}, {"how", endText(how)}, {"step", step}}, false);
}

void WorkerLink::progress(double done, double of, std::string_view what)
{
    const auto now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(m_sendMutex);
        if (now - m_lastProgress < std::chrono::milliseconds(100) && done < of)
            return;
        m_lastProgress = now;
    }
    send({{"kind", "progress"}, {"done", done}, {"of", of}, {"what", what}}, true);
}

void WorkerLink::result(const Json& result)
{
    send({{"kind", "result"}, {"result", result}}, false);
}

void WorkerLink::measured(const Json& measurement)
{
    send({{"kind", "measured"}, {"measurement", measurement}}, false);
}

void WorkerLink::event(const Event& event)
{
    send({{"kind", "event"}, {"event", Json{{"kind", event.kind}, {"time", event.time}, {"fields", event.fields}}}}, false);
}

} // namespace espalier::runs
