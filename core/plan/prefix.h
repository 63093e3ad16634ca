// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/run_config.h"
#include "core/plan/plan.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::plan {

/// Blocks of a transformer before the first one that trains, when all that lies before the blocks is frozen too; as many as there are when
/// only the head trains. 0 for a U-Net, and where everything trains (`trainable` empty).
std::int64_t frozenBlocks(const shapes::ModelShape& shape, const std::vector<shapes::PartRange>& trainable);

/// What the frozen blocks at the beginning of a network give for each image of the set: where that is the same in every epoch, a stage
/// computes it once and keeps it in the memory of the host, if that is less work.
struct Prefix {
    std::int64_t frozen = 0;          // blocks at the beginning that do not train
    std::int64_t blocks = 0;          // the same where what they give is kept; 0: nothing is
    std::vector<std::int64_t> values; // shape of what is kept of one image: [tokens, width], or [width] when only the head follows
    std::int64_t versions = 0;        // of each image: 2 where it is mirrored at times
    std::uint64_t bytes = 0;          // of all images, float32, for each rank; 0 where their number is not known
    double fillFlops = 0.0;           // to compute it once
    std::string whyNot;               // one sentence where blocks are frozen and nothing is kept

    bool kept() const { return blocks > 0; }
};

/// "the output of the first 2 frozen blocks"
std::string outputText(std::int64_t frozen);

/// Pure: depends on settings and data alone, so that a resumed run does as it did before. `config`: of the stage. `images`: of the whole
/// set; 0 while their number is not known, when memory and work stay unchecked.
Prefix prefixOf(const config::RunConfig& config, const Stage& stage, std::int64_t images);

} // namespace espalier::plan
