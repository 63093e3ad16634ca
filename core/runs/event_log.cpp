// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/runs/events.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace espalier::runs {

Result<EventLog> EventLog::open(const std::filesystem::path& file)
{
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return ioError("open", file, errno);
    EventLog log(fd, file);
    struct stat status {};
    if (::fstat(fd, &status) != 0)
        return ioError("read", file, errno);
    char last = '\n';
    if (status.st_size > 0 && ::pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n')
        log.m_torn = true; // its writer was killed, or the disk was full; the next line begins with a newline
    if (log.m_torn && ::write(fd, "\n", 1) == 1)
        log.m_torn = false;
    log.reserve(status.st_size);
    return log;
}

EventLog::EventLog(EventLog&& other) noexcept
    : m_fd(std::exchange(other.m_fd, -1)), m_file(std::move(other.m_file)), m_reservedTo(other.m_reservedTo), m_torn(other.m_torn)
{
}

EventLog& EventLog::operator=(EventLog&& other) noexcept
{
    std::swap(m_fd, other.m_fd);
    std::swap(m_file, other.m_file);
    std::swap(m_reservedTo, other.m_reservedTo);
    std::swap(m_torn, other.m_torn);
    return *this;
}

EventLog::~EventLog()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

void EventLog::reserve(std::int64_t end)
{
    constexpr std::int64_t kLastWords = 16 << 10, kAhead = 64 << 10;
    if (end + kLastWords <= m_reservedTo)
        return;
    m_reservedTo = end + kAhead; // whether or not it was granted: a disk that cannot do it is not asked for every line
    ::fallocate(m_fd, FALLOC_FL_KEEP_SIZE, end, kAhead);
}

Result<Done> EventLog::append(const Event& event)
{
    std::string line = eventLine(event);
    if (line.size() > EventReader::kMaxLine) {
        Event small = event;
        small.fields = {{"too_long", line.size()}};
        line = eventLine(small);
    }
    if (m_torn)
        line.insert(line.begin(), '\n');
    ssize_t put;
    do
        put = ::write(m_fd, line.data(), line.size());
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return ioError("write", m_file, errno);
    if (static_cast<std::size_t>(put) < line.size()) {
        // Half a line is there: try the rest once, else let the next line start on its own.
        const ssize_t rest = ::write(m_fd, line.data() + put, line.size() - static_cast<std::size_t>(put));
        if (rest < 0 || static_cast<std::size_t>(put + rest) < line.size()) {
            m_torn = true;
            return ioError("write", m_file, rest < 0 ? errno : ENOSPC);
        }
    }
    m_torn = false;
    reserve(::lseek(m_fd, 0, SEEK_CUR));
    return Done{};
}

std::vector<Event> EventReader::poll()
{
    std::vector<Event> events;
    m_restarted = false;
    const int fd = ::open(m_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return events;
    struct stat status {};
    if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(fd);
        return events;
    }
    if (status.st_ino != m_inode || static_cast<std::uint64_t>(status.st_size) < m_offset) {
        m_restarted = m_inode != 0;
        m_inode = status.st_ino;
        m_offset = 0;
        m_rest.clear();
        m_skipping = false;
        m_badLines = 0;
    }
    char buffer[1 << 16];
    for (;;) {
        const ssize_t got = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(m_offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        m_offset += static_cast<std::uint64_t>(got);
        std::string_view piece(buffer, static_cast<std::size_t>(got));
        while (!piece.empty()) {
            const auto end = piece.find('\n');
            const auto part = piece.substr(0, end);
            if (!m_skipping)
                m_rest += part;
            if (m_rest.size() > kMaxLine) {
                m_rest.clear();
                m_skipping = true;
                ++m_badLines;
            }
            if (end == std::string_view::npos)
                break;
            piece.remove_prefix(end + 1);
            if (!std::exchange(m_skipping, false) && !m_rest.empty()) {
                if (auto event = parseEventLine(m_rest))
                    events.push_back(std::move(*event));
                else
                    ++m_badLines;
            }
            m_rest.clear();
        }
    }
    ::close(fd);
    return events;
}

} // namespace espalier::runs
