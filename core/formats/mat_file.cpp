// SPDX-License-Identifier: Apache-2.0
#include "core/formats/mat_file.h"

#include "core/formats/in_quotes.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

namespace espalier::formats {

namespace {

constexpr std::size_t kHeader = 128, kMostUnpacked = std::size_t{256} << 20, kMostNumbers = std::size_t{16} << 20;
constexpr std::size_t kMostValues = 2'000'000, kMostDimensions = 32, kMostFields = 4096;
constexpr int kDeepest = 16;

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
enum Class : std::uint32_t { CellClass = 1, StructClass, ObjectClass, CharClass, SparseClass, DoubleClass, UInt64Class = 15 };

using Bytes = std::span<const std::byte>;

struct Broken {
    std::string why;
};

struct Element {
    std::uint32_t type = 0;
    Bytes data;
};

/// Reads elements one after the other. What is wrong is thrown as Broken, and caught in parse.
class Cursor {
public:
    Cursor(Bytes bytes, bool swapped) : m_left(bytes), m_swapped(swapped) {}
    bool atEnd() const { return m_left.empty(); }
    bool swapped() const { return m_swapped; }

    template <class T>
    T number(Bytes at) const
    {
        std::array<std::byte, sizeof(T)> raw;
        std::copy_n(at.begin(), sizeof(T), raw.begin());
        if (m_swapped)
            std::reverse(raw.begin(), raw.end());
        T value;
        std::memcpy(&value, raw.data(), sizeof(T));
        return value;
    }

    Element next()
    {
        if (m_left.size() < 8)
            throw Broken{"it ends within an element"};
        const auto first = number<std::uint32_t>(m_left);
        if (first >> 16) { // a small one: type, size and up to four bytes in eight
            const std::size_t size = first >> 16;
            if (size > 4)
                throw Broken{fmt::format("a small element claims {} bytes", size)};
            const Element element{first & 0xFFFFu, m_left.subspan(4, size)};
            m_left = m_left.subspan(8);
            return element;
        }
        const std::size_t size = number<std::uint32_t>(m_left.subspan(4));
        if (size > m_left.size() - 8)
            throw Broken{fmt::format("an element claims {} bytes and {} follow", size, m_left.size() - 8)};
        const Element element{first, m_left.subspan(8, size)};
        const std::size_t padded = first == Compressed ? size : (size + 7) / 8 * 8;
        m_left = m_left.subspan(std::min(m_left.size(), 8 + padded));
        return element;
    }
    Element next(std::uint32_t type, const char* what)
    {
        const auto element = next();
        if (element.type != type)
            throw Broken{fmt::format("{} have type {}", what, element.type)};
        return element;
    }

private:
    Bytes m_left;
    bool m_swapped;
};

std::size_t widthOf(std::uint32_t type)
{
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

double numberAt(const Cursor& from, std::uint32_t type, Bytes at)
{
    switch (type) {
    case Int8:
        return from.number<std::int8_t>(at);
    case UInt8:
    case Utf8:
        return from.number<std::uint8_t>(at);
    case Int16:
        return from.number<std::int16_t>(at);
    case UInt16:
    case Utf16:
        return from.number<std::uint16_t>(at);
    case Int32:
        return from.number<std::int32_t>(at);
    case UInt32:
    case Utf32:
        return from.number<std::uint32_t>(at);
    case Single:
        return from.number<float>(at);
    case Int64:
        return static_cast<double>(from.number<std::int64_t>(at));
    case UInt64:
        return static_cast<double>(from.number<std::uint64_t>(at));
    default:
        return from.number<double>(at);
    }
}

void putUtf8(std::string& text, std::uint32_t letter)
{
    if (letter > 0x10FFFF || (letter >= 0xD800 && letter < 0xE000))
        letter = 0xFFFD;
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (letter < 0x80)
        return put(letter);
    if (letter < 0x800) {
        put(0xC0 | letter >> 6);
    } else {
        if (letter < 0x10000) {
            put(0xE0 | letter >> 12);
        } else {
            put(0xF0 | letter >> 18);
            put(0x80 | (letter >> 12 & 0x3F));
        }
        put(0x80 | (letter >> 6 & 0x3F));
    }
    put(0x80 | (letter & 0x3F));
}

std::string inflated(Bytes packed, std::size_t most)
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
        throw Broken{fmt::format("it unpacks to more than {} bytes", kMostUnpacked)};
    if (state != Z_STREAM_END)
        throw Broken{"its packed data are damaged"};
    return out;
}

class Parser {
public:
    explicit Parser(MatFile& file) : m_file(file) {}

    void parse(Bytes bytes, bool swapped)
    {
        for (Cursor cursor(bytes, swapped); !cursor.atEnd();) {
            const auto element = cursor.next();
            if (element.type == Matrix) {
                keep(element.data, swapped);
            } else if (element.type == Compressed) {
                const auto whole = inflated(element.data, kMostUnpacked - m_unpacked);
                m_unpacked += whole.size();
                Cursor inside(std::as_bytes(std::span(whole)), swapped);
                const auto matrix = inside.next();
                if (matrix.type == Matrix)
                    keep(matrix.data, swapped);
            }
        }
    }

private:
    void keep(Bytes data, bool swapped)
    {
        std::string name;
        auto value = matrix(data, swapped, 0, name);
        if (!name.empty())
            m_file.variables.insert_or_assign(std::move(name), std::move(value));
    }

    MatValue matrix(Bytes data, bool swapped, int depth, std::string& name)
    {
        if (depth > kDeepest)
            throw Broken{fmt::format("its arrays lie in one another more than {} deep", kDeepest)};
        if (++m_values > kMostValues)
            throw Broken{fmt::format("it has more than {} arrays", kMostValues)};
        MatValue value;
        if (data.empty()) { // how an empty cell may be written
            value.kind = MatKind::Numbers;
            value.shape = {0, 0};
            return value;
        }
        Cursor cursor(data, swapped);
        const auto flags = cursor.next(UInt32, "flags of an array");
        if (flags.data.size() != 8)
            throw Broken{"flags of an array are not 8 bytes"};
        const auto kind = cursor.number<std::uint32_t>(flags.data) & 0xFFu;
        if (kind > UInt64Class)
            return value; // opaque or a function: nothing of it is known
        const auto dimensions = cursor.next(Int32, "dimensions of an array");
        const std::size_t count = elements(cursor, dimensions.data, value.shape);
        const auto label = cursor.next(Int8, "letters of a name");
        name.assign(reinterpret_cast<const char*>(label.data.data()), label.data.size());
        if (kind == CellClass)
            cells(cursor, count, depth, value);
        else if (kind == StructClass)
            structs(cursor, count, depth, value);
        else if (kind == CharClass)
            letters(cursor, count, value);
        else if (kind >= DoubleClass)
            numbers(cursor, count, value);
        return value;
    }

    static std::size_t elements(const Cursor& cursor, Bytes dimensions, std::vector<std::int64_t>& shape)
    {
        const std::size_t rank = dimensions.size() / 4;
        if (rank < 2 || rank > kMostDimensions || dimensions.size() % 4 != 0)
            throw Broken{fmt::format("an array has {} dimensions", rank)};
        std::size_t count = 1;
        for (std::size_t i = 0; i < rank; ++i) {
            const auto length = cursor.number<std::int32_t>(dimensions.subspan(4 * i));
            if (length < 0)
                throw Broken{fmt::format("an array is {} long", length)};
            shape.push_back(length);
            count *= static_cast<std::size_t>(length);
            if (count > kMostNumbers)
                throw Broken{fmt::format("an array has more than {} elements", kMostNumbers)};
        }
        return count;
    }

    MatValue inner(Cursor& cursor, int depth)
    {
        std::string unnamed;
        return matrix(cursor.next(Matrix, "the arrays within an array").data, cursor.swapped(), depth + 1, unnamed);
    }

    void cells(Cursor& cursor, std::size_t count, int depth, MatValue& value)
    {
        value.kind = MatKind::Cells;
        for (std::size_t i = 0; i < count; ++i)
            value.items.push_back(inner(cursor, depth));
    }

    void structs(Cursor& cursor, std::size_t count, int depth, MatValue& value)
    {
        value.kind = MatKind::Structs;
        const auto length = cursor.next(Int32, "lengths of field names");
        const auto each = length.data.size() == 4 ? cursor.number<std::int32_t>(length.data) : 0;
        const auto names = cursor.next(Int8, "letters of field names");
        if (each < 1 || names.data.size() % static_cast<std::size_t>(each) != 0)
            throw Broken{"its field names have no length"};
        const std::size_t fields = names.data.size() / static_cast<std::size_t>(each);
        if (fields > kMostFields)
            throw Broken{fmt::format("it has {} fields", fields)};
        for (std::size_t i = 0; i < fields; ++i) {
            const auto raw = names.data.subspan(i * static_cast<std::size_t>(each), static_cast<std::size_t>(each));
            const std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
            value.fields.emplace_back(text.substr(0, text.find('\0')));
        }
        for (std::size_t i = 0; i < count * fields; ++i) // each of them takes eight bytes of the file at least
            value.items.push_back(inner(cursor, depth));
    }

    std::vector<double> plain(Cursor& cursor, std::size_t count, bool exactly)
    {
        const auto element = cursor.next();
        const std::size_t width = widthOf(element.type);
        if (width == 0)
            throw Broken{fmt::format("numbers have type {}", element.type)};
        const std::size_t there = element.data.size() / width;
        if (exactly && there != count)
            throw Broken{fmt::format("an array of {} has {} numbers", count, there)};
        if ((m_numbers += there) > kMostNumbers)
            throw Broken{fmt::format("it has more than {} numbers", kMostNumbers)};
        std::vector<double> values(there);
        for (std::size_t i = 0; i < there; ++i)
            values[i] = numberAt(cursor, element.type, element.data.subspan(i * width));
        m_type = element.type;
        return values;
    }

    void numbers(Cursor& cursor, std::size_t count, MatValue& value)
    {
        value.kind = MatKind::Numbers;
        value.numbers = plain(cursor, count, true);
    }

    /// Letters are units of UTF-16, or bytes of UTF-8 of which there may be more than letters.
    void letters(Cursor& cursor, std::size_t count, MatValue& value)
    {
        value.kind = MatKind::Text;
        if (count == 0)
            return;
        const auto units = plain(cursor, count, false);
        if (m_type == Utf8 && (value.shape[0] == 1 || units.size() != count)) {
            for (const double unit : units)
                value.text += static_cast<char>(static_cast<unsigned char>(unit));
            return;
        }
        if (units.size() != count)
            throw Broken{fmt::format("a text of {} has {} letters", count, units.size())};
        const auto rows = static_cast<std::size_t>(value.shape[0]), columns = count / rows;
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t column = 0; column < columns; ++column) {
                const auto unit = [&](std::size_t c) {
                    const double letter = units[c * rows + row];
                    return letter >= 0.0 && letter <= 0x10FFFF ? static_cast<std::uint32_t>(letter) : 0xFFFDu;
                };
                auto letter = unit(column);
                if ((letter & ~0x3FFu) == 0xD800 && column + 1 < columns && (unit(column + 1) & ~0x3FFu) == 0xDC00)
                    letter = 0x10000 + ((letter & 0x3FF) << 10 | (unit(++column) & 0x3FF));
                putUtf8(value.text, letter);
            }
    }

    MatFile& m_file;
    std::size_t m_unpacked = 0, m_values = 0, m_numbers = 0;
    std::uint32_t m_type = 0; // of the numbers last read
};

} // namespace

std::int64_t MatValue::size() const
{
    std::int64_t count = 1;
    for (const auto length : shape)
        count *= length;
    return count;
}

const MatValue* MatValue::field(std::int64_t element, std::string_view name) const
{
    const auto at = std::find(fields.begin(), fields.end(), name);
    if (at == fields.end() || element < 0)
        return nullptr;
    const auto index = static_cast<std::size_t>(element) * fields.size() + static_cast<std::size_t>(at - fields.begin());
    return index < items.size() ? &items[index] : nullptr;
}

const MatValue* MatFile::find(std::string_view variable) const
{
    const auto found = variables.find(variable);
    return found == variables.end() ? nullptr : &found->second;
}

Result<MatFile> MatFile::parse(std::span<const std::byte> file, std::string_view name)
{
    const auto refuse = [&](std::string_view why) {
        return Error{ErrorCode::Format, fmt::format("{} could not be read as a MATLAB file: {}.", inQuotes(name), why), {}};
    };
    if (file.size() < kHeader)
        return refuse(fmt::format("it has {} bytes", file.size()));
    const auto at = [&](std::size_t i) { return std::to_integer<char>(file[i]); };
    const bool little = at(126) == 'I' && at(127) == 'M', big = at(126) == 'M' && at(127) == 'I';
    if (!little && !big)
        return refuse("it lacks the header of MATLAB 5 to 7");
    if (at(little ? 125 : 124) == 2)
        return refuse("it is of version 7.3; save it anew with -v7");
    try {
        MatFile mat;
        Parser(mat).parse(file.subspan(kHeader), big);
        return mat;
    } catch (const Broken& broken) {
        return refuse(broken.why);
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, fmt::format("No memory left to read {}.", inQuotes(name)), {}};
    }
}

} // namespace espalier::formats
