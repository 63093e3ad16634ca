// SPDX-License-Identifier: Apache-2.0
#include "core/formats/pickle_numpy.h"

namespace espalier::formats {
namespace {

/// What a Call would have called; "" for every other value.
std::string_view calleeOf(const Pickle& pickle, const PickleValue& value)
{
    return value.kind == PickleKind::Call ? pickle[value.callee].text : std::string_view();
}

bool isText(const PickleValue& value)
{
    return value.kind == PickleKind::Text || value.kind == PickleKind::Bytes; // Bytes out of Python 2
}

/// numpy.dtype("f4", …) with the state (version, byte order, …).
bool typeOf(const Pickle& pickle, const PickleValue& value, NpyHeader& header)
{
    if (calleeOf(pickle, value) != "numpy.dtype" || value.items.empty() || !isText(pickle[value.items[0]]))
        return false;
    std::string_view text = pickle[value.items[0]].text;
    std::string_view order = "|";
    if (value.state != kNoPickleValue) {
        const auto& state = pickle[value.state];
        if (state.kind != PickleKind::Tuple || state.items.size() < 2 || !isText(pickle[state.items[1]]))
            return false;
        order = pickle[state.items[1]].text;
    }
    if (!text.empty() && (text[0] == '<' || text[0] == '>' || text[0] == '|' || text[0] == '=')) {
        order = text.substr(0, 1);
        text.remove_prefix(1);
    }
    if (text.size() != 2 || (order != "<" && order != ">" && order != "|" && order != "="))
        return false;
    header.type = {text[0], text[1] - '0'};
    header.bigEndian = order == ">";
    const int bytes = header.type.bytes;
    switch (header.type.kind) {
    case 'b':
        return bytes == 1;
    case 'i':
    case 'u':
        return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    case 'f':
        return bytes == 2 || bytes == 4 || bytes == 8;
    default:
        return false;
    }
}

bool shapeOf(const Pickle& pickle, const PickleValue& value, NpyHeader& header)
{
    constexpr std::size_t kMostSides = 32;
    if (value.kind != PickleKind::Tuple || value.items.size() > kMostSides)
        return false;
    for (const PickleRef ref : value.items) {
        const auto& side = pickle[ref];
        if (side.kind != PickleKind::Integer || side.integer < 0 ||
            __builtin_mul_overflow(header.elements, static_cast<std::uint64_t>(side.integer), &header.elements))
            return false;
        header.shape.push_back(side.integer);
    }
    return header.elements <= UINT64_MAX / 16;
}

std::optional<NpyArray> arrayOf(NpyHeader& header, const PickleValue& data)
{
    header.fortranOrder &= header.elements > 0; // nothing to turn, however long the other sides are
    if (data.kind != PickleKind::Bytes || data.text.size() != header.dataBytes())
        return {};
    const auto* begin = reinterpret_cast<const std::byte*>(data.text.data());
    return npyArrayOf(header, {begin, begin + data.text.size()});
}

} // namespace

std::optional<NpyArray> numpyArrayOf(const Pickle& pickle, const PickleValue& value)
{
    const auto name = calleeOf(pickle, value);
    NpyHeader header;
    if (name == "numpy._core.multiarray.scalar") {
        if (value.items.size() != 2 || !typeOf(pickle, pickle[value.items[0]], header))
            return {};
        return arrayOf(header, pickle[value.items[1]]);
    }
    if (name == "numpy._core.numeric._frombuffer") { // (bytes, dtype, shape, order)
        if (value.items.size() != 4 || !typeOf(pickle, pickle[value.items[1]], header) ||
            !shapeOf(pickle, pickle[value.items[2]], header) || !isText(pickle[value.items[3]]))
            return {};
        header.fortranOrder = pickle[value.items[3]].text == "F";
        return arrayOf(header, pickle[value.items[0]]);
    }
    if (name != "numpy._core.multiarray._reconstruct" || value.state == kNoPickleValue)
        return {};
    const auto& state = pickle[value.state]; // (version, shape, dtype, Fortran order, bytes)
    if (state.kind != PickleKind::Tuple || state.items.size() != 5 || !shapeOf(pickle, pickle[state.items[1]], header) ||
        !typeOf(pickle, pickle[state.items[2]], header) || pickle[state.items[3]].kind != PickleKind::Bool)
        return {};
    header.fortranOrder = pickle[state.items[3]].integer != 0;
    return arrayOf(header, pickle[state.items[4]]);
}

} // namespace espalier::formats
