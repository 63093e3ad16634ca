// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/formats/pickle.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace espalier::formats {

inline constexpr std::size_t kMostValues = 2'000'000;
inline constexpr std::size_t kMostItems = 4'000'000; // of all containers together

inline bool canBeKey(PickleKind kind)
{
    return kind != PickleKind::List && kind != PickleKind::Dict && kind != PickleKind::Set && kind != PickleKind::Persistent;
}

/// Python's stack machine without the calls, for Pickle::parse alone. Every method is false when the pickle is refused, and `why` says why.
class PickleMachine {
public:
    explicit PickleMachine(std::string_view bytes) : m_bytes(bytes) {}

    std::string why;

    bool run();
    Pickle take() { return std::move(m_pickle); }

private:
    using Known = std::optional<bool>; // nothing: the opcode belongs to another group

    bool refuse(std::string reason);
    bool stop();
    Known step(unsigned char op);

    // ── Bytes ──

    bool bytes(std::uint64_t count, std::string_view& into);
    /// A little-endian number of `width` bytes.
    bool number(std::size_t width, std::uint64_t& into);
    bool counted(std::size_t width, std::string_view& into);
    bool line(std::string_view& into);

    // ── Values and stack ──

    PickleValue& at(PickleRef ref) { return m_pickle.m_values[ref]; }
    bool push(PickleValue value);
    bool pushAgain(PickleRef ref);
    bool push(PickleKind kind, std::int64_t integer = 0);
    bool pushText(PickleKind kind, std::string_view text);
    /// Values above the last mark, never below it.
    std::size_t loose() const { return m_stack.size() - (m_marks.empty() ? 0 : m_marks.back()); }
    bool pop(PickleRef& into);
    bool top(PickleRef& into);
    bool popToMark(std::vector<PickleRef>& into);
    bool counts(std::size_t more);

    // ── Groups of opcodes ──

    Known atom(unsigned char op);
    bool whole(std::string_view text);

    Known text(unsigned char op);

    Known container(unsigned char op);
    bool gather(PickleKind kind);
    bool add(const std::vector<PickleRef>& items, PickleKind to);
    bool addPairs(const std::vector<PickleRef>& items);

    Known memory(unsigned char op);
    bool remember(std::uint64_t slot);
    bool recall(std::uint64_t slot);

    // In pickle.cpp: what Python would look up, call and fill.
    Known object(unsigned char op);
    bool global(std::string_view module, std::string_view name);
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

} // namespace espalier::formats
