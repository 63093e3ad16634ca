// SPDX-License-Identifier: Apache-2.0
#include "core/formats/pickle.h"

#include "core/base/text.h"
#include "core/formats/in_quotes.h"
#include "core/formats/pickle_globals.h"

#include <fmt/format.h>

#include <bit>
#include <optional>
#include <unordered_map>

namespace espalier::formats {
namespace {

constexpr std::size_t kMostValues = 2'000'000;
constexpr std::size_t kMostItems = 4'000'000; // of all containers together

bool canBeKey(PickleKind kind)
{
    return kind != PickleKind::List && kind != PickleKind::Dict && kind != PickleKind::Set && kind != PickleKind::Persistent;
}

} // namespace

/// Python's stack machine without the calls. Every method is false when the pickle is refused, and `why` says why.
class PickleMachine {
public:
    explicit PickleMachine(std::string_view bytes) : m_bytes(bytes) {}

    std::string why;

    bool run()
    {
        for (;;) {
            std::uint64_t op = 0;
            if (!number(1, op))
                return false;
            if (op == '.')
                return stop();
            const auto known = step(static_cast<unsigned char>(op));
            if (!known)
                return refuse(fmt::format("the opcode {:#04x} at byte {} is not one that files of weights need", op, m_at - 1));
            if (!*known)
                return false;
        }
    }
    Pickle take() { return std::move(m_pickle); }

private:
    using Known = std::optional<bool>; // nothing: the opcode belongs to another group

    bool refuse(std::string reason)
    {
        why = std::move(reason);
        return false;
    }
    bool stop()
    {
        if (m_stack.size() != 1 || !m_marks.empty())
            return refuse("it ends with other than one value");
        m_pickle.m_root = m_stack.back();
        m_pickle.m_size = m_at;
        return true;
    }
    Known step(unsigned char op)
    {
        for (const auto group :
             {&PickleMachine::atom, &PickleMachine::text, &PickleMachine::container, &PickleMachine::memory, &PickleMachine::object})
            if (const auto known = (this->*group)(op))
                return known;
        return {};
    }

    // ── Bytes ──

    bool bytes(std::uint64_t count, std::string_view& into)
    {
        if (count > m_bytes.size() - m_at)
            return refuse("it was cut: a value goes on beyond its end");
        into = m_bytes.substr(m_at, count);
        m_at += count;
        return true;
    }
    /// A little-endian number of `width` bytes.
    bool number(std::size_t width, std::uint64_t& into)
    {
        std::string_view raw;
        if (!bytes(width, raw))
            return false;
        into = 0;
        for (std::size_t i = width; i-- > 0;)
            into = into << 8 | static_cast<unsigned char>(raw[i]);
        return true;
    }
    bool counted(std::size_t width, std::string_view& into)
    {
        std::uint64_t count = 0;
        return number(width, count) && bytes(count, into);
    }
    bool line(std::string_view& into)
    {
        const auto end = m_bytes.find('\n', m_at);
        if (end == std::string_view::npos)
            return refuse("it was cut: a name goes on beyond its end");
        into = m_bytes.substr(m_at, end - m_at);
        m_at = end + 1;
        return true;
    }

    // ── Values and stack ──

    PickleValue& at(PickleRef ref) { return m_pickle.m_values[ref]; }
    bool push(PickleValue value)
    {
        if (m_pickle.m_values.size() >= kMostValues || m_stack.size() >= kMostItems)
            return refuse(fmt::format("it holds more than {} values", kMostValues));
        m_pickle.m_values.push_back(std::move(value));
        m_stack.push_back(static_cast<PickleRef>(m_pickle.m_values.size() - 1));
        return true;
    }
    bool pushAgain(PickleRef ref)
    {
        if (m_stack.size() >= kMostItems)
            return refuse("its stack grows without end");
        m_stack.push_back(ref);
        return true;
    }
    bool push(PickleKind kind, std::int64_t integer = 0)
    {
        PickleValue value;
        value.kind = kind;
        value.integer = integer;
        return push(std::move(value));
    }
    bool pushText(PickleKind kind, std::string_view text)
    {
        if (kind == PickleKind::Text && !isUtf8(text))
            return refuse("a text in it is not UTF-8");
        PickleValue value;
        value.kind = kind;
        value.text = text;
        return push(std::move(value));
    }
    /// Values above the last mark, never below it.
    std::size_t loose() const { return m_stack.size() - (m_marks.empty() ? 0 : m_marks.back()); }
    bool pop(PickleRef& into)
    {
        if (loose() == 0)
            return refuse("it takes a value where there is none");
        into = m_stack.back();
        m_stack.pop_back();
        return true;
    }
    bool top(PickleRef& into)
    {
        if (loose() == 0)
            return refuse("it takes a value where there is none");
        into = m_stack.back();
        return true;
    }
    bool popToMark(std::vector<PickleRef>& into)
    {
        if (m_marks.empty())
            return refuse("it goes back to a mark where there is none");
        const auto from = m_stack.begin() + static_cast<std::ptrdiff_t>(m_marks.back());
        into.assign(from, m_stack.end());
        m_stack.erase(from, m_stack.end());
        m_marks.pop_back();
        return true;
    }
    bool counts(std::size_t more)
    {
        m_items += more;
        return m_items <= kMostItems || refuse("its containers repeat each other without end");
    }

    // ── Groups of opcodes ──

    Known atom(unsigned char op)
    {
        std::uint64_t raw = 0;
        std::string_view text;
        switch (op) {
        case 0x80: // PROTO
            return number(1, raw) && (raw <= 5 || refuse(fmt::format("it has the unknown pickle protocol {}", raw)));
        case 0x95: // FRAME
            return number(8, raw) && (raw <= m_bytes.size() - m_at || refuse("it was cut: a frame goes on beyond its end"));
        case 'N':
            return push(PickleKind::None);
        case 0x88:
            return push(PickleKind::Bool, 1);
        case 0x89:
            return push(PickleKind::Bool, 0);
        case 'K':
            return number(1, raw) && push(PickleKind::Integer, static_cast<std::int64_t>(raw));
        case 'M':
            return number(2, raw) && push(PickleKind::Integer, static_cast<std::int64_t>(raw));
        case 'J':
            return number(4, raw) && push(PickleKind::Integer, static_cast<std::int32_t>(raw));
        case 0x8a: // LONG1
            return counted(1, text) && whole(text);
        case 0x8b: // LONG4: a negative count is one beyond the end
            return counted(4, text) && whole(text);
        case 'G': {
            PickleValue value;
            value.kind = PickleKind::Float;
            if (!bytes(8, text))
                return false;
            for (const char c : text) // big endian
                raw = raw << 8 | static_cast<unsigned char>(c);
            value.number = std::bit_cast<double>(raw);
            return push(std::move(value));
        }
        default:
            return {};
        }
    }
    bool whole(std::string_view text)
    {
        if (text.size() > 8)
            return pushText(PickleKind::BigInteger, text);
        std::uint64_t value = !text.empty() && (static_cast<unsigned char>(text.back()) & 0x80u) ? ~0ull : 0;
        for (std::size_t i = text.size(); i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(text[i]);
        return push(PickleKind::Integer, static_cast<std::int64_t>(value));
    }

    Known text(unsigned char op)
    {
        std::string_view raw;
        switch (op) {
        case 'X':
            return counted(4, raw) && pushText(PickleKind::Text, raw);
        case 0x8c:
            return counted(1, raw) && pushText(PickleKind::Text, raw);
        case 0x8d:
            return counted(8, raw) && pushText(PickleKind::Text, raw);
        case 'U': // Python 2's str, whose encoding nobody knows
        case 'C':
            return counted(1, raw) && pushText(PickleKind::Bytes, raw);
        case 'T':
        case 'B':
            return counted(4, raw) && pushText(PickleKind::Bytes, raw);
        case 0x8e:
        case 0x96: // bytearray
            return counted(8, raw) && pushText(PickleKind::Bytes, raw);
        default:
            return {};
        }
    }

    Known container(unsigned char op)
    {
        switch (op) {
        case ']':
            return push(PickleKind::List);
        case '}':
            return push(PickleKind::Dict);
        case ')':
            return push(PickleKind::Tuple);
        case 0x8f:
            return push(PickleKind::Set);
        case 't':
            return gather(PickleKind::Tuple);
        case 'l':
            return gather(PickleKind::List);
        case 0x91: // FROZENSET
            return gather(PickleKind::Set);
        case 0x85:
        case 0x86:
        case 0x87: { // TUPLE1, 2, 3
            PickleValue value;
            value.kind = PickleKind::Tuple;
            value.items.resize(op - 0x84u);
            for (std::size_t i = value.items.size(); i-- > 0;)
                if (!pop(value.items[i]))
                    return false;
            return counts(value.items.size()) && push(std::move(value));
        }
        case 'a': {
            std::vector<PickleRef> one(1);
            return pop(one[0]) && add(one, PickleKind::List);
        }
        case 'e': {
            std::vector<PickleRef> items;
            return popToMark(items) && add(items, PickleKind::List);
        }
        case 0x90: { // ADDITEMS
            std::vector<PickleRef> items;
            return popToMark(items) && add(items, PickleKind::Set);
        }
        case 's': {
            std::vector<PickleRef> pair(2);
            return pop(pair[1]) && pop(pair[0]) && addPairs(pair);
        }
        case 'u': {
            std::vector<PickleRef> items;
            return popToMark(items) && addPairs(items);
        }
        default:
            return {};
        }
    }
    bool gather(PickleKind kind)
    {
        PickleValue value;
        value.kind = kind;
        return popToMark(value.items) && counts(value.items.size()) && push(std::move(value));
    }
    bool add(const std::vector<PickleRef>& items, PickleKind to)
    {
        PickleRef ref = 0;
        if (!top(ref) || !counts(items.size()))
            return false;
        if (at(ref).kind != to)
            return refuse("it adds values to something that is no list or set");
        at(ref).items.insert(at(ref).items.end(), items.begin(), items.end());
        return true;
    }
    bool addPairs(const std::vector<PickleRef>& items)
    {
        PickleRef ref = 0;
        if (!top(ref) || !counts(items.size()))
            return false;
        if (at(ref).kind != PickleKind::Dict)
            return refuse("it gives entries to something that is no dictionary");
        if (items.size() % 2)
            return refuse("it gives a dictionary a key without a value");
        for (std::size_t i = 0; i < items.size(); i += 2)
            if (!canBeKey(at(items[i]).kind))
                return refuse("a list, set or dictionary stands as a key in it");
        at(ref).items.insert(at(ref).items.end(), items.begin(), items.end());
        return true;
    }

    Known memory(unsigned char op)
    {
        std::uint64_t slot = 0;
        PickleRef ref = 0;
        switch (op) {
        case '(':
            if (m_marks.size() >= kMostItems)
                return refuse("it sets marks without end");
            m_marks.push_back(m_stack.size());
            return true;
        case '0':
            if (loose() == 0 && !m_marks.empty()) { // Python lets POP take a mark too
                m_marks.pop_back();
                return true;
            }
            return pop(ref);
        case '1': {
            std::vector<PickleRef> dropped;
            return popToMark(dropped);
        }
        case '2':
            return top(ref) && pushAgain(ref);
        case 'q':
            return number(1, slot) && remember(slot);
        case 'r':
            return number(4, slot) && remember(slot);
        case 0x94: // MEMOIZE
            return remember(m_memo.size());
        case 'h':
            return number(1, slot) && recall(slot);
        case 'j':
            return number(4, slot) && recall(slot);
        default:
            return {};
        }
    }
    bool remember(std::uint64_t slot)
    {
        PickleRef ref = 0;
        if (!top(ref))
            return false;
        if (m_memo.size() >= kMostValues)
            return refuse(fmt::format("it remembers more than {} values", kMostValues));
        m_memo[slot] = ref;
        return true;
    }
    bool recall(std::uint64_t slot)
    {
        const auto found = m_memo.find(slot);
        return found == m_memo.end() ? refuse(fmt::format("it recalls value {}, which it never kept", slot)) : pushAgain(found->second);
    }

    Known object(unsigned char op)
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
            return pop(third) && pop(second) && pop(first) &&
                   (at(third).items.empty() || refuse("it makes an object with named arguments")) && call(first, second);
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
    bool global(std::string_view module, std::string_view name)
    {
        const auto known = knownGlobal(module, name);
        if (known.empty())
            return refuse(
                fmt::format("it asks Python for {}, which weights do not need, and nothing was run; save a state_dict() of tensors "
                            "and plain values",
                            inQuotes(fmt::format("{}.{}", module.substr(0, 80), name.substr(0, 80)))));
        return pushText(PickleKind::Global, known);
    }
    bool call(PickleRef callee, PickleRef arguments);
    bool encode(const PickleValue& text);
    bool build(PickleRef object, PickleRef state);

    std::string_view m_bytes;
    std::size_t m_at = 0, m_items = 0, m_madeBytes = 0;
    Pickle m_pickle;
    std::vector<PickleRef> m_stack;
    std::vector<std::size_t> m_marks; // heights of the stack
    std::unordered_map<std::uint64_t, PickleRef> m_memo;
};

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
