// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/normal.h"
#include "core/base/philox.h"

#include <cstdint>

namespace espalier::data {

/// Random choices, one after the other. Two of them must never stand in one expression whose order of evaluation is open.
class Dice {
public:
    virtual ~Dice() = default;
    /// In [low, high).
    virtual double uniform(double low, double high) = 0;
    /// Both ends included.
    virtual std::int64_t integer(std::int64_t low, std::int64_t high) = 0;
    virtual double normal(double mean, double deviation) = 0;
    /// True with that probability; drawn even when the answer is sure. As in Python's random, equality counts.
    bool chance(double probability) { return uniform(0.0, 1.0) <= probability && probability > 0.0; }
};

/// The choices for one place of an epoch's list: a function of the four numbers alone.
class PhiloxDice final : public Dice {
public:
    PhiloxDice(std::uint64_t seed, Stream stream, std::int64_t epoch, std::int64_t position)
        : m_seed(seed), m_epoch(static_cast<std::uint64_t>(epoch)), m_position(static_cast<std::uint64_t>(position)), m_stream(stream)
    {
    }
    double uniform(double low, double high) override
    {
        const auto b = block();
        return low + (high - low) * uniformOf(b.word[0], b.word[1]);
    }
    std::int64_t integer(std::int64_t low, std::int64_t high) override
    {
        const auto b = block();
        return low + static_cast<std::int64_t>(integerBelow(b.word[0], b.word[1], static_cast<std::uint64_t>(high - low + 1)));
    }
    double normal(double mean, double deviation) override { return mean + deviation * static_cast<double>(normalPair(block()).first); }

private:
    PhiloxBlock block() { return drawBlock(m_seed, m_stream, m_epoch, m_position, m_count++); }

    std::uint64_t m_seed, m_epoch, m_position;
    Stream m_stream;
    std::uint32_t m_count = 0;
};

} // namespace espalier::data
