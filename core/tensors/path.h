// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace espalier::tensors {

/// Which part of a network runs: a sub-net of a supernet, and the row of the stage embedding. Empty is the whole network.
struct Path {
    std::vector<bool> keepBlock; // of the transformer's blocks, or of the U-Net's levels' inner ones; empty: every block
    std::int64_t sid = -1;       // row of the table of stages; -1: the last one
};

} // namespace espalier::tensors
