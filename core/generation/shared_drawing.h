// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/generation/generator.h"
#include "core/parallel/crew.h"

namespace espalier::generation {

/// What the other ranks are asked for.
inline constexpr const char* kDrawAsk = "draw";

/// How many images one rank draws at a time. On the CPU always as many, whatever the number of ranks: images drawn in the same company are
/// the same bit for bit. On a GPU, where that is not promised, what keeps all ranks busy.
std::int64_t drawingPiece(at::Device device, std::int64_t count, int ranks);

/// Draws the images of slots [n], which follow each other.
parallel::Crew::Work drawingWork(Generator& generator, const Progress& progress, std::stop_token stop);

/// Rank 0: draws images `first` … `count` - 1 of a set of `count` with all ranks. `take` gets them in their order.
Result<Done> drawTogether(Generator& generator, const Json& ask, std::int64_t first, std::int64_t count, parallel::Crew& crew,
                          const Progress& progress, std::stop_token stop, const parallel::Crew::Take& take);

} // namespace espalier::generation
