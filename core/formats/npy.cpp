// SPDX-License-Identifier: Apache-2.0
#include "core/formats/npy.h"

#include "core/formats/in_quotes.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace espalier::formats {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLongestHeader = std::size_t{64} << 10;
constexpr std::size_t kMostSides = 32;

Error refusal(std::string_view name, std::string_view why)
{
    return {ErrorCode::Format, fmt::format("{} cannot be read as npy: {}.", name, why)};
}

/// The header's Python dictionary, of which only three keys with plain values exist. Nothing is evaluated.
class HeaderText {
public:
    explicit HeaderText(std::string_view text) : m_rest(text) {}

    /// "" when the whole text was one valid header.
    std::string parse(NpyHeader& header)
    {
        if (!take('{'))
            return "its header is no dictionary";
        while (!take('}')) {
            std::string key;
            if (!string(key) || !take(':'))
                return "its header has no key where one has to be";
            std::string why = field(key, header);
            if (!why.empty())
                return why;
            if (!take(',') && peek() != '}')
                return "its header is no dictionary";
        }
        skipBlanks();
        if (!m_rest.empty())
            return "something follows the dictionary in its header";
        if (!m_descr || !m_order || !m_shape)
            return fmt::format("its header has no {}", !m_descr ? "descr" : !m_order ? "fortran_order" : "shape");
        return {};
    }

private:
    void skipBlanks()
    {
        while (!m_rest.empty() && (m_rest[0] == ' ' || m_rest[0] == '\t' || m_rest[0] == '\n' || m_rest[0] == '\r'))
            m_rest.remove_prefix(1);
    }
    char peek()
    {
        skipBlanks();
        return m_rest.empty() ? '\0' : m_rest[0];
    }
    bool take(char c)
    {
        if (m_rest.empty() || peek() != c)
            return false;
        m_rest.remove_prefix(1);
        return true;
    }
    bool word(std::string_view text)
    {
        skipBlanks();
        if (!m_rest.starts_with(text))
            return false;
        m_rest.remove_prefix(text.size());
        return true;
    }
    bool string(std::string& text)
    {
        const char mark = peek();
        if (mark != '\'' && mark != '"')
            return false;
        const std::size_t end = m_rest.find(mark, 1);
        if (end == m_rest.npos)
            return false;
        text = m_rest.substr(1, end - 1);
        m_rest.remove_prefix(end + 1);
        return text.find('\\') == text.npos;
    }

    std::string field(const std::string& key, NpyHeader& header)
    {
        bool* seen = key == "descr" ? &m_descr : key == "fortran_order" ? &m_order : key == "shape" ? &m_shape : nullptr;
        if (!seen)
            return fmt::format("its header has the unknown key {}", inQuotes(key));
        if (std::exchange(*seen, true))
            return fmt::format("its header gives {} twice", key);
        if (seen == &m_descr)
            return descr(header);
        if (seen == &m_shape)
            return shape(header);
        header.fortranOrder = word("True");
        return header.fortranOrder || word("False") ? "" : "its fortran_order is neither True nor False";
    }

    std::string descr(NpyHeader& header)
    {
        std::string text;
        if (!string(text))
            return "it holds records, not an array of numbers";
        const std::string refused =
            fmt::format("its dtype {} is not read here, only bool, integers and float16 to float64", inQuotes(text));
        std::string_view rest = text;
        char order = '|';
        if (!rest.empty() && std::string_view("<>|=").find(rest[0]) != std::string_view::npos) {
            order = rest[0];
            rest.remove_prefix(1);
        }
        if (rest.size() != 2 || rest[1] < '1' || rest[1] > '8')
            return refused;
        const int bytes = rest[1] - '0';
        const bool known = rest[0] == 'b'   ? bytes == 1
                           : rest[0] == 'f' ? bytes == 2 || bytes == 4 || bytes == 8
                                            : (rest[0] == 'i' || rest[0] == 'u') && std::has_single_bit(static_cast<unsigned>(bytes));
        if (!known || (bytes > 1 && order == '|'))
            return refused;
        header.type = {rest[0], bytes};
        header.bigEndian = order == '>' && bytes > 1;
        return {};
    }

    std::string shape(NpyHeader& header)
    {
        if (!take('('))
            return "its shape is no tuple";
        bool comma = true;
        while (!take(')')) {
            std::uint64_t side = 0;
            if (!comma || !number(side))
                return "its shape holds something that is no whole number";
            if (header.shape.size() == kMostSides)
                return fmt::format("its shape has more than {} sides", kMostSides);
            header.shape.push_back(static_cast<std::int64_t>(side));
            comma = take(',');
        }
        if (header.shape.size() == 1 && !comma)
            return "its shape is no tuple";
        for (const std::int64_t side : header.shape)
            if (__builtin_mul_overflow(header.elements, static_cast<std::uint64_t>(side), &header.elements) ||
                header.elements > (1ull << 59))
                return "its shape overflows";
        return {};
    }
    bool number(std::uint64_t& value)
    {
        skipBlanks();
        std::size_t digits = 0;
        while (digits < m_rest.size() && m_rest[digits] >= '0' && m_rest[digits] <= '9') {
            value = value * 10 + static_cast<std::uint64_t>(m_rest[digits] - '0');
            if (++digits > 18)
                return false;
        }
        m_rest.remove_prefix(digits);
        if (digits > 0 && m_rest.starts_with('L')) // Python 2 wrote long numbers so
            m_rest.remove_prefix(1);
        return digits > 0;
    }

    std::string_view m_rest;
    bool m_descr = false, m_order = false, m_shape = false;
};

void swapBytes(std::vector<std::byte>& data, std::size_t size)
{
    for (std::size_t at = 0; at + size <= data.size(); at += size)
        std::reverse(data.begin() + static_cast<std::ptrdiff_t>(at), data.begin() + static_cast<std::ptrdiff_t>(at + size));
}

/// Column-major bytes as row-major ones.
std::vector<std::byte> rowMajor(const std::vector<std::byte>& data, const std::vector<std::int64_t>& shape, std::size_t size)
{
    std::vector<std::byte> out(data.size());
    std::vector<std::uint64_t> step(shape.size(), 1), place(shape.size(), 0);
    for (std::size_t d = 1; d < shape.size(); ++d)
        step[d] = step[d - 1] * static_cast<std::uint64_t>(shape[d - 1]);
    std::uint64_t from = 0;
    for (std::size_t at = 0; at < data.size(); at += size) {
        std::memcpy(out.data() + at, data.data() + from * size, size);
        for (std::size_t d = shape.size(); d-- > 0;) {
            from += step[d];
            if (++place[d] < static_cast<std::uint64_t>(shape[d]))
                break;
            from -= step[d] * static_cast<std::uint64_t>(shape[d]);
            place[d] = 0;
        }
    }
    return out;
}

double halfValue(std::uint16_t bits)
{
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31)
        return mantissa ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
    return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

template <class T>
T at(const NpyArray& array, std::size_t i)
{
    T value;
    std::memcpy(&value, array.data.data() + i * sizeof(T), sizeof(T));
    return value;
}

/// Calls `use` with a function that reads element i in the array's own type.
template <class Use>
void withType(const NpyArray& array, Use use)
{
    const auto as = [&]<class T>(T) { use([&](std::size_t i) { return at<T>(array, i); }); };
    const auto [kind, bytes] = array.type;
    if (kind == 'f')
        bytes == 2 ? use([&](std::size_t i) { return halfValue(at<std::uint16_t>(array, i)); }) : bytes == 4 ? as(float{}) : as(double{});
    else if (kind == 'i')
        bytes == 1 ? as(std::int8_t{}) : bytes == 2 ? as(std::int16_t{}) : bytes == 4 ? as(std::int32_t{}) : as(std::int64_t{});
    else
        bytes == 1 ? as(std::uint8_t{}) : bytes == 2 ? as(std::uint16_t{}) : bytes == 4 ? as(std::uint32_t{}) : as(std::uint64_t{});
}

} // namespace

Result<std::size_t> npyHeaderBytes(std::span<const std::byte> prologue, std::string_view name)
{
    if (prologue.size() < kMagic.size() + 2 || std::memcmp(prologue.data(), kMagic.data(), kMagic.size()) != 0)
        return refusal(name, "it does not begin like one");
    const int major = std::to_integer<int>(prologue[6]), minor = std::to_integer<int>(prologue[7]);
    if (major < 1 || major > 3 || minor != 0)
        return refusal(name, fmt::format("version {}.{} is not known", major, minor));
    const std::size_t size = major == 1 ? 2 : 4;
    if (prologue.size() < 8 + size)
        return refusal(name, "it was cut");
    std::size_t length = 0;
    for (std::size_t i = size; i-- > 0;)
        length = length << 8 | std::to_integer<std::size_t>(prologue[8 + i]);
    if (length > kLongestHeader)
        return refusal(name, fmt::format("its header claims {} bytes", length));
    return 8 + size + length;
}

Result<NpyHeader> parseNpyHeader(std::span<const std::byte> start, std::string_view name)
{
    const auto total = npyHeaderBytes(start, name);
    if (!total)
        return total.error();
    if (*total > start.size())
        return refusal(name, "it was cut");
    const std::size_t textAt = std::to_integer<int>(start[6]) == 1 ? 10 : 12;
    NpyHeader header;
    header.headerBytes = *total;
    const std::string why = HeaderText({reinterpret_cast<const char*>(start.data()) + textAt, *total - textAt}).parse(header);
    if (!why.empty())
        return refusal(name, why);
    return header;
}

Result<NpyArray> parseNpy(std::span<const std::byte> file, std::string_view name)
{
    const auto header = parseNpyHeader(file, name);
    if (!header)
        return header.error();
    const std::uint64_t rest = file.size() - header->headerBytes;
    if (rest != header->dataBytes())
        return refusal(name, fmt::format("its shape needs {} bytes of data and it has {}", header->dataBytes(), rest));
    const auto data = file.subspan(header->headerBytes);
    return npyArrayOf(*header, {data.begin(), data.end()});
}

NpyArray npyArrayOf(const NpyHeader& header, std::vector<std::byte> data)
{
    const auto size = static_cast<std::size_t>(header.type.bytes);
    if (header.bigEndian)
        swapBytes(data, size);
    if (header.fortranOrder && header.shape.size() > 1)
        data = rowMajor(data, header.shape, size);
    if (header.type.kind == 'b')
        for (std::byte& value : data)
            value = value == std::byte{0} ? std::byte{0} : std::byte{1};
    return {header.type, header.shape, std::move(data)};
}

std::vector<double> toDoubles(const NpyArray& array)
{
    std::vector<double> values(array.elements());
    withType(array, [&](auto value) {
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<double>(value(i));
    });
    return values;
}

Result<std::vector<std::int64_t>> toIntegers(const NpyArray& array, std::string_view name)
{
    if (array.type.kind == 'f')
        return refusal(name, "it holds floats where integers are needed");
    std::vector<std::int64_t> values(array.elements());
    bool tooLarge = false;
    withType(array, [&](auto value) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<std::int64_t>(value(i));
            tooLarge = tooLarge || (array.type.kind == 'u' && values[i] < 0);
        }
    });
    if (tooLarge)
        return refusal(name, "it holds numbers beyond 63 bits");
    return values;
}

std::string npyHeaderText(NpyType type, std::span<const std::int64_t> shape, std::size_t totalBytes)
{
    std::string text =
        fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': (", type.bytes == 1 ? '|' : '<', type.kind, type.bytes);
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += fmt::format("{}{}", i ? ", " : "", shape[i]);
    text += shape.size() == 1 ? ",), }" : "), }";
    const std::size_t needed = 10 + text.size() + 1, total = std::max((needed + 63) / 64 * 64, totalBytes);
    text.append(total - needed, ' ');
    const std::size_t length = total - 10;
    std::string header(kMagic);
    header += {'\x01', '\x00', static_cast<char>(length & 255), static_cast<char>(length >> 8)};
    return header + text + '\n';
}

} // namespace espalier::formats
