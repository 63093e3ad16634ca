// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/runs/worker_link.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace espalier::parallel {

/// The ranks of one run. All ranks make the same calls in the same order. With one rank every call returns at once and no
/// back end is started. Tensors on a GPU go by NCCL, tensors on the CPU by Gloo. Use from one thread (autograd's hooks included).
class ProcessGroup {
public:
    using Waiter = std::function<void()>; // blocks (CPU) or makes the current stream wait (GPU)

    /// Fails within half a minute (ESPALIER_JOIN_SECONDS), naming the address, when the others cannot be reached.
    static Result<std::shared_ptr<ProcessGroup>> join(const runs::Ranks& ranks, at::Device device);
    /// One rank, no peers.
    static std::shared_ptr<ProcessGroup> alone();
    virtual ~ProcessGroup() = default;

    virtual int rank() const = 0;
    virtual int world() const = 0;
    /// Starts summing `tensor` over the ranks, in place.
    virtual Waiter startSum(at::Tensor tensor) = 0;
    virtual void broadcast(at::Tensor tensor, int root) = 0;
    /// Largest value over the ranks, element by element, on the CPU.
    virtual Waiter startMaximum(at::Tensor tensor) = 0;
    /// The same CPU tensor of every rank, in rank order; sizes must agree.
    virtual std::vector<at::Tensor> gather(at::Tensor tensor) = 0;
    virtual void barrier() = 0;
    /// A CPU tensor to one rank, and one of the same size from it: what was sent first arrives first.
    virtual Waiter startSend(at::Tensor tensor, int to) = 0;
    virtual void receive(at::Tensor tensor, int from) = 0;
    /// Ends the back ends in order. Call on every rank before exit.
    virtual void leave() = 0;
};

} // namespace espalier::parallel
