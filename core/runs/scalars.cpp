// SPDX-License-Identifier: Apache-2.0
#include "core/runs/scalars.h"

#include "core/base/descriptor.h"
#include "core/base/files.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace espalier::runs {
namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian and written as they lie in memory");
static_assert(sizeof(ScalarPoint) == 24);

// "ESPALSCA", u32 version, u32 header bytes (a multiple of 8), u32 tag bytes, u32 unit bytes, tag, unit, zeros.
constexpr char kMagic[8] = {'E', 'S', 'P', 'A', 'L', 'S', 'C', 'A'};
constexpr std::uint32_t kVersion = 1, kMaxHeader = 4096;
struct Fixed {
    char magic[8];
    std::uint32_t version, headerBytes, tagBytes, unitBytes;
};
static_assert(sizeof(Fixed) == 24);

ssize_t preadAll(int fd, void* into, std::size_t bytes, std::uint64_t offset)
{
    std::size_t have = 0;
    while (have < bytes) {
        const ssize_t got = ::pread(fd, static_cast<char*>(into) + have, bytes - have, static_cast<off_t>(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(have);
}

Result<ScalarHeader> headerOf(int fd, const std::filesystem::path& file)
{
    const auto wrong = [&](std::string_view why) { return Error{ErrorCode::Format, fmt::format("{} {}.", file.string(), why), {}}; };
    char bytes[kMaxHeader];
    const ssize_t got = preadAll(fd, bytes, sizeof bytes, 0);
    if (got < 0)
        return ioError("read", file, errno);
    Fixed fixed;
    if (got > 0 && std::memcmp(bytes, kMagic, std::min<std::size_t>(static_cast<std::size_t>(got), sizeof kMagic)) != 0)
        return wrong("is no scalar file");
    if (static_cast<std::size_t>(got) < sizeof fixed)
        return ScalarHeader{};
    std::memcpy(&fixed, bytes, sizeof fixed);
    if (fixed.version != kVersion)
        return wrong(fmt::format("has version {} of the scalar format, which this Espalier does not know", fixed.version));
    if (fixed.headerBytes > kMaxHeader || fixed.headerBytes % 8 != 0 || fixed.tagBytes > kMaxHeader || fixed.unitBytes > kMaxHeader ||
        sizeof fixed + fixed.tagBytes + fixed.unitBytes > fixed.headerBytes)
        return wrong("has a damaged header");
    if (static_cast<std::uint32_t>(got) < fixed.headerBytes)
        return ScalarHeader{};
    return ScalarHeader{std::string(bytes + sizeof fixed, fixed.tagBytes),
                        std::string(bytes + sizeof fixed + fixed.tagBytes, fixed.unitBytes), fixed.headerBytes};
}

} // namespace

Result<ScalarWriter> ScalarWriter::create(const std::filesystem::path& file, std::string_view tag, std::string_view unit)
{
    if (tag.empty() || tag.size() > 512 || unit.size() > 64)
        return Error{ErrorCode::Internal, fmt::format("A scalar may not be called \"{}\".", tag.substr(0, 80)), {}};
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return ioError("create", file, errno);
    ScalarWriter writer(fd, file);
    Fixed fixed{{}, kVersion, 0, static_cast<std::uint32_t>(tag.size()), static_cast<std::uint32_t>(unit.size())};
    std::memcpy(fixed.magic, kMagic, sizeof kMagic);
    const std::size_t used = sizeof fixed + tag.size() + unit.size();
    fixed.headerBytes = static_cast<std::uint32_t>((used + 7) / 8 * 8);
    writer.m_buffer.append(reinterpret_cast<const char*>(&fixed), sizeof fixed);
    writer.m_buffer += tag;
    writer.m_buffer += unit;
    writer.m_buffer.resize(fixed.headerBytes, '\0');
    return writer;
}

ScalarWriter::ScalarWriter(ScalarWriter&& other) noexcept
    : m_fd(std::exchange(other.m_fd, -1)), m_file(std::move(other.m_file)), m_buffer(std::move(other.m_buffer))
{
}

ScalarWriter& ScalarWriter::operator=(ScalarWriter&& other) noexcept
{
    std::swap(m_fd, other.m_fd);
    std::swap(m_file, other.m_file);
    std::swap(m_buffer, other.m_buffer);
    return *this;
}

ScalarWriter::~ScalarWriter()
{
    if (m_fd < 0)
        return;
    (void)flush();
    ::close(m_fd);
}

void ScalarWriter::add(const ScalarPoint& point)
{
    m_buffer.append(reinterpret_cast<const char*>(&point), sizeof point);
}

Result<Done> ScalarWriter::flush()
{
    std::size_t done = 0;
    int why = 0;
    while (done < m_buffer.size()) {
        const ssize_t put = ::write(m_fd, m_buffer.data() + done, m_buffer.size() - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            why = errno;
            break;
        }
        done += static_cast<std::size_t>(put);
    }
    // What did not fit stays: the next flush goes on in the middle of the record, so the file never holds a gap.
    m_buffer.erase(0, done);
    if (why != 0)
        return ioError("write", m_file, why);
    return Done{};
}

Result<ScalarHeader> readScalarHeader(const std::filesystem::path& file)
{
    Descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (in.fd < 0)
        return ioError("open", file, errno);
    return headerOf(in.fd, file);
}

Result<std::size_t> ScalarReader::poll(std::vector<ScalarPoint>& into, std::size_t limit)
{
    Descriptor in{::open(m_file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (in.fd < 0)
        return ioError("open", m_file, errno);
    if (m_offset == 0) {
        auto header = headerOf(in.fd, m_file);
        if (!header)
            return header.error();
        if (header->bytes == 0)
            return std::size_t{0}; // still being written
        m_header = std::move(*header);
        m_offset = m_header.bytes;
    }
    struct stat status {};
    if (::fstat(in.fd, &status) != 0)
        return ioError("read", m_file, errno);
    const auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
    if (size < m_offset)
        return Error{ErrorCode::Format, fmt::format("{} became shorter, which no writer of ours does.", m_file.string()), {}};
    const std::size_t count = std::min<std::uint64_t>((size - m_offset) / sizeof(ScalarPoint), limit);
    if (count == 0)
        return std::size_t{0};
    const std::size_t before = into.size();
    into.resize(before + count);
    const ssize_t got = preadAll(in.fd, into.data() + before, count * sizeof(ScalarPoint), m_offset);
    if (got < 0) {
        into.resize(before);
        return ioError("read", m_file, errno);
    }
    const std::size_t whole = static_cast<std::size_t>(got) / sizeof(ScalarPoint);
    into.resize(before + whole);
    m_offset += whole * sizeof(ScalarPoint);
    return whole;
}

} // namespace espalier::runs
