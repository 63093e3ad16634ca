// SPDX-License-Identifier: Apache-2.0
#include "core/formats/pickle.h"

#include "core/base/text.h"
#include "core/formats/in_quotes.h"
#include "core/formats/pickle_globals.h"
#include "core/formats/pickle_machine.h"

#include <fmt/format.h>

namespace espalier::formats {

PickleMachine::Known PickleMachine::object(unsigned char op)
{
    PickleRef first = 0, second = 0, third = 0;
    switch (op) {
    case 'c': {
        std::string_view module, name;
        return line(module) && line(name) && global(module, name);
    }
    case 0x93: // STACK_GLOBAL
        if (!pop(second) || !pop(first))
            return false;
        if (at(first).kind != PickleKind::Text || at(second).kind != PickleKind::Text)
            return refuse("it names a class by something that is no text");
        return global(at(first).text, at(second).text);
    case 'R':
    case 0x81: // NEWOBJ
        return pop(second) && pop(first) && call(first, second);
    case 0x92: // NEWOBJ_EX
        return pop(third) && pop(second) && pop(first) && (at(third).items.empty() || refuse("it makes an object with named arguments")) &&
               call(first, second);
    case 'b':
        return pop(second) && top(first) && build(first, second);
    case 'Q': {
        PickleValue value;
        value.kind = PickleKind::Persistent;
        value.items.resize(1);
        return pop(value.items[0]) && counts(1) && push(std::move(value));
    }
    default:
        return {};
    }
}

bool PickleMachine::global(std::string_view module, std::string_view name)
{
    const auto known = knownGlobal(module, name);
    if (known.empty())
        return refuse(fmt::format("it asks Python for {}, which weights do not need, and nothing was run; save a state_dict() of tensors "
                                  "and plain values",
                                  inQuotes(fmt::format("{}.{}", module.substr(0, 80), name.substr(0, 80)))));
    return pushText(PickleKind::Global, known);
}

/// Containers become what they are; every other call stays a record of what was to be called with what.
bool PickleMachine::call(PickleRef callee, PickleRef arguments)
{
    if (at(callee).kind != PickleKind::Global || at(arguments).kind != PickleKind::Tuple)
        return refuse("it calls something that is no function, or without a tuple of arguments");
    const auto name = at(callee).text;
    PickleValue made;
    made.callee = callee;
    const auto& given = at(arguments).items;
    const auto* first = given.empty() ? nullptr : &at(given[0]);
    const bool listed = first && (first->kind == PickleKind::List || first->kind == PickleKind::Tuple || first->kind == PickleKind::Set);
    if (name == "collections.OrderedDict" || name == "collections.defaultdict" || name == "builtins.dict" || name == "argparse.Namespace") {
        made.kind = PickleKind::Dict;
        if (listed && name != "collections.defaultdict")
            for (const PickleRef pair : first->items) { // Python 2 gave ordered dictionaries a list of pairs
                const auto& two = at(pair);
                if ((two.kind != PickleKind::List && two.kind != PickleKind::Tuple) || two.items.size() != 2 ||
                    !canBeKey(at(two.items[0]).kind))
                    return refuse("it makes a dictionary of something that is no list of pairs");
                made.items.insert(made.items.end(), two.items.begin(), two.items.end());
            }
        return counts(made.items.size()) && push(std::move(made));
    }
    if (name == "builtins.set" || name == "builtins.frozenset" || name == "builtins.list" || name == "builtins.tuple") {
        made.kind = name == "builtins.list" ? PickleKind::List : name == "builtins.tuple" ? PickleKind::Tuple : PickleKind::Set;
        if (!counts(listed ? first->items.size() : 0))
            return false;
        if (listed)
            made.items = first->items;
        return push(std::move(made));
    }
    if (name == "_codecs.encode" || name == "builtins.bytes" || name == "builtins.bytearray") {
        if (!first)
            return pushText(PickleKind::Bytes, {});
        if (first->kind == PickleKind::Bytes)
            return pushText(PickleKind::Bytes, first->text);
        if (first->kind == PickleKind::Text)
            return encode(*first);
    }
    if (!counts(given.size()))
        return false;
    made.kind = PickleKind::Call;
    made.items = given;
    return push(std::move(made));
}

/// Bytes that protocol 2 writes as text of the characters 0 to 255.
bool PickleMachine::encode(const PickleValue& text)
{
    std::string made;
    for (std::string_view rest = text.text; !rest.empty();) {
        const auto length = utf8Length(rest);
        const auto lead = static_cast<unsigned char>(rest[0]);
        if (length > 2 || (length == 2 && lead > 0xC3))
            return refuse("bytes in it are written with characters beyond 255");
        made += length == 1 ? rest[0] : static_cast<char>((lead & 0x03u) << 6 | (static_cast<unsigned char>(rest[1]) & 0x3Fu));
        rest.remove_prefix(length);
    }
    m_madeBytes += made.size();
    if (m_madeBytes > m_bytes.size())
        return refuse("it makes the same bytes again and again");
    m_pickle.m_made.push_back(std::move(made));
    return pushText(PickleKind::Bytes, m_pickle.m_made.back());
}

bool PickleMachine::build(PickleRef object, PickleRef state)
{
    auto& value = at(object);
    if (value.kind != PickleKind::Dict && value.kind != PickleKind::Call)
        return refuse("it sets the state of something that has none");
    if (value.kind == PickleKind::Dict && value.callee != kNoPickleValue && at(value.callee).text == "argparse.Namespace") {
        if (at(state).kind != PickleKind::Dict || object == state)
            return refuse("a Namespace in it has a state that is no dictionary");
        if (!counts(at(state).items.size()))
            return false;
        value.items.insert(value.items.end(), at(state).items.begin(), at(state).items.end());
        return true;
    }
    value.state = state; // of an ordered dictionary only _metadata, which nobody needs
    return true;
}

Result<Pickle> Pickle::parse(std::span<const std::byte> bytes, std::string_view file, std::string_view kind)
{
    PickleMachine machine({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!machine.run())
        return Error{ErrorCode::Format, fmt::format("{} cannot be read as {}: {}.", file, kind, machine.why)};
    return machine.take();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const
{
    if (dict.kind == PickleKind::Dict)
        for (std::size_t i = dict.items.size(); i >= 2; i -= 2) { // the last one wins
            const auto& name = m_values[dict.items[i - 2]];
            if ((name.kind == PickleKind::Text || name.kind == PickleKind::Bytes) && name.text == key)
                return &m_values[dict.items[i - 1]];
        }
    return nullptr;
}

} // namespace espalier::formats
