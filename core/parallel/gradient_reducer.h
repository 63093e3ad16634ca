// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/parallel/process_group.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace torch::autograd {
struct Node;
}

namespace espalier::parallel {

/// Averages gradients over the ranks while backward still runs.
///
/// Parameters are packed into fixed buckets in reverse order, so a resumed run adds in the same order as the first one did. A hook
/// behind each parameter copies its finished gradient into the bucket; full buckets start their all-reduce in bucket order. Behind the
/// last parameter the last bucket carries one flag per parameter and a few numbers of the step (the loss), which are summed on the way.
///
/// A parameter without gradient on some ranks counts as zero there; without gradient on all ranks it keeps none.
class GradientReducer {
public:
    static constexpr std::int64_t kBucketBytes = 25 << 20;

    GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters, std::int64_t bucketBytes = kBucketBytes);
    ~GradientReducer();
    GradientReducer(const GradientReducer&) = delete;
    GradientReducer& operator=(const GradientReducer&) = delete;

    /// The coming backward pass is the last of this step: its gradients are reduced as they arrive. Without this call a backward
    /// pass only accumulates.
    void arm();
    /// After backward: sums `carried` (float32, [n ≤ kCarried]) over the ranks in place, waits, and leaves the mean gradient in each
    /// parameter.
    void finish(at::Tensor carried);

    static constexpr std::int64_t kCarried = 8;

private:
    struct Bucket {
        at::Tensor flat;
        std::vector<std::size_t> parameters;
        std::vector<at::Tensor> views; // one per parameter, with the parameter's strides
        std::size_t pending = 0;
        ProcessGroup::Waiter wait;
    };
    void arrived(std::size_t parameter);
    void launchReady();

    std::shared_ptr<ProcessGroup> m_group;
    std::vector<at::Tensor> m_parameters;
    std::vector<std::shared_ptr<torch::autograd::Node>> m_accumulators; // hooks live as long as these
    std::vector<std::uintptr_t> m_hookKeys;
    std::vector<Bucket> m_buckets;
    std::vector<std::size_t> m_bucketOf, m_placeOf;
    std::vector<bool> m_arrived;
    at::Tensor m_tail; // view of the last bucket: flags of the parameters, then the carried numbers
    std::size_t m_nextLaunch = 0;
    bool m_armed = false;
    struct HookState;
    std::shared_ptr<HookState> m_hookState;
};

} // namespace espalier::parallel
