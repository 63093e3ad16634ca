// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::parallel {

/// Where a worker stands among its peers: the variables that torchrun, Slurm scripts and our supervisor set.
struct RankEnvironment {
    int rank = 0, world = 1, localRank = 0;
    std::string masterAddress = "127.0.0.1";
    std::uint16_t masterPort = 29500;
    bool agentHoldsStore = false; // TORCHELASTIC_USE_AGENT_STORE: the launcher serves the store, all ranks are clients
};

/// Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; none set means one rank.
Result<RankEnvironment> rankFromEnvironment();

/// The ranks of one run. All ranks make the same calls in the same order. With one rank every call returns at once and no
/// back end is started. Tensors on a GPU go by NCCL, tensors on the CPU by Gloo. Use from one thread (autograd's hooks included).
class ProcessGroup {
public:
    using Waiter = std::function<void()>; // blocks (CPU) or makes the current stream wait (GPU)

    static Result<std::shared_ptr<ProcessGroup>> join(const RankEnvironment& environment, at::Device device);
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
    /// Ends the back ends in order. Call on every rank before exit.
    virtual void leave() = 0;
};

} // namespace espalier::parallel
