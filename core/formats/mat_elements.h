// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace espalier::formats {

// The elements that a MATLAB file of level 5 is made of: a type, a size, bytes. Private to this folder: MatFile shows what they mean.

namespace mat {
enum Type : std::uint32_t {
    Int8 = 1,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Single,
    Double = 9,
    Int64 = 12,
    UInt64,
    Matrix,
    Compressed,
    Utf8,
    Utf16,
    Utf32
};
} // namespace mat

/// What is wrong with a file, thrown through the parser and caught in MatFile::parse.
struct BrokenMat {
    std::string why;
};

struct MatElement {
    std::uint32_t type = 0;
    std::span<const std::byte> data;
};

/// Reads elements one after the other.
class MatCursor {
public:
    MatCursor(std::span<const std::byte> bytes, bool swapped) : m_left(bytes), m_swapped(swapped) {}
    bool atEnd() const { return m_left.empty(); }
    bool swapped() const { return m_swapped; }

    template <class T>
    T number(std::span<const std::byte> at) const
    {
        std::array<std::byte, sizeof(T)> raw;
        std::copy_n(at.begin(), sizeof(T), raw.begin());
        if (m_swapped)
            std::reverse(raw.begin(), raw.end());
        T value;
        std::memcpy(&value, raw.data(), sizeof(T));
        return value;
    }
    /// The number that begins at `at`, which is of a type of elements.
    double number(std::uint32_t type, std::span<const std::byte> at) const;

    MatElement next();
    /// The same, of a type that has to be there; `what` begins the sentence if it is not.
    MatElement next(std::uint32_t type, const char* what);

private:
    std::span<const std::byte> m_left;
    bool m_swapped;
};

/// Bytes of a number of a type; 0 for what is no number.
std::size_t matWidthOf(std::uint32_t type);
/// What all compressed elements of a file may hold together.
inline constexpr std::size_t kMostUnpackedMat = std::size_t{256} << 20;
/// What a compressed element holds, which may be `most` bytes.
std::string matUnpacked(std::span<const std::byte> packed, std::size_t most);

} // namespace espalier::formats
