// SPDX-License-Identifier: Apache-2.0
#include "core/data/order.h"

#include <bit>
#include <cassert>

namespace espalier::data {

namespace {
constexpr std::uint32_t kRounds = 8; // even: the halves have their first widths again at the end

std::uint64_t lowBits(std::uint64_t value, int bits)
{
    return value & ((std::uint64_t{1} << bits) - 1);
}
} // namespace

Permutation::Permutation(std::uint64_t seed, Stream stream, std::uint64_t list, std::int64_t size)
    : m_seed(seed), m_list(list), m_size(size), m_stream(stream)
{
    assert(size > 0 && "an order of nothing has no positions");
    const int bits = std::bit_width(static_cast<std::uint64_t>(size - 1));
    m_leftBits = bits / 2;
    m_rightBits = bits - m_leftBits;
}

std::int64_t Permutation::operator()(std::int64_t position) const
{
    assert(position >= 0 && position < m_size && "a position outside of the list");
    std::uint64_t value = static_cast<std::uint64_t>(position);
    do { // The network permutes 2^bits < 2 * size values; following it until it is back inside permutes `size` of them.
        std::uint64_t left = value >> m_rightBits, right = lowBits(value, m_rightBits);
        int leftBits = m_leftBits, rightBits = m_rightBits;
        for (std::uint32_t round = 0; round < kRounds; ++round) {
            const std::uint64_t mixed = lowBits(left ^ drawBlock(m_seed, m_stream, m_list, right, round).word[0], leftBits);
            left = right;
            right = mixed;
            std::swap(leftBits, rightBits);
        }
        value = (left << m_rightBits) | right;
    } while (value >= static_cast<std::uint64_t>(m_size));
    return static_cast<std::int64_t>(value);
}

std::int64_t imageAt(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::int64_t size)
{
    return Permutation(seed, Stream::Order, static_cast<std::uint64_t>(epoch), size)(position);
}

bool flips(std::uint64_t seed, std::int64_t epoch, std::int64_t position)
{
    return (drawBlock(seed, Stream::Augment, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(position), 0).word[0] >> 31) !=
           0;
}

std::int64_t repeatedPlace(std::int64_t position, std::int64_t slot, std::int64_t repeats, std::int64_t globalBatch, std::int64_t group)
{
    assert(group > 0 && globalBatch % group == 0 && "groups share out the whole batch");
    if (repeats == 1)
        return position + slot;
    const std::int64_t groups = globalBatch / group;
    return (position + slot % group * groups + slot / group) / repeats;
}

Cursor Cursor::fitted(std::int64_t globalBatch, std::int64_t size) const
{
    return position + globalBatch <= size ? *this : Cursor{epoch + 1, 0};
}

void Cursor::advance(std::int64_t globalBatch, std::int64_t size)
{
    position += globalBatch;
    *this = fitted(globalBatch, size);
}

} // namespace espalier::data
