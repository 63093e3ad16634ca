// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace espalier::tensors {

/// Which part of a network runs: a sub-net of a supernet, and the row of the stage embedding. Empty is the whole network.
struct Path {
    std::vector<bool> keepBlock; // of the transformer's blocks, or of the U-Net's levels' inner ones; empty: every block
    std::int64_t sid = -1;       // row of the table of stages; -1: the last one
    // ViT: a part of the way. What goes into the head, which counts as the block after the last, is what is pooled: [B, width].
    std::int64_t from = -1;  // the first block that runs, on what the batch has in place of images; -1: from the images on
    std::int64_t until = -1; // ends before that block and gives what goes into it; -1: to the end
};

} // namespace espalier::tensors
