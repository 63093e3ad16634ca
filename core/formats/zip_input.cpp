// SPDX-License-Identifier: Apache-2.0
#include "core/formats/zip_input.h"

#include "core/base/files.h"
#include "core/formats/in_quotes.h"

#include <fmt/format.h>
#include <zip.h>

#include <cerrno>
#include <unordered_map>

namespace espalier::formats {
namespace {

constexpr zip_int64_t kMostMembers = 200'000;

struct CloseZip {
    void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseMember {
    void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Zip = std::unique_ptr<zip_t, CloseZip>;

Error refusal(const std::filesystem::path& file, const ZipWords& words, std::string_view why, std::string detail = {})
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as {}: {}.", file.string(), words.kind, why), std::move(detail)};
}

Result<Zip> openZip(const std::filesystem::path& file, const ZipWords& words)
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
    return refusal(file, words, "it is no zip archive, or it was cut or damaged", std::move(detail));
}

} // namespace

// ── A member ──

struct ZipMember::State {
    std::filesystem::path file;
    ZipWords words;
    std::string name;
    std::unique_ptr<zip_file_t, CloseMember> member;
};

ZipMember::ZipMember(std::unique_ptr<State> state) : m_state(std::move(state)) {}
ZipMember::ZipMember(ZipMember&&) noexcept = default;
ZipMember& ZipMember::operator=(ZipMember&&) noexcept = default;
ZipMember::~ZipMember() = default;

Result<Done> ZipMember::read(std::span<std::byte> into)
{
    State& s = *m_state;
    while (!into.empty()) {
        const zip_int64_t got = zip_fread(s.member.get(), into.data(), into.size());
        if (got <= 0)
            return refusal(s.file, s.words, fmt::format("{} {} is damaged or was cut", s.words.member, inQuotes(s.name)),
                           zip_file_strerror(s.member.get()));
        into = into.subspan(static_cast<std::size_t>(got));
    }
    return Done{};
}

Result<Done> ZipMember::checkEnd()
{
    State& s = *m_state;
    std::byte more;
    if (zip_fread(s.member.get(), &more, 1) != 0) // only at its end does the library compare the checksum
        return refusal(s.file, s.words, fmt::format("the checksum of {} {} is wrong", s.words.member, inQuotes(s.name)),
                       zip_file_strerror(s.member.get()));
    return Done{};
}

// ── The archive ──

struct ZipInput::State {
    std::filesystem::path file;
    ZipWords words;
    Zip zip;
    std::vector<ZipEntry> entries;
    std::unordered_map<std::string, std::size_t> places;

    Result<Done> add(zip_uint64_t index)
    {
        zip_stat_t stat;
        zip_stat_init(&stat);
        constexpr auto kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
        if (zip_stat_index(zip.get(), index, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & kNeeded) != kNeeded)
            return refusal(file, words, "its directory is damaged", zip_strerror(zip.get()));
        ZipEntry entry{stat.name, stat.size, index};
        if (stat.encryption_method != ZIP_EM_NONE || (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE))
            return refusal(file, words, fmt::format("{} {} cannot be opened", words.member, inQuotes(entry.name)));
        // Deflate cannot do better than 1032 : 1; whoever claims more wants memory.
        if ((stat.comp_method == ZIP_CM_STORE && stat.size != stat.comp_size) || stat.size / 1032 > stat.comp_size + 64)
            return refusal(
                file, words,
                fmt::format("{} {} claims {} bytes unpacked from {}", words.member, inQuotes(entry.name), stat.size, stat.comp_size));
        if (!places.emplace(entry.name, entries.size()).second)
            return refusal(file, words, fmt::format("it holds two {}s called {}", words.member, inQuotes(entry.name)));
        entries.push_back(std::move(entry));
        return Done{};
    }
};

ZipInput::ZipInput(std::unique_ptr<State> state) : m_state(std::move(state)) {}
ZipInput::ZipInput(ZipInput&&) noexcept = default;
ZipInput& ZipInput::operator=(ZipInput&&) noexcept = default;
ZipInput::~ZipInput() = default;

Result<ZipInput> ZipInput::open(const std::filesystem::path& file, const ZipWords& words)
{
    auto zip = openZip(file, words);
    if (!zip)
        return zip.error();
    const zip_int64_t count = zip_get_num_entries(zip->get(), 0);
    if (count > kMostMembers)
        return refusal(file, words, fmt::format("it holds {} {}s, more than {}", count, words.member, kMostMembers));
    auto state = std::unique_ptr<State>(new State{file, words, std::move(*zip), {}, {}});
    for (zip_int64_t i = 0; i < count; ++i)
        if (auto added = state->add(static_cast<zip_uint64_t>(i)); !added)
            return added.error();
    return ZipInput(std::move(state));
}

const std::vector<ZipEntry>& ZipInput::entries() const
{
    return m_state->entries;
}

const ZipEntry* ZipInput::find(std::string_view name) const
{
    const auto found = m_state->places.find(std::string(name));
    return found == m_state->places.end() ? nullptr : &m_state->entries[found->second];
}

Result<ZipMember> ZipInput::member(const ZipEntry& entry) const
{
    zip_file_t* member = zip_fopen_index(m_state->zip.get(), entry.index, 0);
    if (!member)
        return refusal(m_state->file, m_state->words, fmt::format("{} {} cannot be opened", m_state->words.member, inQuotes(entry.name)),
                       zip_strerror(m_state->zip.get()));
    auto state = std::make_unique<ZipMember::State>();
    state->file = m_state->file;
    state->words = m_state->words;
    state->name = entry.name;
    state->member.reset(member);
    return ZipMember(std::move(state));
}

Result<Done> ZipInput::read(const ZipEntry& entry, std::span<std::byte> into) const
{
    if (into.size() != entry.bytes)
        return Error{ErrorCode::Internal,
                     fmt::format("{} of {} has {} bytes, not {}.", inQuotes(entry.name), m_state->file.string(), entry.bytes, into.size())};
    auto member = this->member(entry);
    if (!member)
        return member.error();
    if (const auto done = member->read(into); !done)
        return done.error();
    return member->checkEnd();
}

} // namespace espalier::formats
