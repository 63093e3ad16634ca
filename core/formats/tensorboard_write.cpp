// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/formats/mapped_file.h"
#include "core/formats/tensorboard.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace espalier::formats {
namespace {

constexpr auto kCrcTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t v = i;
        for (int bit = 0; bit < 8; ++bit)
            v = v >> 1 ^ (v & 1 ? 0x82F63B78u : 0u);
        table[i] = v;
    }
    return table;
}();

// Field numbers and kinds of the few protobuf messages that an event is made of.
std::string varint(std::uint64_t value)
{
    std::string bytes;
    for (; value >= 0x80; value >>= 7)
        bytes += static_cast<char>(value | 0x80);
    return bytes + static_cast<char>(value);
}
std::string littleEndian(std::uint64_t value, int bytes)
{
    std::string text;
    for (int i = 0; i < bytes; ++i)
        text += static_cast<char>(value >> (8 * i));
    return text;
}
std::string key(int field, int kind)
{
    return varint(static_cast<std::uint64_t>(field << 3 | kind));
}
std::string number(int field, std::uint64_t value)
{
    return key(field, 0) + varint(value);
}
std::string real(int field, double value)
{
    return key(field, 1) + littleEndian(std::bit_cast<std::uint64_t>(value), 8);
}
std::string shortReal(int field, float value)
{
    // One NaN, as other writers have it: the sign of a NaN is an accident of the processor.
    const std::uint32_t bits = std::isnan(value) ? 0x7FC00000u : std::bit_cast<std::uint32_t>(value);
    return key(field, 5) + littleEndian(bits, 4);
}
std::string text(int field, std::string_view value)
{
    return key(field, 2) + varint(value.size()) + std::string(value);
}

std::string eventWith(double wallTime, std::int64_t step, const std::string& value)
{
    // A step of 0 is not written: absent means 0.
    return real(1, wallTime) + (step ? number(2, static_cast<std::uint64_t>(step)) : "") + text(5, text(1, value));
}

std::string hostName()
{
    char name[256] = "";
    ::gethostname(name, sizeof name - 1);
    std::string clean;
    for (const char c : std::string_view(name))
        clean += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ? c : '_';
    return clean.empty() ? "localhost" : clean;
}

} // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes)
{
    std::uint32_t crc = 0xFFFFFFFFu;
    for (const std::byte b : bytes)
        crc = crc >> 8 ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF];
    return ~crc;
}

std::uint32_t maskedCrc32c(std::span<const std::byte> bytes)
{
    return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u;
}

Result<TensorBoardWriter> TensorBoardWriter::create(const std::filesystem::path& folder, double wallTime)
{
    for (int n = 0;; ++n) {
        const auto file =
            folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<std::int64_t>(wallTime), hostName(), ::getpid(), n);
        const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST && n < 10'000)
            continue;
        if (fd < 0)
            return ioError("write", file, errno);
        TensorBoardWriter writer(file, fd);
        if (const auto done = writer.writeRecord(real(1, wallTime) + text(3, "brain.Event:2")); !done)
            return done.error();
        return writer;
    }
}

Result<TensorBoardWriter> TensorBoardWriter::append(const std::filesystem::path& file)
{
    TensorBoardReader reader(file);
    const auto values = reader.poll();
    if (!values)
        return values.error();
    if (reader.damage()) // what follows the damage is not ours to remove
        return *reader.damage();
    const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return ioError("write", file, errno);
    TensorBoardWriter writer(file, fd);
    if (::ftruncate(fd, static_cast<off_t>(reader.offset())) != 0)
        return ioError("write", file, errno);
    return writer;
}

TensorBoardWriter::TensorBoardWriter(TensorBoardWriter&& other) noexcept
    : m_path(std::move(other.m_path)), m_fd(std::exchange(other.m_fd, -1))
{
}

TensorBoardWriter& TensorBoardWriter::operator=(TensorBoardWriter&& other) noexcept
{
    std::swap(m_path, other.m_path);
    std::swap(m_fd, other.m_fd);
    return *this;
}

TensorBoardWriter::~TensorBoardWriter()
{
    if (m_fd >= 0)
        ::close(m_fd);
}

Result<Done> TensorBoardWriter::addScalar(std::string_view tag, std::int64_t step, double wallTime, float value)
{
    return writeRecord(eventWith(wallTime, step, text(1, tag) + shortReal(2, value)));
}

Result<Done> TensorBoardWriter::addImage(std::string_view tag, std::int64_t step, double wallTime, int width, int height, int channels,
                                         std::span<const std::byte> png)
{
    const auto side = [](int v) { return static_cast<std::uint64_t>(v); };
    const std::string image = number(1, side(height)) + number(2, side(width)) + number(3, side(channels)) +
                              text(4, {reinterpret_cast<const char*>(png.data()), png.size()});
    return writeRecord(eventWith(wallTime, step, text(1, tag) + text(4, image)));
}

Result<Done> TensorBoardWriter::writeRecord(std::string_view body)
{
    const auto checksum = [](std::string_view bytes) {
        return littleEndian(maskedCrc32c(std::as_bytes(std::span(bytes.data(), bytes.size()))), 4);
    };
    const std::string length = littleEndian(body.size(), 8);
    const std::string record = length + checksum(length) + std::string(body) + checksum(body);
    const off_t before = ::lseek(m_fd, 0, SEEK_END);
    for (std::string_view rest = record; !rest.empty();) {
        const ssize_t put = ::write(m_fd, rest.data(), rest.size());
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            const int why = errno;
            // A full disk: what was written of this record would hide all that follow.
            if (before >= 0 && ::ftruncate(m_fd, before) != 0)
                return ioError("repair", m_path, errno);
            return ioError("write", m_path, why);
        }
        rest.remove_prefix(static_cast<std::size_t>(put));
    }
    return Done{};
}

} // namespace espalier::formats
