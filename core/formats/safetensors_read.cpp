// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.h"
#include "core/formats/in_quotes.h"
#include "core/formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

namespace espalier::formats {
namespace {

constexpr std::uint64_t kLongestHeader = 100'000'000; // the limit of the reference library
constexpr int kDeepest = 64;

/// Walks the header's JSON and keeps what the format allows; everything else ends the walk with `why`.
class HeaderWalk : public Json::json_sax_t {
public:
    SafetensorsHeader header;
    std::string why;

    bool null() override { return value("null"); }
    bool boolean(bool) override { return value("true or false"); }
    bool number_integer(number_integer_t) override { return value("a negative number"); }
    bool number_float(number_float_t, const string_t&) override { return value("a number that is no 64-bit integer"); }
    bool number_unsigned(number_unsigned_t number) override
    {
        if (!m_list)
            return value("a number");
        if (m_list == &m_offsets && m_list->size() == 2)
            return refuse(fmt::format("tensor {} has more than two data_offsets", inQuotes(m_entry.name)));
        m_list->push_back(number);
        return true;
    }
    bool binary(binary_t&) override { return value("binary data"); }
    bool string(string_t& text) override
    {
        if (m_depth == 2 && m_inMetadata) {
            header.metadata[m_key] = text;
            return true;
        }
        if (m_depth == 2 && m_field == Field::Type) {
            const auto dtype = dtypeOf(text);
            if (!dtype)
                return refuse(fmt::format("tensor {} has the unknown dtype {}", inQuotes(m_entry.name), inQuotes(text)));
            m_entry.dtype = *dtype;
            return true;
        }
        return value("text");
    }
    bool start_object(std::size_t) override
    {
        if (m_depth < 2 || skipping())
            return deeper();
        return value("an object");
    }
    bool start_array(std::size_t) override
    {
        if (skipping())
            return deeper();
        if (m_depth == 2 && !m_inMetadata && !m_list && (m_field == Field::Shape || m_field == Field::Offsets)) {
            m_list = m_field == Field::Shape ? &m_shape : &m_offsets;
            return deeper();
        }
        return value("a list");
    }
    bool end_array() override
    {
        m_list = nullptr;
        --m_depth;
        return true;
    }
    bool key(string_t& text) override
    {
        if (m_depth == 1)
            return topKey(text);
        if (m_depth > 2)
            return true; // inside a field that is ignored
        if (m_inMetadata) {
            if (header.metadata.contains(text))
                return refuse(fmt::format("its metadata name {} twice", inQuotes(text)));
            m_key = text;
            return true;
        }
        m_field = text == "dtype" ? Field::Type : text == "shape" ? Field::Shape : text == "data_offsets" ? Field::Offsets : Field::Unknown;
        if (m_field != Field::Unknown && !m_seen.insert(m_field).second)
            return refuse(fmt::format("tensor {} gives {} twice", inQuotes(m_entry.name), text));
        return true;
    }
    bool end_object() override
    {
        --m_depth;
        if (m_depth != 1)
            return true;
        return m_inMetadata || keepEntry();
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override
    {
        detail = error.what();
        return refuse(fmt::format("its header is no valid JSON (at byte {})", position));
    }
    std::string detail;

private:
    enum class Field { None, Type, Shape, Offsets, Unknown };

    bool refuse(std::string reason)
    {
        why = std::move(reason);
        return false;
    }
    bool skipping() const { return m_depth >= 2 && !m_inMetadata && m_field == Field::Unknown; }
    bool deeper()
    {
        if (++m_depth > kDeepest)
            return refuse("its header is nested too deeply");
        return true;
    }
    /// A value of kind `what` came where it may or may not be allowed.
    bool value(std::string_view what)
    {
        if (skipping())
            return true;
        if (m_depth == 0)
            return refuse("its header is no JSON object");
        if (m_inMetadata)
            return refuse(fmt::format("its metadata hold {} where only text may stand", what));
        if (m_depth == 1)
            return refuse(fmt::format("tensor {} is {} instead of an object", inQuotes(m_entry.name), what));
        const char* field = m_field == Field::Type ? "dtype" : m_field == Field::Shape ? "shape" : "data_offsets";
        return refuse(fmt::format("the {} of tensor {} holds {}", field, inQuotes(m_entry.name), what));
    }
    bool topKey(const std::string& text)
    {
        if (!m_names.insert(text).second)
            return refuse(fmt::format("the name {} stands there twice", inQuotes(text)));
        m_inMetadata = text == "__metadata__";
        m_entry = {};
        m_entry.name = text;
        m_shape.clear();
        m_offsets.clear();
        m_seen.clear();
        m_field = Field::None;
        return true;
    }
    bool keepEntry()
    {
        for (const auto& [field, name] : {std::pair{Field::Type, "dtype"}, {Field::Shape, "shape"}, {Field::Offsets, "data_offsets"}})
            if (!m_seen.contains(field))
                return refuse(fmt::format("tensor {} has no {}", inQuotes(m_entry.name), name));
        if (m_offsets.size() != 2)
            return refuse(fmt::format("tensor {} needs two data_offsets", inQuotes(m_entry.name)));
        for (const std::uint64_t side : m_shape) {
            if (side > INT64_MAX)
                return refuse(fmt::format("the shape of tensor {} overflows", inQuotes(m_entry.name)));
            m_entry.shape.push_back(static_cast<std::int64_t>(side));
        }
        m_entry.begin = m_offsets[0];
        m_entry.end = m_offsets[1];
        header.entries.push_back(std::move(m_entry));
        m_entry = {};
        m_field = Field::None;
        return true;
    }

    int m_depth = 0;
    bool m_inMetadata = false; // the value of "__metadata__" comes or is being read
    Field m_field = Field::None;
    SafetensorsEntry m_entry;
    std::string m_key;
    std::vector<std::uint64_t> m_shape, m_offsets;
    std::vector<std::uint64_t>* m_list = nullptr;
    std::set<Field> m_seen;
    std::set<std::string> m_names;
};

/// Types, sizes and ranges of all tensors against each other and against the data section; "" when all is well.
std::string whyRangesAreWrong(SafetensorsHeader& header, std::uint64_t dataBytes)
{
    auto& entries = header.entries;
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name); });
    std::uint64_t at = 0;
    for (const auto& entry : entries) {
        if (entry.end < entry.begin)
            return fmt::format("tensor {} ends before it begins", inQuotes(entry.name));
        if (entry.begin != at)
            return fmt::format("tensor {} {} the tensor before it", inQuotes(entry.name),
                               entry.begin < at ? "overlaps" : "leaves a hole after");
        const auto need = byteCount(entry.dtype, entry.shape);
        if (!need)
            return fmt::format("the shape of tensor {} does not make a whole number of bytes in 64 bits", inQuotes(entry.name));
        if (*need != entry.bytes())
            return fmt::format("tensor {} has {} bytes where its shape and dtype need {}", inQuotes(entry.name), entry.bytes(), *need);
        if (entry.end > dataBytes)
            return fmt::format("it ends before tensor {} does, so it was cut", inQuotes(entry.name));
        at = entry.end;
    }
    if (at != dataBytes)
        return fmt::format("{} bytes are left over after the last tensor", dataBytes - at);
    return {};
}

std::string whatElseItIs(std::span<const std::byte> start)
{
    const auto begins = [&](std::string_view magic) {
        return start.size() >= magic.size() && std::memcmp(start.data(), magic.data(), magic.size()) == 0;
    };
    if (begins("PK\x03\x04"))
        return "it is a zip archive, perhaps a PyTorch checkpoint with another extension";
    if (begins("\x80\x02") || begins("\x80\x03") || begins("\x80\x04") || begins("\x80\x05"))
        return "it is a Python pickle with another extension";
    return {};
}

/// A BOOL has one true: other bytes would be other trues to whoever computes with them.
Result<Done> checkBools(const SafetensorsEntry& entry, std::span<const std::byte> bytes, const std::filesystem::path& file)
{
    if (entry.dtype == DType::Bool)
        for (const std::byte value : bytes)
            if (value > std::byte{1})
                return Error{ErrorCode::Format, fmt::format("{} cannot be read: BOOL tensor {} holds a byte that is neither 0 nor 1.",
                                                            file.string(), inQuotes(entry.name))};
    return Done{};
}

} // namespace

Result<SafetensorsHeader> parseSafetensors(std::span<const std::byte> start, std::uint64_t fileBytes, std::string_view file)
{
    const auto refuse = [&](std::string_view why, std::string detail = {}) {
        return Error{ErrorCode::Format, fmt::format("{} cannot be read as safetensors: {}.", file, why), std::move(detail)};
    };
    if (fileBytes < 8 || start.size() < 8)
        return refuse("it is shorter than the 8 bytes it has to begin with");
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i)
        length = length << 8 | std::to_integer<std::uint64_t>(start[static_cast<std::size_t>(i)]);
    if (const std::string other = whatElseItIs(start); !other.empty())
        return refuse(other);
    if (length > kLongestHeader)
        return refuse(fmt::format("its header claims {} bytes, more than the {} allowed", length, kLongestHeader));
    if (length > fileBytes - 8 || length > start.size() - 8)
        return refuse("its header goes on beyond its end, so it was cut");
    const std::string_view text(reinterpret_cast<const char*>(start.data()) + 8, static_cast<std::size_t>(length));
    if (text.empty() || text.front() != '{')
        return refuse("its header does not begin with {");
    if (text.find('\0') != std::string_view::npos) // the JSON reader would take it for the end
        return refuse("its header holds a zero byte");

    HeaderWalk walk;
    if (!Json::sax_parse(text.begin(), text.end(), &walk))
        return refuse(walk.why, walk.detail);
    const std::string why = whyRangesAreWrong(walk.header, fileBytes - 8 - length);
    if (!why.empty())
        return refuse(why);
    for (auto& entry : walk.header.entries) {
        entry.begin += 8 + length;
        entry.end += 8 + length;
    }
    return std::move(walk.header);
}

Result<SafetensorsReader> SafetensorsReader::open(const std::filesystem::path& file)
{
    auto mapped = MappedFile::open(file);
    if (!mapped)
        return mapped.error();
    auto header = parseSafetensors(mapped->bytes(), mapped->bytes().size(), file.string());
    if (!header)
        return header.error();
    return SafetensorsReader(std::move(*mapped), std::move(*header));
}

Result<Done> SafetensorsReader::copy(const SafetensorsEntry& entry, std::span<std::byte> into) const
{
    if (into.size() != entry.bytes())
        return Error{ErrorCode::Internal, fmt::format("Tensor {} of {} has {} bytes, not {}.", inQuotes(entry.name), path().string(),
                                                      entry.bytes(), into.size())};
    if (const auto copied = m_file.copy(entry.begin, into); !copied)
        return copied.error();
    return checkBools(entry, into, path());
}

Result<std::span<const std::byte>> SafetensorsReader::bytes(const SafetensorsEntry& entry) const
{
    const auto view = m_file.bytes().subspan(entry.begin, entry.bytes());
    if (const auto checked = checkBools(entry, view, path()); !checked)
        return checked.error();
    return view;
}

} // namespace espalier::formats
