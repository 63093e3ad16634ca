// SPDX-License-Identifier: Apache-2.0
#include "core/formats/torch_rest.h"

#include "core/base/text.h"
#include "core/formats/pickle_numpy.h"

#include <fmt/format.h>
#include <openssl/bn.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace espalier::formats {
namespace {

constexpr std::size_t kMostGiven = std::size_t{64} << 20;
constexpr std::size_t kMostElements = 4096; // of an array that is written out
constexpr std::size_t kMostBytes = 1024;    // of bytes and of an integer that are written out

/// Two's complement, little endian, in decimal.
std::string decimalOf(std::string_view bytes)
{
    if (bytes.size() > kMostBytes)
        return fmt::format("an integer of {} bytes", bytes.size());
    std::string magnitude(bytes.rbegin(), bytes.rend());
    const bool negative = !magnitude.empty() && (static_cast<unsigned char>(magnitude[0]) & 0x80u);
    if (negative) {
        for (char& c : magnitude)
            c = static_cast<char>(~c);
        for (std::size_t i = magnitude.size(); i-- > 0;)
            if (++magnitude[i] != 0)
                break;
    }
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
        BN_bin2bn(reinterpret_cast<const unsigned char*>(magnitude.data()), static_cast<int>(magnitude.size()), nullptr), BN_free);
    const std::unique_ptr<char, void (*)(char*)> text(number ? BN_bn2dec(number.get()) : nullptr, [](char* t) { OPENSSL_free(t); });
    return text ? fmt::format("{}{}", negative ? "-" : "", text.get()) : std::string();
}

Json numberOf(double value)
{
    if (std::isfinite(value))
        return value;
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Json arrayOf(const NpyArray& array)
{
    Json data = Json::array();
    if (array.type.kind == 'f') {
        for (const double value : toDoubles(array))
            data.push_back(numberOf(value));
    } else if (const auto whole = toIntegers(array, "")) {
        for (const std::int64_t value : *whole)
            data.push_back(array.type.kind == 'b' ? Json(value != 0) : Json(value));
    }
    return data;
}

} // namespace

std::string PlainValues::text(std::string_view bytes)
{
    m_given += bytes.size();
    return m_given <= kMostGiven ? std::string(bytes) : std::string();
}

std::optional<Json> PlainValues::of(const Pickle& pickle, const PickleValue& value)
{
    Json made;
    switch (value.kind) {
    case PickleKind::Bool:
        made = value.integer != 0;
        break;
    case PickleKind::Integer:
        made = value.integer;
        break;
    case PickleKind::BigInteger:
        made = text(decimalOf(value.text));
        break;
    case PickleKind::Float:
        made = numberOf(value.number);
        break;
    case PickleKind::Text:
    case PickleKind::Global:
        made = text(value.text);
        break;
    case PickleKind::Bytes:
        if (value.text.size() <= kMostBytes) {
            std::string hex;
            for (const char c : value.text)
                hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
            made = {{"bytes", text(hex)}};
        } else {
            made = {{"byte_count", value.text.size()}};
        }
        break;
    case PickleKind::Call:
        made = call(pickle, value);
        break;
    case PickleKind::Persistent:
        made = {{"object", "storage"}};
        break;
    default:
        break; // None; containers are for the caller
    }
    if (m_given > kMostGiven)
        return {};
    return made;
}

/// The few objects that are worth a value; any other is named.
Json PlainValues::call(const Pickle& pickle, const PickleValue& value)
{
    const auto name = pickle[value.callee].text;
    const auto isText = [&](std::size_t i) { return i < value.items.size() && pickle[value.items[i]].kind == PickleKind::Text; };
    if (name == "torch.device" && isText(0)) {
        const auto index = value.items.size() == 2 ? fmt::format(":{}", pickle[value.items[1]].integer) : std::string();
        return text(fmt::format("{}{}", pickle[value.items[0]].text.substr(0, 80), index));
    }
    if (name == "torch.torch_version.TorchVersion" && isText(0))
        return text(pickle[value.items[0]].text);
    if (name == "torch.Size" && value.items.size() == 1) {
        Json sides = Json::array();
        const auto& tuple = pickle[value.items[0]].items;
        for (std::size_t i = 0; i < std::min<std::size_t>(tuple.size(), 64); ++i)
            sides.push_back(pickle[tuple[i]].integer);
        return sides;
    }
    if (name.starts_with("pathlib.")) {
        std::string path;
        for (std::size_t i = 0; i < value.items.size() && isText(i) && m_given <= kMostGiven; ++i)
            path += (path.empty() || path.ends_with('/') ? "" : "/") + text(pickle[value.items[i]].text);
        return path;
    }
    const auto array = numpyArrayOf(pickle, value);
    if (!array)
        return {{"object", std::string(name)}};
    m_given += array->data.size();
    const Json data = array->elements() <= kMostElements ? arrayOf(*array) : Json();
    if (array->shape.empty() && data.size() == 1)
        return data[0];
    static constexpr std::pair<char, const char*> kKinds[] = {{'b', "bool"}, {'i', "int"}, {'u', "uint"}, {'f', "float"}};
    const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return k.first == array->type.kind; });
    return {{"numpy", array->type.kind == 'b' ? kind->second : fmt::format("{}{}", kind->second, array->type.bytes * 8)},
            {"shape", array->shape},
            {"data", data}};
}

std::string PlainValues::keyOf(const Pickle& pickle, const PickleValue& value)
{
    switch (value.kind) {
    case PickleKind::None:
        return "None";
    case PickleKind::Bool:
        return value.integer ? "True" : "False";
    case PickleKind::Integer:
        return fmt::format("{}", value.integer);
    case PickleKind::Float:
        return fmt::format("{}", value.number);
    case PickleKind::Text:
    case PickleKind::Global:
        return text(value.text);
    case PickleKind::Bytes:
        return isUtf8(value.text) ? text(value.text) : fmt::format("{} bytes", value.text.size());
    case PickleKind::Tuple: {
        std::string inner;
        for (std::size_t i = 0; i < std::min<std::size_t>(value.items.size(), 16); ++i) {
            const auto& item = pickle[value.items[i]];
            inner += i ? ", " : "";
            inner += item.kind == PickleKind::Tuple ? "(…)" : keyOf(pickle, item);
        }
        return fmt::format("({})", inner);
    }
    default:
        return "(…)";
    }
}

} // namespace espalier::formats
