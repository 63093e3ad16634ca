// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

/// What an npy file can hold here. Text, records, complex numbers and pickled objects are refused.
struct NpyType {
    char kind = 'f'; // 'b' bool, 'i' signed, 'u' unsigned, 'f' float
    int bytes = 8;   // of one element
    bool operator==(const NpyType&) const = default;
};
inline constexpr NpyType kNpyUint8{'u', 1}, kNpyInt64{'i', 8}, kNpyFloat32{'f', 4}, kNpyFloat64{'f', 8};

struct NpyHeader {
    NpyType type;
    bool bigEndian = false;
    bool fortranOrder = false;
    std::vector<std::int64_t> shape;
    std::uint64_t headerBytes = 0; // the data begin here
    std::uint64_t elements = 1;    // the product of the shape, checked
    std::uint64_t dataBytes() const { return elements * static_cast<std::uint64_t>(type.bytes); }
};

/// Bytes that decide how long a header is: version and length field.
inline constexpr std::size_t kNpyPrologue = 12;
/// The whole header's length from its first `kNpyPrologue` bytes; longer than 64 KiB is refused.
Result<std::size_t> npyHeaderBytes(std::span<const std::byte> prologue, std::string_view name);
/// Reads a header of version 1, 2 or 3; nothing in it is ever evaluated. `name` is named in errors.
Result<NpyHeader> parseNpyHeader(std::span<const std::byte> start, std::string_view name);

/// An array in memory: C order, little endian.
struct NpyArray {
    NpyType type;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> data;
    std::uint64_t elements() const { return data.size() / static_cast<std::size_t>(type.bytes); }
};

/// A whole npy file in memory. Bytes after the array are refused.
Result<NpyArray> parseNpy(std::span<const std::byte> file, std::string_view name);
/// Bytes as they came from a file with that header, made C order and little endian.
NpyArray npyArrayOf(const NpyHeader& header, std::vector<std::byte> data);

std::vector<double> toDoubles(const NpyArray& array);
/// Floats are refused, and unsigned numbers beyond int64 too.
Result<std::vector<std::int64_t>> toIntegers(const NpyArray& array, std::string_view name);

/// The bytes of a version 1.0 header, padded to `totalBytes` when given (room for a count that is not known yet), else to 64.
std::string npyHeaderText(NpyType type, std::span<const std::int64_t> shape, std::size_t totalBytes = 0);

} // namespace espalier::formats
