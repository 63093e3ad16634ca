// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/philox.h"

#include <cstdint>

namespace espalier::data {

/// A pseudo-random order of 0 … size-1 without a table: a Feistel network over Philox, walked until it falls inside. `list` tells apart
/// the orders of one seed (the epoch, for training).
class Permutation {
public:
    Permutation(std::uint64_t seed, Stream stream, std::uint64_t list, std::int64_t size);
    /// What stands at `position`, 0 <= position < size. Each value stands at exactly one position.
    std::int64_t operator()(std::int64_t position) const;

private:
    std::uint64_t m_seed, m_list;
    std::int64_t m_size;
    Stream m_stream;
    int m_leftBits, m_rightBits;
};

/// The image that stands at `position` of the list of an epoch.
std::int64_t imageAt(std::uint64_t seed, std::int64_t epoch, std::int64_t position, std::int64_t size);

/// Whether the image at that position is mirrored: one half of them, drawn anew in every epoch.
bool flips(std::uint64_t seed, std::int64_t epoch, std::int64_t position);

/// Which image of the order stands at `slot` of the global batch that begins at `position`, when each image comes `repeats` times in a row.
/// The batch is dealt out to its groups card by card, as the published sampler deals to its ranks: copies fall into different groups.
std::int64_t repeatedPlace(std::int64_t position, std::int64_t slot, std::int64_t repeats, std::int64_t globalBatch, std::int64_t group);

/// Where the data stand: the global batch that begins at `position` of the list of `epoch`.
struct Cursor {
    std::int64_t epoch = 0;
    std::int64_t position = 0;

    /// Here if a whole global batch is left in this epoch, else the start of the next: an incomplete last batch is dropped.
    Cursor fitted(std::int64_t globalBatch, std::int64_t size) const;
    /// Moves on by one global batch.
    void advance(std::int64_t globalBatch, std::int64_t size);
    bool operator==(const Cursor&) const = default;
};

inline std::int64_t stepsPerEpoch(std::int64_t globalBatch, std::int64_t size)
{
    return size / globalBatch;
}

} // namespace espalier::data
