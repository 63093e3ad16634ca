// SPDX-License-Identifier: Apache-2.0
#include "core/formats/mat_elements.h"

#include <fmt/format.h>
#include <zlib.h>

#include <new>

namespace espalier::formats {

double MatCursor::number(std::uint32_t type, std::span<const std::byte> at) const
{
    using namespace mat;
    switch (type) {
    case Int8:
        return number<std::int8_t>(at);
    case UInt8:
    case Utf8:
        return number<std::uint8_t>(at);
    case Int16:
        return number<std::int16_t>(at);
    case UInt16:
    case Utf16:
        return number<std::uint16_t>(at);
    case Int32:
        return number<std::int32_t>(at);
    case UInt32:
    case Utf32:
        return number<std::uint32_t>(at);
    case Single:
        return number<float>(at);
    case Int64:
        return static_cast<double>(number<std::int64_t>(at));
    case UInt64:
        return static_cast<double>(number<std::uint64_t>(at));
    default:
        return number<double>(at);
    }
}

MatElement MatCursor::next()
{
    if (m_left.size() < 8)
        throw BrokenMat{"it ends within an element"};
    const auto first = number<std::uint32_t>(m_left);
    if (first >> 16) { // a small one: type, size and up to four bytes in eight
        const std::size_t size = first >> 16;
        if (size > 4)
            throw BrokenMat{fmt::format("a small element claims {} bytes", size)};
        const MatElement element{first & 0xFFFFu, m_left.subspan(4, size)};
        m_left = m_left.subspan(8);
        return element;
    }
    const std::size_t size = number<std::uint32_t>(m_left.subspan(4));
    if (size > m_left.size() - 8)
        throw BrokenMat{fmt::format("an element claims {} bytes and {} follow", size, m_left.size() - 8)};
    const MatElement element{first, m_left.subspan(8, size)};
    const std::size_t padded = first == mat::Compressed ? size : (size + 7) / 8 * 8;
    m_left = m_left.subspan(std::min(m_left.size(), 8 + padded));
    return element;
}

MatElement MatCursor::next(std::uint32_t type, const char* what)
{
    const auto element = next();
    if (element.type != type)
        throw BrokenMat{fmt::format("{} have type {}", what, element.type)};
    return element;
}

std::size_t matWidthOf(std::uint32_t type)
{
    using namespace mat;
    switch (type) {
    case Int8:
    case UInt8:
    case Utf8:
        return 1;
    case Int16:
    case UInt16:
    case Utf16:
        return 2;
    case Int32:
    case UInt32:
    case Single:
    case Utf32:
        return 4;
    case Double:
    case Int64:
    case UInt64:
        return 8;
    default:
        return 0;
    }
}

std::string matUnpacked(std::span<const std::byte> packed, std::size_t most)
{
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK)
        throw std::bad_alloc();
    std::string out;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    int state = Z_OK;
    std::array<char, 1 << 16> piece;
    while (state == Z_OK && out.size() <= most) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        state = inflate(&stream, Z_NO_FLUSH);
        out.append(piece.data(), piece.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (out.size() > most)
        throw BrokenMat{fmt::format("it unpacks to more than {} bytes", kMostUnpackedMat)};
    if (state != Z_STREAM_END)
        throw BrokenMat{"its packed data are damaged"};
    return out;
}

} // namespace espalier::formats
