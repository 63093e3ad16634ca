// SPDX-License-Identifier: Apache-2.0
#include "core/formats/mat_file.h"

#include "core/formats/in_quotes.h"
#include "core/formats/mat_elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

namespace espalier::formats {

namespace {

constexpr std::size_t kHeader = 128, kMostNumbers = std::size_t{16} << 20;
constexpr std::size_t kMostValues = 2'000'000, kMostDimensions = 32, kMostFields = 4096;
constexpr int kDeepest = 16;

enum Class : std::uint32_t { CellClass = 1, StructClass, ObjectClass, CharClass, SparseClass, DoubleClass, UInt64Class = 15 };

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

class Parser {
public:
    explicit Parser(MatFile& file) : m_file(file) {}

    void parse(std::span<const std::byte> bytes, bool swapped)
    {
        for (MatCursor cursor(bytes, swapped); !cursor.atEnd();) {
            const auto element = cursor.next();
            if (element.type == mat::Matrix) {
                keep(element.data, swapped);
            } else if (element.type == mat::Compressed) {
                const auto whole = matUnpacked(element.data, kMostUnpackedMat - m_unpacked);
                m_unpacked += whole.size();
                MatCursor inside(std::as_bytes(std::span(whole)), swapped);
                const auto matrix = inside.next();
                if (matrix.type == mat::Matrix)
                    keep(matrix.data, swapped);
            }
        }
    }

private:
    void keep(std::span<const std::byte> data, bool swapped)
    {
        std::string name;
        auto value = matrix(data, swapped, 0, name);
        if (!name.empty())
            m_file.variables.insert_or_assign(std::move(name), std::move(value));
    }

    MatValue matrix(std::span<const std::byte> data, bool swapped, int depth, std::string& name)
    {
        if (depth > kDeepest)
            throw BrokenMat{fmt::format("its arrays lie in one another more than {} deep", kDeepest)};
        if (++m_values > kMostValues)
            throw BrokenMat{fmt::format("it has more than {} arrays", kMostValues)};
        MatValue value;
        if (data.empty()) { // how an empty cell may be written
            value.kind = MatKind::Numbers;
            value.shape = {0, 0};
            return value;
        }
        MatCursor cursor(data, swapped);
        const auto flags = cursor.next(mat::UInt32, "flags of an array");
        if (flags.data.size() != 8)
            throw BrokenMat{"flags of an array are not 8 bytes"};
        const auto kind = cursor.number<std::uint32_t>(flags.data) & 0xFFu;
        if (kind > UInt64Class)
            return value; // opaque or a function: nothing of it is known
        const auto dimensions = cursor.next(mat::Int32, "dimensions of an array");
        const std::size_t count = elements(cursor, dimensions.data, value.shape);
        const auto label = cursor.next(mat::Int8, "letters of a name");
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

    static std::size_t elements(const MatCursor& cursor, std::span<const std::byte> dimensions, std::vector<std::int64_t>& shape)
    {
        const std::size_t rank = dimensions.size() / 4;
        if (rank < 2 || rank > kMostDimensions || dimensions.size() % 4 != 0)
            throw BrokenMat{fmt::format("an array has {} dimensions", rank)};
        std::size_t count = 1;
        for (std::size_t i = 0; i < rank; ++i) {
            const auto length = cursor.number<std::int32_t>(dimensions.subspan(4 * i));
            if (length < 0)
                throw BrokenMat{fmt::format("an array is {} long", length)};
            shape.push_back(length);
            count *= static_cast<std::size_t>(length);
            if (count > kMostNumbers)
                throw BrokenMat{fmt::format("an array has more than {} elements", kMostNumbers)};
        }
        return count;
    }

    MatValue inner(MatCursor& cursor, int depth)
    {
        std::string unnamed;
        return matrix(cursor.next(mat::Matrix, "the arrays within an array").data, cursor.swapped(), depth + 1, unnamed);
    }

    void cells(MatCursor& cursor, std::size_t count, int depth, MatValue& value)
    {
        value.kind = MatKind::Cells;
        for (std::size_t i = 0; i < count; ++i)
            value.items.push_back(inner(cursor, depth));
    }

    void structs(MatCursor& cursor, std::size_t count, int depth, MatValue& value)
    {
        value.kind = MatKind::Structs;
        const auto length = cursor.next(mat::Int32, "lengths of field names");
        const auto each = length.data.size() == 4 ? cursor.number<std::int32_t>(length.data) : 0;
        const auto names = cursor.next(mat::Int8, "letters of field names");
        if (each < 1 || names.data.size() % static_cast<std::size_t>(each) != 0)
            throw BrokenMat{"its field names have no length"};
        const std::size_t fields = names.data.size() / static_cast<std::size_t>(each);
        if (fields > kMostFields)
            throw BrokenMat{fmt::format("it has {} fields", fields)};
        for (std::size_t i = 0; i < fields; ++i) {
            const auto raw = names.data.subspan(i * static_cast<std::size_t>(each), static_cast<std::size_t>(each));
            const std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
            value.fields.emplace_back(text.substr(0, text.find('\0')));
        }
        for (std::size_t i = 0; i < count * fields; ++i) // each of them takes eight bytes of the file at least
            value.items.push_back(inner(cursor, depth));
    }

    std::vector<double> plain(MatCursor& cursor, std::size_t count, bool exactly)
    {
        const auto element = cursor.next();
        const std::size_t width = matWidthOf(element.type);
        if (width == 0)
            throw BrokenMat{fmt::format("numbers have type {}", element.type)};
        const std::size_t there = element.data.size() / width;
        if (exactly && there != count)
            throw BrokenMat{fmt::format("an array of {} has {} numbers", count, there)};
        if ((m_numbers += there) > kMostNumbers)
            throw BrokenMat{fmt::format("it has more than {} numbers", kMostNumbers)};
        std::vector<double> values(there);
        for (std::size_t i = 0; i < there; ++i)
            values[i] = cursor.number(element.type, element.data.subspan(i * width));
        m_type = element.type;
        return values;
    }

    void numbers(MatCursor& cursor, std::size_t count, MatValue& value)
    {
        value.kind = MatKind::Numbers;
        value.numbers = plain(cursor, count, true);
    }

    /// Letters are units of UTF-16, or bytes of UTF-8 of which there may be more than letters.
    void letters(MatCursor& cursor, std::size_t count, MatValue& value)
    {
        value.kind = MatKind::Text;
        if (count == 0)
            return;
        const auto units = plain(cursor, count, false);
        if (m_type == mat::Utf8 && (value.shape[0] == 1 || units.size() != count)) {
            for (const double unit : units)
                value.text += static_cast<char>(static_cast<unsigned char>(unit));
            return;
        }
        if (units.size() != count)
            throw BrokenMat{fmt::format("a text of {} has {} letters", count, units.size())};
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
    } catch (const BrokenMat& broken) {
        return refuse(broken.why);
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::Memory, fmt::format("No memory left to read {}.", inQuotes(name)), {}};
    }
}

} // namespace espalier::formats
