// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/machine/system_files.h"

#include <cstdint>

namespace espalier::machine {

/// Memory that processes started here may use: the machine's, or less where a control group limits it. 0: not known.
struct HostMemory {
    std::uint64_t totalBytes = 0;
    std::uint64_t availableBytes = 0; // free, or freed by the kernel when asked
    bool limited = false;             // by a control group
};
HostMemory hostMemory(const SystemFiles& files = {});

/// How many processes the kernel has killed for want of memory, in this control group and on the machine: a rise while a worker died
/// without a word says why.
std::uint64_t outOfMemoryKills(const SystemFiles& files = {});

} // namespace espalier::machine
