// SPDX-License-Identifier: Apache-2.0
#include "core/formats/tar_gz.h"

#include "core/base/files.h"
#include "core/formats/in_quotes.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

namespace espalier::formats {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kLongestName = 64 << 10; // and longest block of pax records

using Block = std::array<char, kBlock>;

std::string_view fieldOf(const Block& block, std::size_t at, std::size_t size)
{
    return {block.data() + at, size};
}

std::string textOf(std::string_view field)
{
    return std::string(field.substr(0, field.find('\0')));
}

/// Octal text, or base 256 when the first bit is set; nothing when it is neither or beyond 63 bits.
std::optional<std::uint64_t> numberOf(std::string_view field)
{
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(field[0]) == 0x80) {
        for (const char c : field.substr(1)) {
            if (value >> 55)
                return {};
            value = value << 8 | static_cast<unsigned char>(c);
        }
        return value;
    }
    const auto isBlank = [](char c) { return c == ' ' || c == '\0'; };
    while (!field.empty() && isBlank(field.front()))
        field.remove_prefix(1);
    while (!field.empty() && isBlank(field.back()))
        field.remove_suffix(1);
    for (const char c : field) {
        if (c < '0' || c > '7' || value >> 60)
            return {};
        value = value << 3 | static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

bool checksumFits(const Block& block)
{
    const auto wanted = numberOf(fieldOf(block, 148, 8));
    std::uint64_t unsignedSum = 0;
    std::int64_t signedSum = 0; // old writers summed signed bytes
    for (std::size_t i = 0; i < kBlock; ++i) {
        const char c = i >= 148 && i < 156 ? ' ' : block[i];
        unsignedSum += static_cast<unsigned char>(c);
        signedSum += static_cast<signed char>(c);
    }
    return wanted && (*wanted == unsignedSum || static_cast<std::int64_t>(*wanted) == signedSum);
}

/// What pax records say about the member that follows: "12 path=name\n".
struct Pax {
    std::optional<std::string> path;
    std::optional<std::uint64_t> size;

    bool parse(std::string_view records)
    {
        while (!records.empty()) {
            std::size_t length = 0, digits = 0;
            for (; digits < records.size() && digits < 9 && records[digits] >= '0' && records[digits] <= '9'; ++digits)
                length = length * 10 + static_cast<std::size_t>(records[digits] - '0');
            if (digits == 0 || digits >= records.size() || records[digits] != ' ' || length > records.size() || length < digits + 3 ||
                records[length - 1] != '\n')
                return false;
            const std::string_view record = records.substr(digits + 1, length - digits - 2);
            const std::size_t equals = record.find('=');
            if (equals == record.npos)
                return false;
            if (!keep(record.substr(0, equals), record.substr(equals + 1)))
                return false;
            records.remove_prefix(length);
        }
        return true;
    }

private:
    bool keep(std::string_view key, std::string_view value)
    {
        if (key == "path")
            path = std::string(value);
        if (key != "size")
            return true;
        if (value.empty() || value.size() > 18)
            return false;
        std::uint64_t number = 0;
        for (const char c : value) {
            if (c < '0' || c > '9')
                return false;
            number = number * 10 + static_cast<std::uint64_t>(c - '0');
        }
        size = number;
        return true;
    }
};

} // namespace

struct TarReader::State {
    std::filesystem::path file;
    TarLimits limits;
    int fd = -1;
    bool packed = false, streamEnded = false;
    z_stream stream{};
    bool streamOpen = false;
    std::vector<std::byte> input = std::vector<std::byte>(1 << 16);
    std::size_t inputAt = 0, inputEnd = 0;
    std::uint64_t total = 0, members = 0;
    std::uint64_t left = 0, padding = 0; // of the member being read
    std::string name;
    bool ended = false;

    ~State()
    {
        if (streamOpen)
            inflateEnd(&stream);
        if (fd >= 0)
            ::close(fd);
    }

    Error refuse(std::string_view why) const
    {
        return {ErrorCode::Format, fmt::format("{} cannot be read as {}: {}.", file.string(), packed ? "tar.gz" : "tar", why)};
    }

    /// Makes sure that unread input is there; false at the end of the file.
    Result<bool> fill()
    {
        while (inputAt == inputEnd) {
            const ssize_t got = ::read(fd, input.data(), input.size());
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0)
                return ioError("read", file, errno);
            if (got == 0)
                return false;
            inputAt = 0;
            inputEnd = static_cast<std::size_t>(got);
        }
        return true;
    }

    /// Unpacked bytes: how many; fewer than asked for only at the end.
    Result<std::size_t> pull(std::span<std::byte> into)
    {
        std::size_t got = 0;
        while (got < into.size()) {
            const auto piece = packed ? inflated(into.subspan(got)) : copied(into.subspan(got));
            if (!piece)
                return piece.error();
            if (*piece == 0)
                break;
            got += *piece;
        }
        total += got;
        if (total > limits.totalBytes)
            return refuse(fmt::format("it unpacks to more than the {} bytes allowed", limits.totalBytes));
        return got;
    }

    Result<std::size_t> copied(std::span<std::byte> into)
    {
        const auto more = fill();
        if (!more)
            return more.error();
        const std::size_t size = *more ? std::min(into.size(), inputEnd - inputAt) : 0;
        std::memcpy(into.data(), input.data() + inputAt, size);
        inputAt += size;
        return size;
    }

    Result<std::size_t> inflated(std::span<std::byte> into)
    {
        for (;;) {
            const auto more = fill();
            if (!more)
                return more.error();
            if (streamEnded) { // another gzip stream may follow; what is none is padding
                if (!*more || input[inputAt] != std::byte{0x1F})
                    return std::size_t{0};
                inflateReset(&stream);
                streamEnded = false;
            }
            if (!*more)
                return refuse("it was cut");
            stream.next_in = reinterpret_cast<Bytef*>(input.data() + inputAt);
            stream.avail_in = static_cast<uInt>(inputEnd - inputAt);
            stream.next_out = reinterpret_cast<Bytef*>(into.data());
            stream.avail_out = static_cast<uInt>(std::min<std::size_t>(into.size(), 1u << 30));
            const uInt room = stream.avail_out;
            const int status = inflate(&stream, Z_NO_FLUSH);
            inputAt = inputEnd - stream.avail_in;
            if (status == Z_MEM_ERROR)
                return Error{ErrorCode::Memory, fmt::format("{} cannot be unpacked: there is no memory left.", file.string())};
            if (status != Z_OK && status != Z_STREAM_END)
                return refuse("its packed data are damaged");
            streamEnded = status == Z_STREAM_END;
            if (stream.avail_out < room)
                return static_cast<std::size_t>(room - stream.avail_out);
        }
    }

    Result<Done> pullWhole(std::span<std::byte> into)
    {
        const auto got = pull(into);
        if (!got)
            return got.error();
        if (*got < into.size())
            return refuse("it was cut");
        return Done{};
    }

    Result<Done> skipMember()
    {
        std::vector<std::byte> scratch(std::min<std::uint64_t>(left + padding, 1 << 16));
        for (std::uint64_t rest = left + padding; rest > 0;) {
            const auto piece = std::span(scratch).first(std::min<std::uint64_t>(rest, scratch.size()));
            if (const auto done = pullWhole(piece); !done)
                return done.error();
            rest -= piece.size();
        }
        left = padding = 0;
        return Done{};
    }

    void beginContent(std::uint64_t bytes)
    {
        left = bytes;
        padding = (kBlock - bytes % kBlock) % kBlock;
    }

    /// The content of a helper member: a long name or pax records.
    Result<std::string> helperContent(std::uint64_t bytes)
    {
        if (bytes > kLongestName)
            return refuse(fmt::format("a name in it claims {} bytes", bytes));
        std::string content(bytes, '\0');
        if (const auto done = pullWhole(std::as_writable_bytes(std::span(content))); !done)
            return done.error();
        beginContent(bytes);
        left = 0;
        if (const auto done = skipMember(); !done)
            return done.error();
        return content;
    }

    /// The next header block; nothing at the end of the archive.
    Result<std::optional<Block>> nextBlock()
    {
        Block block;
        const auto got = pull(std::as_writable_bytes(std::span(block)));
        if (!got)
            return got.error();
        if (*got == 0 && members > 0)
            return std::optional<Block>(); // some writers leave out the two zero blocks
        if (*got < kBlock)
            return refuse(*got == 0 && members == 0 ? "it is empty" : "it was cut");
        if (std::all_of(block.begin(), block.end(), [](char c) { return c == 0; }))
            return std::optional<Block>();
        if (!checksumFits(block))
            return refuse(members == 0 ? "it is no tar archive" : "a header in it is damaged");
        return std::optional<Block>(block);
    }
};

TarReader::TarReader(std::unique_ptr<State> state) : m_state(std::move(state)) {}
TarReader::TarReader(TarReader&&) noexcept = default;
TarReader& TarReader::operator=(TarReader&&) noexcept = default;
TarReader::~TarReader() = default;

Result<TarReader> TarReader::open(const std::filesystem::path& file, const TarLimits& limits)
{
    auto state = std::make_unique<State>();
    state->file = file;
    state->limits = limits;
    state->fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (state->fd < 0)
        return ioError("open", file, errno);
    const auto some = state->fill();
    if (!some)
        return some.error();
    state->packed = *some && state->inputEnd >= 2 && state->input[0] == std::byte{0x1F} && state->input[1] == std::byte{0x8B};
    if (state->packed) {
        if (inflateInit2(&state->stream, 15 + 16) != Z_OK)
            return Error{ErrorCode::Memory, fmt::format("{} cannot be unpacked: there is no memory left.", file.string())};
        state->streamOpen = true;
    }
    return TarReader(std::move(state));
}

Result<std::optional<TarMember>> TarReader::next()
{
    State& s = *m_state;
    if (s.ended)
        return std::optional<TarMember>();
    if (const auto skipped = s.skipMember(); !skipped)
        return skipped.error();
    std::optional<std::string> longName;
    Pax pax;
    for (;;) {
        const auto block = s.nextBlock();
        if (!block)
            return block.error();
        if (!*block) {
            s.ended = true;
            return std::optional<TarMember>();
        }
        if (++s.members > s.limits.members)
            return s.refuse(fmt::format("it holds more than the {} members allowed", s.limits.members));
        const Block& b = **block;
        const auto size = numberOf(fieldOf(b, 124, 12));
        if (!size)
            return s.refuse("a header in it gives no size");
        const char type = b[156];
        if (type == 'L' || type == 'K' || type == 'x' || type == 'g') {
            auto content = s.helperContent(*size);
            if (!content)
                return content.error();
            if (type == 'L')
                longName = textOf(*content);
            else if (type == 'x' && !pax.parse(*content))
                return s.refuse("a pax header in it is damaged");
            continue;
        }
        TarMember member;
        const std::string prefix = fieldOf(b, 257, 6) == std::string_view("ustar\0", 6) ? textOf(fieldOf(b, 345, 155)) : "";
        const std::string shortName = textOf(fieldOf(b, 0, 100));
        member.name = pax.path ? *pax.path : longName ? *longName : prefix.empty() ? shortName : prefix + "/" + shortName;
        member.isFile = type == '0' || type == '\0' || type == '7';
        const bool hasContent = member.isFile || type == 'S' || (type > '7' && type != '5');
        const std::uint64_t bytes = hasContent ? pax.size.value_or(*size) : 0;
        if (bytes > s.limits.totalBytes)
            return s.refuse(fmt::format("member {} claims {} bytes", inQuotes(member.name), bytes));
        s.beginContent(bytes);
        s.name = member.name;
        member.bytes = member.isFile ? bytes : 0;
        return std::optional<TarMember>(std::move(member));
    }
}

Result<std::size_t> TarReader::read(std::span<std::byte> into)
{
    State& s = *m_state;
    const auto wanted = into.first(std::min<std::uint64_t>(into.size(), s.left));
    if (const auto done = s.pullWhole(wanted); !done)
        return done.error();
    s.left -= wanted.size();
    return wanted.size();
}

Result<std::string> TarReader::readAll(std::uint64_t limitBytes)
{
    State& s = *m_state;
    if (s.left > limitBytes)
        return s.refuse(fmt::format("member {} has {} bytes, more than the {} expected", inQuotes(s.name), s.left, limitBytes));
    std::string content;
    // Grown as data arrive: a header may claim what is not there.
    while (s.left > 0) {
        const std::size_t before = content.size();
        content.resize(before + std::min<std::uint64_t>(s.left, 1 << 20));
        const auto got = read(std::as_writable_bytes(std::span(content).subspan(before)));
        if (!got)
            return got.error();
    }
    return content;
}

} // namespace espalier::formats
