// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace espalier::formats {

struct TarLimits {
    std::uint64_t totalBytes = std::uint64_t{64} << 30; // unpacked, headers and all
    std::uint64_t members = 10'000'000;
};

struct TarMember {
    std::string name; // as it stands in the archive, hostile or not: never a path to write to
    std::uint64_t bytes = 0;
    bool isFile = true; // anything else (folder, link, device) has no content here
};

/// The members of a .tar or .tar.gz (by content), one after the other, nothing written to disk.
class TarReader {
public:
    static Result<TarReader> open(const std::filesystem::path& file, const TarLimits& limits = {});

    TarReader(TarReader&&) noexcept;
    TarReader& operator=(TarReader&&) noexcept;
    ~TarReader();

    /// The next member, skipping what is left of this one; nothing at the end.
    Result<std::optional<TarMember>> next();
    /// The next bytes of this member: how many; 0 at its end.
    Result<std::size_t> read(std::span<std::byte> into);
    /// What is left of this member; more than `limitBytes` is refused before anything is allocated.
    Result<std::string> readAll(std::uint64_t limitBytes);

private:
    struct State;
    explicit TarReader(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

} // namespace espalier::formats
