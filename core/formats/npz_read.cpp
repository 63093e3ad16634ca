// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/formats/in_quotes.h"
#include "core/formats/npz.h"
#include "core/formats/zip_input.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::formats {
namespace {

constexpr std::size_t kMostArrays = 10'000;
constexpr ZipWords kWords{"npz", "array"};

Error refusal(const std::filesystem::path& file, std::string_view why)
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as npz: {}.", file.string(), why)};
}

Result<std::vector<std::byte>> readHeaderBytes(ZipMember& member, const std::filesystem::path& file, std::string_view name)
{
    std::vector<std::byte> bytes(kNpyPrologue);
    if (const auto done = member.read(bytes); !done)
        return done.error();
    const auto total = npyHeaderBytes(bytes, fmt::format("Array {} of {}", inQuotes(name), file.string()));
    if (!total)
        return total.error();
    if (*total < bytes.size())
        return refusal(file, fmt::format("array {} has no header", inQuotes(name)));
    bytes.resize(*total);
    if (const auto done = member.read(std::span(bytes).subspan(kNpyPrologue)); !done)
        return done.error();
    return bytes;
}

Result<NpzEntry> readEntry(const ZipInput& zip, const ZipEntry& packed, const std::filesystem::path& file)
{
    NpzEntry entry{packed.name, {}};
    if (entry.name.ends_with(".npy"))
        entry.name.resize(entry.name.size() - 4);
    auto member = zip.member(packed);
    if (!member)
        return member.error();
    const auto bytes = readHeaderBytes(*member, file, entry.name);
    if (!bytes)
        return bytes.error();
    auto header = parseNpyHeader(*bytes, fmt::format("Array {} of {}", inQuotes(entry.name), file.string()));
    if (!header)
        return header.error();
    if (header->headerBytes + header->dataBytes() != packed.bytes)
        return refusal(file, fmt::format("array {} promises {} bytes and has {}", inQuotes(entry.name), header->dataBytes(),
                                         packed.bytes - header->headerBytes));
    entry.header = std::move(*header);
    return entry;
}

} // namespace

// ── Images ──

struct NpzImages::State {
    std::filesystem::path file;
    std::string name;
    ZipInput zip;
    ZipMember member; // goes before its archive
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
    if (const auto done = s.member.read(bytes); !done)
        return done.error();
    s.given += taken;
    if (s.given == s.count)
        if (const auto done = s.member.checkEnd(); !done)
            return done.error();
    return taken;
}

// ── The archive ──

struct NpzReader::State {
    std::filesystem::path file;
    ZipInput zip;
    std::vector<NpzEntry> entries; // in the order of the archive's
};

NpzReader::NpzReader(std::unique_ptr<State> state) : m_state(std::move(state)) {}
NpzReader::NpzReader(NpzReader&&) noexcept = default;
NpzReader& NpzReader::operator=(NpzReader&&) noexcept = default;
NpzReader::~NpzReader() = default;

Result<NpzReader> NpzReader::open(const std::filesystem::path& file)
{
    auto zip = ZipInput::open(file, kWords);
    if (!zip)
        return zip.error();
    const auto& packed = zip->entries();
    if (packed.size() > kMostArrays)
        return refusal(file, fmt::format("it holds {} arrays, more than {}", packed.size(), kMostArrays));
    std::vector<NpzEntry> entries;
    for (const auto& each : packed) {
        auto entry = readEntry(*zip, each, file);
        if (!entry)
            return entry.error();
        if (std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.name == entry->name; }))
            return refusal(file, fmt::format("it holds two arrays called {}", inQuotes(entry->name)));
        entries.push_back(std::move(*entry));
    }
    return NpzReader(std::unique_ptr<State>(new State{file, std::move(*zip), std::move(entries)}));
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
    auto member = s.zip.member(s.zip.entries()[static_cast<std::size_t>(entry - s.entries.data())]);
    if (!member)
        return member.error();
    if (const auto header = readHeaderBytes(*member, s.file, name); !header)
        return header.error();
    std::vector<std::byte> data(entry->header.dataBytes());
    if (const auto done = member->read(data); !done)
        return done.error();
    if (const auto done = member->checkEnd(); !done)
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
    auto zip = ZipInput::open(s.file, kWords);
    if (!zip)
        return zip.error();
    const auto place = static_cast<std::size_t>(entry - s.entries.data());
    if (place >= zip->entries().size())
        return refusal(s.file, "it changed while it was read");
    auto member = zip->member(zip->entries()[place]);
    if (!member)
        return member.error();
    if (const auto header = readHeaderBytes(*member, s.file, name); !header)
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
