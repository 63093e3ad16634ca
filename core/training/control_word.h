// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/parallel/process_group.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace espalier::training {

/// What the ranks may be asked to do together. Bits of one word.
enum class Order : std::int64_t { Checkpoint = 1, Sample = 2, Evaluate = 4, Pause = 8, Stop = 16, EndOfTime = 32 };

/// Lets all ranks act at the same step without waiting for each other: what a rank says before a step is agreed on the CPU group while
/// the step runs and obeyed before the next one. With one rank it is obeyed at once.
class ControlWord {
public:
    explicit ControlWord(std::shared_ptr<parallel::ProcessGroup> group);
    /// Says `mine` (a union of orders) and returns what all ranks agreed on at the last call.
    std::int64_t exchange(std::int64_t mine);

private:
    std::shared_ptr<parallel::ProcessGroup> m_group;
    at::Tensor m_word; // int64 [6]: one element per order, so that a maximum is a union
    parallel::ProcessGroup::Waiter m_wait;
};

} // namespace espalier::training
