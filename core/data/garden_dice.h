// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/philox.h"

#include <cstdint>

namespace espalier::data::garden {

/// The random choices of one picture, one after the other. Two throws must never stand in one expression whose order of evaluation is
/// open (arguments of a call, sides of an operator): compilers differ there, braces are ordered.
class Dice {
public:
    Dice(std::uint64_t seed, std::uint64_t split, std::uint64_t index) : m_seed(seed), m_split(split), m_index(index) {}

    std::uint32_t word()
    {
        if (m_used == 4) {
            m_block = drawBlock(m_seed, Stream::Garden, m_split, m_index, m_count++);
            m_used = 0;
        }
        return m_block.word[m_used++];
    }
    /// In [0, 1), exact in float.
    float uniform() { return static_cast<float>(word() >> 8) * 0x1p-24f; }
    float range(float from, float to) { return from + (to - from) * uniform(); }
    int below(int n) { return static_cast<int>((static_cast<std::uint64_t>(word()) * static_cast<std::uint64_t>(n)) >> 32); }
    int between(int from, int to) { return from + below(to - from + 1); }
    bool chance(float p) { return uniform() < p; }
    /// -1 or 1.
    float sign() { return (word() >> 31) != 0 ? 1.0f : -1.0f; }
    template <class T, std::size_t n>
    const T& pick(const T (&from)[n])
    {
        return from[below(static_cast<int>(n))];
    }

private:
    std::uint64_t m_seed, m_split, m_index;
    PhiloxBlock m_block{};
    std::uint32_t m_count = 0;
    int m_used = 4;
};

} // namespace espalier::data::garden
