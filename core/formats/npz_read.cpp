// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/formats/in_quotes.h"
#include "core/formats/npz.h"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <climits>

namespace espalier::formats {
namespace {

constexpr zip_int64_t kMostArrays = 10'000;

struct CloseZip {
    void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseMember {
    void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Zip = std::unique_ptr<zip_t, CloseZip>;
using Member = std::unique_ptr<zip_file_t, CloseMember>;

Error refusal(const std::filesystem::path& file, std::string_view why, std::string detail = {})
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as npz: {}.", file.string(), why), std::move(detail)};
}

Result<Zip> openZip(const std::filesystem::path& file)
{
    if (std::error_code error; std::filesystem::is_directory(file, error))
        return ioError("read", file, EISDIR);
    int code = 0;
    Zip zip(zip_open(file.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (zip)
        return zip;
    const int why = errno;
    if (code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ)
        return ioError("open", file, why);
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string detail = zip_error_strerror(&error);
    zip_error_fini(&error);
    return refusal(file, "it is no zip archive, or it was cut or damaged", std::move(detail));
}

struct Found {
    NpzEntry entry;
    zip_uint64_t index = 0;
};

/// Fills `into` or says that the member is damaged.
Result<Done> readAll(zip_file_t* member, std::span<std::byte> into, const std::filesystem::path& file, std::string_view name)
{
    while (!into.empty()) {
        const zip_int64_t got = zip_fread(member, into.data(), into.size());
        if (got <= 0)
            return refusal(file, fmt::format("array {} is damaged or was cut", inQuotes(name)), zip_file_strerror(member));
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return Done{};
}

/// Only at its end does the library compare the checksum.
Result<Done> checkEnd(zip_file_t* member, const std::filesystem::path& file, std::string_view name)
{
    std::byte more;
    if (zip_fread(member, &more, 1) != 0)
        return refusal(file, fmt::format("the checksum of array {} is wrong", inQuotes(name)), zip_file_strerror(member));
    return Done{};
}

Result<Member> openMember(zip_t* zip, zip_uint64_t index, const std::filesystem::path& file, std::string_view name)
{
    Member member(zip_fopen_index(zip, index, 0));
    if (!member)
        return refusal(file, fmt::format("array {} cannot be opened", inQuotes(name)), zip_strerror(zip));
    return member;
}

Result<std::vector<std::byte>> readHeaderBytes(zip_file_t* member, const std::filesystem::path& file, std::string_view name)
{
    std::vector<std::byte> bytes(kNpyPrologue);
    if (const auto done = readAll(member, bytes, file, name); !done)
        return done.error();
    const auto total = npyHeaderBytes(bytes, fmt::format("Array {} of {}", inQuotes(name), file.string()));
    if (!total)
        return total.error();
    if (*total < bytes.size())
        return refusal(file, fmt::format("array {} has no header", inQuotes(name)));
    bytes.resize(*total);
    if (const auto done = readAll(member, std::span(bytes).subspan(kNpyPrologue), file, name); !done)
        return done.error();
    return bytes;
}

Result<Found> readEntry(zip_t* zip, zip_uint64_t index, const std::filesystem::path& file)
{
    zip_stat_t stat;
    zip_stat_init(&stat);
    constexpr auto kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(zip, index, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & kNeeded) != kNeeded)
        return refusal(file, "its directory is damaged", zip_strerror(zip));
    Found found{{stat.name, {}}, index};
    std::string& name = found.entry.name;
    if (name.ends_with(".npy"))
        name.resize(name.size() - 4);
    // Deflate cannot do better than 1032 : 1; whoever claims more wants memory.
    if ((stat.comp_method == ZIP_CM_STORE && stat.size != stat.comp_size) || stat.size / 1032 > stat.comp_size + 64)
        return refusal(file, fmt::format("array {} claims {} bytes unpacked from {}", inQuotes(name), stat.size, stat.comp_size));
    const auto member = openMember(zip, index, file, name);
    if (!member)
        return member.error();
    const auto bytes = readHeaderBytes(member->get(), file, name);
    if (!bytes)
        return bytes.error();
    auto header = parseNpyHeader(*bytes, fmt::format("Array {} of {}", inQuotes(name), file.string()));
    if (!header)
        return header.error();
    if (header->headerBytes + header->dataBytes() != stat.size)
        return refusal(file, fmt::format("array {} promises {} bytes and has {}", inQuotes(name), header->dataBytes(),
                                         stat.size - header->headerBytes));
    found.entry.header = std::move(*header);
    return found;
}

} // namespace

// ── Images ──

struct NpzImages::State {
    std::filesystem::path file;
    std::string name;
    Zip zip;
    Member member; // goes before its archive
    std::int64_t count = 0, height = 0, width = 0, channels = 0, given = 0;
};

NpzImages::NpzImages(std::unique_ptr<State> state) : m_state(std::move(state)) {}
NpzImages::NpzImages(NpzImages&&) noexcept = default;
NpzImages& NpzImages::operator=(NpzImages&&) noexcept = default;
NpzImages::~NpzImages() = default;

std::int64_t NpzImages::count() const
{
    return m_state->count;
}
int NpzImages::height() const
{
    return static_cast<int>(m_state->height);
}
int NpzImages::width() const
{
    return static_cast<int>(m_state->width);
}
int NpzImages::channels() const
{
    return static_cast<int>(m_state->channels);
}
std::size_t NpzImages::imageBytes() const
{
    return static_cast<std::size_t>(m_state->height * m_state->width * m_state->channels);
}

Result<std::int64_t> NpzImages::next(std::span<std::uint8_t> into)
{
    State& s = *m_state;
    const auto room = static_cast<std::int64_t>(into.size() / imageBytes());
    if (room == 0)
        return Error{ErrorCode::Internal, fmt::format("{} bytes are no room for an image of {}.", into.size(), s.file.string())};
    const std::int64_t taken = std::min(room, s.count - s.given);
    if (taken == 0)
        return taken;
    const auto bytes = std::as_writable_bytes(into.first(static_cast<std::size_t>(taken) * imageBytes()));
    if (const auto done = readAll(s.member.get(), bytes, s.file, s.name); !done)
        return done.error();
    s.given += taken;
    if (s.given == s.count)
        if (const auto done = checkEnd(s.member.get(), s.file, s.name); !done)
            return done.error();
    return taken;
}

// ── The archive ──

struct NpzReader::State {
    std::filesystem::path file;
    Zip zip;
    std::vector<NpzEntry> entries;
    std::vector<zip_uint64_t> indices;
};

NpzReader::NpzReader(std::unique_ptr<State> state) : m_state(std::move(state)) {}
NpzReader::NpzReader(NpzReader&&) noexcept = default;
NpzReader& NpzReader::operator=(NpzReader&&) noexcept = default;
NpzReader::~NpzReader() = default;

Result<NpzReader> NpzReader::open(const std::filesystem::path& file)
{
    auto zip = openZip(file);
    if (!zip)
        return zip.error();
    const zip_int64_t count = zip_get_num_entries(zip->get(), 0);
    if (count > kMostArrays)
        return refusal(file, fmt::format("it holds {} arrays, more than {}", count, kMostArrays));
    auto state = std::unique_ptr<State>(new State{file, std::move(*zip), {}, {}});
    for (zip_int64_t i = 0; i < count; ++i) {
        auto found = readEntry(state->zip.get(), static_cast<zip_uint64_t>(i), file);
        if (!found)
            return found.error();
        const auto& name = found->entry.name;
        if (std::any_of(state->entries.begin(), state->entries.end(), [&](const auto& e) { return e.name == name; }))
            return refusal(file, fmt::format("it holds two arrays called {}", inQuotes(name)));
        state->entries.push_back(std::move(found->entry));
        state->indices.push_back(found->index);
    }
    return NpzReader(std::move(state));
}

const std::vector<NpzEntry>& NpzReader::entries() const
{
    return m_state->entries;
}

const NpzEntry* NpzReader::find(std::string_view name) const
{
    for (const auto& entry : m_state->entries)
        if (entry.name == name)
            return &entry;
    return nullptr;
}

Result<NpyArray> NpzReader::read(std::string_view name, std::uint64_t limitBytes) const
{
    const State& s = *m_state;
    const NpzEntry* entry = find(name);
    if (!entry)
        return refusal(s.file, fmt::format("it holds no array called {}", inQuotes(name)));
    if (entry->header.dataBytes() > limitBytes)
        return refusal(
            s.file, fmt::format("array {} has {} bytes, more than the {} expected", inQuotes(name), entry->header.dataBytes(), limitBytes));
    const auto member = openMember(s.zip.get(), s.indices[static_cast<std::size_t>(entry - s.entries.data())], s.file, name);
    if (!member)
        return member.error();
    if (const auto header = readHeaderBytes(member->get(), s.file, name); !header)
        return header.error();
    std::vector<std::byte> data(entry->header.dataBytes());
    if (const auto done = readAll(member->get(), data, s.file, name); !done)
        return done.error();
    if (const auto done = checkEnd(member->get(), s.file, name); !done)
        return done.error();
    return npyArrayOf(entry->header, std::move(data));
}

Result<NpzImages> NpzReader::images(std::string_view name) const
{
    const State& s = *m_state;
    const NpzEntry* entry = find(name);
    if (!entry)
        return refusal(s.file, fmt::format("it holds no array called {}", inQuotes(name)));
    const auto& [type, bigEndian, fortranOrder, shape, headerBytes, elements] = entry->header;
    const bool fits =
        shape.size() == 4 && shape[1] > 0 && shape[2] > 0 && shape[1] <= 65536 && shape[2] <= 65536 && (shape[3] == 1 || shape[3] == 3);
    if (type != kNpyUint8 || !fits || fortranOrder) {
        std::string text;
        for (const std::int64_t side : shape)
            text += fmt::format("{}{}", text.empty() ? "" : ", ", side);
        return refusal(s.file,
                       fmt::format("array {} is {}{} ({}) in {} order, and images have to be uint8 (N, height, width, 1 or 3) in C order",
                                   inQuotes(name), type.kind, type.bytes * 8, text, fortranOrder ? "Fortran" : "C"));
    }
    auto zip = openZip(s.file);
    if (!zip)
        return zip.error();
    const auto index = s.indices[static_cast<std::size_t>(entry - s.entries.data())];
    auto member = openMember(zip->get(), index, s.file, name);
    if (!member)
        return member.error();
    if (const auto header = readHeaderBytes(member->get(), s.file, name); !header)
        return header.error();
    auto state = std::unique_ptr<NpzImages::State>(new NpzImages::State{s.file, std::string(name), std::move(*zip), std::move(*member)});
    state->count = shape[0];
    state->height = shape[1];
    state->width = shape[2];
    state->channels = shape[3];
    return NpzImages(std::move(state));
}

Result<NpyArray> readNpy(const std::filesystem::path& file, std::uint64_t limitBytes)
{
    const auto bytes = readFile(file, limitBytes);
    if (!bytes)
        return bytes.error();
    return parseNpy(std::as_bytes(std::span(bytes->data(), bytes->size())), file.string());
}

} // namespace espalier::formats
