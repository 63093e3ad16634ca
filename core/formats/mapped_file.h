// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <filesystem>
#include <span>

namespace espalier::formats {

/// A file held open, mapped read-only: pages come from the disk when they are touched.
/// Bytes that are copied out with `copy` survive a file that shrinks meanwhile; touching `bytes()` does not.
class MappedFile {
public:
    static Result<MappedFile> open(const std::filesystem::path& file);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    ~MappedFile();

    const std::filesystem::path& path() const { return m_path; }
    std::span<const std::byte> bytes() const { return {m_data, m_size}; }
    /// Reads from `offset` until `into` is full; a file that ends before is an error.
    Result<Done> copy(std::size_t offset, std::span<std::byte> into) const;

private:
    MappedFile() = default;
    std::filesystem::path m_path;
    const std::byte* m_data = nullptr;
    std::size_t m_size = 0;
    int m_fd = -1;
};

} // namespace espalier::formats
