// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/config/run_config.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace espalier::worker {

/// What is trained, and by how many workers.
struct Trained {
    config::RunConfig config;
    int world = 1;
};

/// What an allocator's message says: "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which
/// 1.02 GiB is free. …", or "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes. …". Empty where it does not say.
struct MemoryWish {
    std::string asked, free;
    bool onGpu = false;
};
MemoryWish memoryWishOf(std::string_view message);

/// The setting that takes less memory and trains the same: a smaller micro-batch with more accumulation, else recomputation. Empty: none.
std::string changeThatFits(const Trained& trained);

/// What was asked for, what is free and what to change. `freeOnHost` is told where the message itself does not say; 0: not known.
Error outOfMemory(std::string_view message, const std::optional<Trained>& trained, std::uint64_t freeOnHost);

} // namespace espalier::worker
