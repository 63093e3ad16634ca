// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/formats/atomic_output.h"
#include "core/formats/mapped_file.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

// ── Types ──

// clang-format off
enum class DType {
    Bool, F4, F6E2M3, F6E3M2, U8, I8, F8E5M2, F8E4M3, F8E8M0, F8E4M3FNUZ, F8E5M2FNUZ,
    I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64,
};
// clang-format on

/// Bits of one element: 4 and 6 exist, so never divide by 8 before multiplying by the count.
int bitsOf(DType dtype);
/// "F32", "BF16" …: the name in the file.
std::string_view nameOf(DType dtype);
std::optional<DType> dtypeOf(std::string_view name);
/// Bytes of a tensor; nothing when it overflows, has a negative side, or is not a whole number of bytes.
std::optional<std::uint64_t> byteCount(DType dtype, std::span<const std::int64_t> shape);

// ── Reading ──

struct SafetensorsEntry {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0; // in the file, not in its data section
    std::uint64_t bytes() const { return end - begin; }
};

struct SafetensorsHeader {
    std::vector<SafetensorsEntry> entries; // in file order
    std::map<std::string, std::string> metadata;
    const SafetensorsEntry* find(std::string_view name) const;
};

/// Reads a header strictly (names, types, ranges without hole or overlap, nothing left over). `start` holds at least the header or the
/// whole file, `fileBytes` is the file's size, `file` is named in errors. Looks at no tensor data.
Result<SafetensorsHeader> parseSafetensors(std::span<const std::byte> start, std::uint64_t fileBytes, std::string_view file);

class SafetensorsReader {
public:
    static Result<SafetensorsReader> open(const std::filesystem::path& file);

    const std::filesystem::path& path() const { return m_file.path(); }
    const std::vector<SafetensorsEntry>& entries() const { return m_header.entries; }
    const std::map<std::string, std::string>& metadata() const { return m_header.metadata; }
    /// nullptr when there is no such tensor.
    const SafetensorsEntry* find(std::string_view name) const { return m_header.find(name); }

    /// Copies a tensor's bytes (little endian, C order) into `into`, which must have exactly `entry.bytes()`. May be called from several
    /// threads. A BOOL that is neither 0 nor 1 is an error.
    Result<Done> copy(const SafetensorsEntry& entry, std::span<std::byte> into) const;
    /// The same bytes where they lie in the mapped file: unaligned, and gone with the reader.
    Result<std::span<const std::byte>> bytes(const SafetensorsEntry& entry) const;

private:
    SafetensorsReader(MappedFile file, SafetensorsHeader header) : m_file(std::move(file)), m_header(std::move(header)) {}
    MappedFile m_file;
    SafetensorsHeader m_header;
};

// ── Writing ──

/// A tensor to write. `bytes` is called once, when its turn has come; what it returns has to live until the next tensor's turn, so
/// that a model on a GPU needs one staging buffer and no second copy.
struct SafetensorsItem {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::int64_t> shape;
    std::function<Result<std::span<const std::byte>>()> bytes;
};

/// An item whose bytes already lie in memory and stay there.
SafetensorsItem safetensorsItem(std::string name, DType dtype, std::vector<std::int64_t> shape, std::span<const std::byte> bytes);

/// Writes atomically; equal items and metadata give equal bytes whatever their order (tensors by falling alignment, then name;
/// metadata by key; header padded to 8).
Result<WrittenFile> writeSafetensors(const std::filesystem::path& file, std::vector<SafetensorsItem> items,
                                     const std::map<std::string, std::string>& metadata = {}, Sync sync = Sync::Yes);

} // namespace espalier::formats
