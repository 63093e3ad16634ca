// SPDX-License-Identifier: Apache-2.0
#include "app/cli/wire.h"

#include "core/base/parse_json.h"
#include "core/runs/lease.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <ifaddrs.h>
#include <memory>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace espalier::cli {

using namespace std::chrono_literals;

namespace {

std::chrono::milliseconds left(std::chrono::steady_clock::time_point end)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
}

/// As text; empty for what is no address of IP, or one that means something only together with an interface. IPv4 as IPv6 carries it is
/// IPv4.
std::string textOf(const sockaddr* address)
{
    char text[INET6_ADDRSTRLEN] = {};
    if (address == nullptr)
        return {};
    if (address->sa_family == AF_INET)
        return ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text) ? text : "";
    if (address->sa_family != AF_INET6)
        return {};
    const auto& six = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&six) || !::inet_ntop(AF_INET6, &six, text, sizeof text))
        return {};
    const std::string said = text;
    return said.starts_with("::ffff:") ? said.substr(7) : said;
}

/// What `use` makes of the interfaces that are up, but for the loopback.
template <class Use>
void eachInterface(Use use)
{
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0)
        return;
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(all, &::freeifaddrs);
    for (const auto* each = all; each != nullptr; each = each->ifa_next)
        if ((each->ifa_flags & IFF_UP) && !(each->ifa_flags & IFF_LOOPBACK))
            if (const auto address = textOf(each->ifa_addr); !address.empty())
                use(std::string(each->ifa_name), address);
}

} // namespace

Wire::Wire(int fd) : m_fd(fd)
{
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

Wire::Wire(Wire&& other) noexcept
{
    *this = std::move(other);
}

Wire& Wire::operator=(Wire&& other) noexcept
{
    std::swap(m_fd, other.m_fd);
    std::swap(m_ended, other.m_ended);
    std::swap(m_rest, other.m_rest);
    std::swap(m_unsent, other.m_unsent);
    return *this;
}

Wire::~Wire()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

void Wire::say(const Json& line, bool mayDrop)
{
    if (!open() || (mayDrop && m_unsent.size() > kMuchUnsent))
        return;
    m_unsent += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    flush();
}

void Wire::flush()
{
    while (!m_unsent.empty() && m_fd >= 0) {
        const ssize_t put = ::send(m_fd, m_unsent.data(), m_unsent.size(), MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) { // read() will tell
            m_unsent.clear();
            return;
        }
        m_unsent.erase(0, static_cast<std::size_t>(put));
    }
}

void Wire::read(const std::function<void(const Json&)>& hear)
{
    char buffer[16384];
    while (open()) {
        const ssize_t got = ::recv(m_fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            m_ended = true;
            return;
        }
        m_rest.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; (end = m_rest.find('\n')) != std::string::npos;) {
            const auto line = parseJson(m_rest.substr(0, end));
            m_rest.erase(0, end + 1);
            if (!line.is_object()) {
                m_ended = true;
                return;
            }
            hear(line);
        }
        if (m_rest.size() > kMaxLine)
            m_ended = true;
    }
}

void Wire::finish()
{
    flush();
    if (m_fd >= 0)
        ::shutdown(m_fd, SHUT_WR);
}

Listener listenForRanks(bool everywhere, int port)
{
    Listener listener;
    const auto tryFamily = [&](int family) {
        const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return false;
        sockaddr_in6 six{};
        sockaddr_in four{};
        const int no = 0;
        const int yes = 1;
        if (port != 0) // what an attempt just now left behind is in nobody's way
            ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        six.sin6_port = four.sin_port = htons(static_cast<std::uint16_t>(port));
        six.sin6_family = AF_INET6;
        six.sin6_addr = in6addr_any;
        four.sin_family = AF_INET;
        four.sin_addr.s_addr = htonl(everywhere ? INADDR_ANY : INADDR_LOOPBACK);
        auto* address = family == AF_INET6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
        socklen_t size = family == AF_INET6 ? sizeof six : sizeof four;
        if (family == AF_INET6) // the older addresses too
            ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
        if (::bind(fd, address, size) != 0 || ::listen(fd, 1024) != 0 || ::getsockname(fd, address, &size) != 0) {
            const int why = errno;
            ::close(fd);
            errno = why;
            return false;
        }
        listener = {fd, ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port)};
        return true;
    };
    if (!everywhere || !tryFamily(AF_INET6))
        tryFamily(AF_INET);
    return listener;
}

int connectTo(const std::string& address, int port, std::chrono::milliseconds limit)
{
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
        return -1;
    const auto end = std::chrono::steady_clock::now() + limit;
    int connected = -1;
    for (const auto* each = found; each && connected < 0; each = each->ai_next) {
        const int fd = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            continue;
        int why = ::connect(fd, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
        if (why == EINPROGRESS) {
            pollfd ready{fd, POLLOUT, 0};
            socklen_t size = sizeof why;
            if (::poll(&ready, 1, static_cast<int>(std::max(0ms, left(end)).count())) == 1)
                ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
        }
        if (why == 0)
            connected = fd;
        else
            ::close(fd);
    }
    ::freeaddrinfo(found);
    return connected;
}

std::string networkIdentity()
{
    std::error_code error;
    return runs::bootId() + " " + std::filesystem::read_symlink("/proc/self/ns/net", error).string();
}

bool isLoopback(const std::string& address)
{
    return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::vector<std::string> ownAddresses()
{
    std::vector<std::string> all;
    eachInterface([&](const std::string&, const std::string& address) { all.push_back(address); });
    return all;
}

std::string interfaceOf(int fd)
{
    sockaddr_storage here{};
    socklen_t size = sizeof here;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&here), &size) != 0)
        return {};
    std::string found;
    eachInterface([&, at = textOf(reinterpret_cast<const sockaddr*>(&here))](const std::string& name, const std::string& address) {
        if (found.empty() && address == at)
            found = name;
    });
    return found;
}

} // namespace espalier::cli
