// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

enum class Sync { No, Yes };

/// Reads a whole file of at most `limitBytes`; a larger one is refused before anything is allocated.
Result<std::string> readFile(const std::filesystem::path& file, std::uint64_t limitBytes = std::uint64_t{1} << 30);

/// Writes beside the target, optionally syncs file and folder, then renames: the file is there whole or not at all.
Result<Done> writeFileAtomically(const std::filesystem::path& file, std::string_view content, Sync sync = Sync::No);

/// Syncs a file's or folder's content to the disk.
Result<Done> syncToDisk(const std::filesystem::path& path);

/// Lower-case hexadecimal SHA-256 of bytes, or of a file read in pieces.
std::string sha256(std::span<const std::byte> bytes);
Result<std::string> sha256OfFile(const std::filesystem::path& file);

/// The sentence for errno after a failed call on `path`: "Could not <doing> <path>: no space left on device. <advice>".
Error ioError(std::string_view doing, const std::filesystem::path& path, int errnoValue);

} // namespace espalier
