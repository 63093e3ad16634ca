// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::formats {

/// A value of a pickle: its place in the Pickle that holds it. Values may be shared, and a list may even hold itself.
using PickleRef = std::uint32_t;
inline constexpr PickleRef kNoPickleValue = 0xFFFFFFFF;

enum class PickleKind { None, Bool, Integer, BigInteger, Float, Text, Bytes, List, Tuple, Set, Dict, Global, Call, Persistent };

struct PickleValue {
    PickleKind kind = PickleKind::None;
    std::int64_t integer = 0;          // Bool, Integer
    double number = 0;                 // Float
    std::string_view text;             // Text, Bytes; Global: "module.name"; BigInteger: two's complement, little endian
    std::vector<PickleRef> items;      // List, Tuple, Set; Dict: key, value, key, value …; Call: arguments; Persistent: its one id
    PickleRef callee = kNoPickleValue; // Call: the Global that Python would have called; Dict: the class it is made of, if any
    PickleRef state = kNoPickleValue;  // what Python would have set on the object (BUILD)
};

/// A Python pickle taken apart into inert values. Nothing is ever called or imported: a class or function may only stand there when it
/// is on a short list (pickle_globals.h), and is a name then. Values are limited in number, so memory is bounded by the pickle's size;
/// time grows with it. Whoever walks the values has to bound depth and steps: see PickleValue.
class Pickle {
public:
    /// Reads one pickle at the start of `bytes`, which have to outlive the values. `file` is named in errors, `kind` is what it should be.
    static Result<Pickle> parse(std::span<const std::byte> bytes, std::string_view file, std::string_view kind);

    const PickleValue& root() const { return m_values[m_root]; }
    PickleRef rootRef() const { return m_root; }
    const PickleValue& operator[](PickleRef ref) const { return m_values[ref]; }
    /// Bytes that the pickle takes.
    std::size_t size() const { return m_size; }
    /// The value that a dictionary has for this text, as Python would find it; nullptr without one.
    const PickleValue* find(const PickleValue& dict, std::string_view key) const;

private:
    friend class PickleMachine;
    Pickle() = default;
    std::deque<PickleValue> m_values;
    std::deque<std::string> m_made; // bytes that stand in the pickle in another form
    PickleRef m_root = 0;
    std::size_t m_size = 0;
};

} // namespace espalier::formats
