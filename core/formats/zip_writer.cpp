// SPDX-License-Identifier: Apache-2.0
#include "core/formats/zip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>
#include <vector>

namespace espalier::formats {
namespace {

constexpr std::uint64_t kNarrow = 0xFFFFFFFF; // what no longer fits goes into zip64 fields

/// Little-endian fields one after the other.
class Fields {
public:
    Fields& two(std::uint64_t v) { return put(v, 2); }
    Fields& four(std::uint64_t v) { return put(v, 4); }
    Fields& eight(std::uint64_t v) { return put(v, 8); }
    Fields& text(std::string_view v)
    {
        m_bytes += v;
        return *this;
    }
    const std::string& bytes() const { return m_bytes; }

private:
    Fields& put(std::uint64_t v, int count)
    {
        for (int i = 0; i < count; ++i)
            m_bytes += static_cast<char>(v >> (8 * i));
        return *this;
    }
    std::string m_bytes;
};

struct Member {
    std::string name;
    bool deflated = false;
    std::uint64_t at = 0, sizesAt = 0, dataAt = 0; // of the local header, its wide sizes, and the data
    std::uint64_t packed = 0, unpacked = 0;        // bytes
    std::uint32_t crc = 0;
    std::size_t headBytes = 0;

    std::uint64_t flags() const
    {
        return std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }) ? 0x800 : 0; // UTF-8
    }
};

constexpr std::uint64_t kVersion = 45, kDate = 0x21; // zip64; 1 January 1980

} // namespace

struct ZipWriter::State {
    explicit State(AtomicOutput output) : out(std::move(output)) {}
    ~State()
    {
        if (stream)
            deflateEnd(&*stream);
    }

    Result<Done> packed(std::span<const std::byte> bytes, int flush)
    {
        std::vector<std::byte> buffer(1 << 16);
        do {
            // zlib counts in 32 bits
            const std::size_t piece = std::min<std::size_t>(bytes.size(), 1u << 30);
            stream->next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
            stream->avail_in = static_cast<uInt>(piece);
            const int how = piece == bytes.size() ? flush : Z_NO_FLUSH;
            do {
                stream->next_out = reinterpret_cast<Bytef*>(buffer.data());
                stream->avail_out = static_cast<uInt>(buffer.size());
                deflate(&*stream, how);
                if (const auto done = out.write(std::span(buffer).first(buffer.size() - stream->avail_out)); !done)
                    return done.error();
            } while (stream->avail_out == 0);
            bytes = bytes.subspan(piece);
        } while (!bytes.empty());
        return Done{};
    }

    AtomicOutput out;
    std::vector<Member> members;
    std::optional<z_stream> stream;
    bool open = false;
    std::uint32_t crc = 0; // of what follows the head
    std::uint64_t length = 0;
};

ZipWriter::ZipWriter(std::unique_ptr<State> state) : m_state(std::move(state)) {}
ZipWriter::ZipWriter(ZipWriter&&) noexcept = default;
ZipWriter& ZipWriter::operator=(ZipWriter&&) noexcept = default;
ZipWriter::~ZipWriter() = default;

Result<ZipWriter> ZipWriter::create(const std::filesystem::path& file)
{
    auto out = AtomicOutput::create(file);
    if (!out)
        return out.error();
    return ZipWriter(std::make_unique<State>(std::move(*out)));
}

Result<Done> ZipWriter::begin(std::string_view name, bool deflated, std::string_view head, std::uint64_t alignment)
{
    State& s = *m_state;
    assert(!s.open && head.size() <= 0xFFFF);
    Member member{std::string(name), deflated, s.out.size()};
    member.headBytes = head.size();
    // After the fixed fields, the name and 20 bytes of zip64; an extra field of our own takes at least its 4 bytes of header.
    std::uint64_t padding = (alignment - (member.at + 30 + name.size() + 20) % alignment) % alignment;
    while (padding > 0 && padding < 4)
        padding += alignment;
    Fields local;
    local.text("PK\x03\x04").two(kVersion).two(member.flags()).two(deflated ? 8 : 0).two(0).two(kDate).four(0).four(kNarrow).four(kNarrow);
    local.two(name.size()).two(20 + padding).text(name).two(1).two(16).eight(0).eight(0);
    member.sizesAt = s.out.size() + local.bytes().size() - 16;
    if (padding > 0)
        local.text("FB").two(padding - 4).text(std::string(padding - 4, '\0'));
    if (const auto done = s.out.write(local.bytes()); !done)
        return done.error();
    member.dataAt = s.out.size();
    if (deflated) { // the head as a stored block of its own, so that it can be replaced
        const std::uint64_t size = head.size();
        if (const auto done = s.out.write(Fields().text({"\0", 1}).two(size).two(~size).bytes()); !done)
            return done.error();
        s.stream.emplace();
        if (deflateInit2(&*s.stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
            s.stream.reset();
            return Error{ErrorCode::Memory, "An npz cannot be compressed: there is no memory left."};
        }
    }
    s.members.push_back(std::move(member));
    s.open = true;
    s.crc = 0;
    s.length = 0;
    return s.out.write(head);
}

Result<Done> ZipWriter::write(std::span<const std::byte> bytes)
{
    State& s = *m_state;
    assert(s.open);
    s.crc = static_cast<std::uint32_t>(crc32_z(s.crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    s.length += bytes.size();
    return s.stream ? s.packed(bytes, Z_NO_FLUSH) : s.out.write(bytes);
}

Result<Done> ZipWriter::end(std::string_view head)
{
    State& s = *m_state;
    Member& member = s.members.back();
    assert(s.open && head.size() == member.headBytes);
    if (s.stream) {
        if (const auto done = s.packed({}, Z_FINISH); !done)
            return done.error();
        deflateEnd(&*s.stream);
        s.stream.reset();
    }
    s.open = false;
    const auto headCrc = crc32_z(0, reinterpret_cast<const Bytef*>(head.data()), head.size());
    member.crc = static_cast<std::uint32_t>(crc32_combine(headCrc, s.crc, static_cast<z_off_t>(s.length)));
    member.unpacked = head.size() + s.length;
    member.packed = s.out.size() - member.dataAt;

    const auto patch = [&](std::uint64_t at, std::string_view bytes) {
        return s.out.patch(at, std::as_bytes(std::span(bytes.data(), bytes.size())));
    };
    if (const auto done = patch(member.dataAt + (member.deflated ? 5 : 0), head); !done)
        return done.error();
    if (const auto done = patch(member.at + 14, Fields().four(member.crc).bytes()); !done)
        return done.error();
    return patch(member.sizesAt, Fields().eight(member.unpacked).eight(member.packed).bytes());
}

Result<WrittenFile> ZipWriter::finish(Sync sync)
{
    State& s = *m_state;
    assert(!s.open);
    const std::uint64_t directoryAt = s.out.size();
    for (const Member& m : s.members) {
        const bool wide = std::max({m.packed, m.unpacked, m.at}) >= kNarrow;
        Fields entry;
        entry.text("PK\x01\x02").two(3 << 8 | kVersion).two(kVersion).two(m.flags()).two(m.deflated ? 8 : 0).two(0).two(kDate).four(m.crc);
        entry.four(wide ? kNarrow : m.packed).four(wide ? kNarrow : m.unpacked).two(m.name.size()).two(wide ? 28 : 0).two(0).two(0).two(0);
        entry.four(std::uint64_t{0600} << 16).four(wide ? kNarrow : m.at).text(m.name);
        if (wide)
            entry.two(1).two(24).eight(m.unpacked).eight(m.packed).eight(m.at);
        if (const auto done = s.out.write(entry.bytes()); !done)
            return done.error();
    }
    const std::uint64_t endAt = s.out.size(), directoryBytes = endAt - directoryAt, count = s.members.size();
    const bool wide = count >= 0xFFFF || std::max(directoryAt, directoryBytes) >= kNarrow;
    Fields end;
    if (wide) {
        end.text("PK\x06\x06").eight(44).two(3 << 8 | kVersion).two(kVersion).four(0).four(0).eight(count).eight(count);
        end.eight(directoryBytes).eight(directoryAt);
        end.text("PK\x06\x07").four(0).eight(endAt).four(1);
    }
    end.text("PK\x05\x06").two(0).two(0).two(wide ? 0xFFFF : count).two(wide ? 0xFFFF : count);
    end.four(wide ? kNarrow : directoryBytes).four(wide ? kNarrow : directoryAt).two(0);
    if (const auto done = s.out.write(end.bytes()); !done)
        return done.error();
    return s.out.commit(sync);
}

} // namespace espalier::formats
