// SPDX-License-Identifier: Apache-2.0
// The machine itself: bytes, values, stack and memory. What Python would look up, call and fill is in pickle.cpp.
#include "core/formats/pickle_machine.h"

#include "core/base/text.h"

#include <fmt/format.h>

#include <bit>

namespace espalier::formats {

bool PickleMachine::run()
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

bool PickleMachine::refuse(std::string reason)
{
    why = std::move(reason);
    return false;
}

bool PickleMachine::stop()
{
    if (m_stack.size() != 1 || !m_marks.empty())
        return refuse("it ends with other than one value");
    m_pickle.m_root = m_stack.back();
    m_pickle.m_size = m_at;
    return true;
}

PickleMachine::Known PickleMachine::step(unsigned char op)
{
    for (const auto group :
         {&PickleMachine::atom, &PickleMachine::text, &PickleMachine::container, &PickleMachine::memory, &PickleMachine::object})
        if (const auto known = (this->*group)(op))
            return known;
    return {};
}

bool PickleMachine::bytes(std::uint64_t count, std::string_view& into)
{
    if (count > m_bytes.size() - m_at)
        return refuse("it was cut: a value goes on beyond its end");
    into = m_bytes.substr(m_at, count);
    m_at += count;
    return true;
}

bool PickleMachine::number(std::size_t width, std::uint64_t& into)
{
    std::string_view raw;
    if (!bytes(width, raw))
        return false;
    into = 0;
    for (std::size_t i = width; i-- > 0;)
        into = into << 8 | static_cast<unsigned char>(raw[i]);
    return true;
}

bool PickleMachine::counted(std::size_t width, std::string_view& into)
{
    std::uint64_t count = 0;
    return number(width, count) && bytes(count, into);
}

bool PickleMachine::line(std::string_view& into)
{
    const auto end = m_bytes.find('\n', m_at);
    if (end == std::string_view::npos)
        return refuse("it was cut: a name goes on beyond its end");
    into = m_bytes.substr(m_at, end - m_at);
    m_at = end + 1;
    return true;
}

bool PickleMachine::push(PickleValue value)
{
    if (m_pickle.m_values.size() >= kMostValues || m_stack.size() >= kMostItems)
        return refuse(fmt::format("it holds more than {} values", kMostValues));
    m_pickle.m_values.push_back(std::move(value));
    m_stack.push_back(static_cast<PickleRef>(m_pickle.m_values.size() - 1));
    return true;
}

bool PickleMachine::pushAgain(PickleRef ref)
{
    if (m_stack.size() >= kMostItems)
        return refuse("its stack grows without end");
    m_stack.push_back(ref);
    return true;
}

bool PickleMachine::push(PickleKind kind, std::int64_t integer)
{
    PickleValue value;
    value.kind = kind;
    value.integer = integer;
    return push(std::move(value));
}

bool PickleMachine::pushText(PickleKind kind, std::string_view text)
{
    if (kind == PickleKind::Text && !isUtf8(text))
        return refuse("a text in it is not UTF-8");
    PickleValue value;
    value.kind = kind;
    value.text = text;
    return push(std::move(value));
}

bool PickleMachine::pop(PickleRef& into)
{
    if (loose() == 0)
        return refuse("it takes a value where there is none");
    into = m_stack.back();
    m_stack.pop_back();
    return true;
}

bool PickleMachine::top(PickleRef& into)
{
    if (loose() == 0)
        return refuse("it takes a value where there is none");
    into = m_stack.back();
    return true;
}

bool PickleMachine::popToMark(std::vector<PickleRef>& into)
{
    if (m_marks.empty())
        return refuse("it goes back to a mark where there is none");
    const auto from = m_stack.begin() + static_cast<std::ptrdiff_t>(m_marks.back());
    into.assign(from, m_stack.end());
    m_stack.erase(from, m_stack.end());
    m_marks.pop_back();
    return true;
}

bool PickleMachine::counts(std::size_t more)
{
    m_items += more;
    return m_items <= kMostItems || refuse("its containers repeat each other without end");
}

PickleMachine::Known PickleMachine::atom(unsigned char op)
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

bool PickleMachine::whole(std::string_view text)
{
    if (text.size() > 8)
        return pushText(PickleKind::BigInteger, text);
    std::uint64_t value = !text.empty() && (static_cast<unsigned char>(text.back()) & 0x80u) ? ~0ull : 0;
    for (std::size_t i = text.size(); i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(text[i]);
    return push(PickleKind::Integer, static_cast<std::int64_t>(value));
}

PickleMachine::Known PickleMachine::text(unsigned char op)
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

PickleMachine::Known PickleMachine::container(unsigned char op)
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

bool PickleMachine::gather(PickleKind kind)
{
    PickleValue value;
    value.kind = kind;
    return popToMark(value.items) && counts(value.items.size()) && push(std::move(value));
}

bool PickleMachine::add(const std::vector<PickleRef>& items, PickleKind to)
{
    PickleRef ref = 0;
    if (!top(ref) || !counts(items.size()))
        return false;
    if (at(ref).kind != to)
        return refuse("it adds values to something that is no list or set");
    at(ref).items.insert(at(ref).items.end(), items.begin(), items.end());
    return true;
}

bool PickleMachine::addPairs(const std::vector<PickleRef>& items)
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

PickleMachine::Known PickleMachine::memory(unsigned char op)
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

bool PickleMachine::remember(std::uint64_t slot)
{
    PickleRef ref = 0;
    if (!top(ref))
        return false;
    if (m_memo.size() >= kMostValues)
        return refuse(fmt::format("it remembers more than {} values", kMostValues));
    m_memo[slot] = ref;
    return true;
}

bool PickleMachine::recall(std::uint64_t slot)
{
    const auto found = m_memo.find(slot);
    return found == m_memo.end() ? refuse(fmt::format("it recalls value {}, which it never kept", slot)) : pushAgain(found->second);
}

} // namespace espalier::formats
