// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace espalier::tensors {

/// Which part of a network runs: a sub-net of a supernet, and the row of the stage embedding. Empty is the whole network.
struct Path {
    std::vector<bool> keepBlock; // empty: every block
    std::int64_t sid = -1;       // -1: the newest row
};

} // namespace espalier::tensors
