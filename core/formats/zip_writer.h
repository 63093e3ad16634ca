// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/atomic_output.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace espalier::formats {

/// A zip archive written member by member, in one pass, without knowing sizes beforehand (libzip wants to pull whole members).
/// Dates are fixed: equal content gives equal bytes.
class ZipWriter {
public:
    static Result<ZipWriter> create(const std::filesystem::path& file);

    ZipWriter(ZipWriter&&) noexcept;
    ZipWriter& operator=(ZipWriter&&) noexcept;
    ~ZipWriter();

    /// Begins a member with `head`, which `end` may replace by as many other bytes. At most 65535 of them. Its data begin at a multiple of
    /// `alignment`.
    Result<Done> begin(std::string_view name, bool deflated, std::string_view head, std::uint64_t alignment = 1);
    Result<Done> write(std::span<const std::byte> bytes);
    Result<Done> end(std::string_view head);
    /// Without a SHA-256: sizes were written over.
    Result<WrittenFile> finish(Sync sync);

private:
    struct State;
    explicit ZipWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

} // namespace espalier::formats
