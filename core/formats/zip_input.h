// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

struct ZipEntry {
    std::string name;        // as it stands in the archive, hostile or not: never a path to write to
    std::uint64_t bytes = 0; // unpacked
    std::uint64_t index = 0;
};

/// What a refusal calls the file and what it holds: {"npz", "array"}.
struct ZipWords {
    std::string_view kind, member;
};

/// A member of an archive, read from its start to its end.
class ZipMember {
public:
    ZipMember(ZipMember&&) noexcept;
    ZipMember& operator=(ZipMember&&) noexcept;
    ~ZipMember();

    /// Fills `into` or says that the member is damaged.
    Result<Done> read(std::span<std::byte> into);
    /// After the last byte: that there are no more, and that the checksum is right.
    Result<Done> checkEnd();

private:
    friend class ZipInput;
    struct State;
    explicit ZipMember(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

/// A zip archive that may be hostile. Opening refuses directories that do not fit the file, two members of one name, members that are
/// encrypted or packed by a method other than stored and deflate, and sizes that no such member can unpack to.
class ZipInput {
public:
    static Result<ZipInput> open(const std::filesystem::path& file, const ZipWords& words);

    ZipInput(ZipInput&&) noexcept;
    ZipInput& operator=(ZipInput&&) noexcept;
    ~ZipInput();

    const std::vector<ZipEntry>& entries() const;
    /// nullptr when there is no such member.
    const ZipEntry* find(std::string_view name) const;
    /// A member to be read in pieces, which must not outlive the archive; several at a time only by one thread.
    Result<ZipMember> member(const ZipEntry& entry) const;
    /// A member whole; `into` must have its size. The checksum is checked.
    Result<Done> read(const ZipEntry& entry, std::span<std::byte> into) const;

private:
    struct State;
    explicit ZipInput(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

} // namespace espalier::formats
