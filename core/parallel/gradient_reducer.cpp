// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/gradient_reducer.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <stdexcept>

namespace espalier::parallel {

// Hooks outlive a reducer when somebody else keeps the graph; they then find nobody here.
struct GradientReducer::HookState {
    GradientReducer* owner = nullptr;
};

namespace {

template <class F>
struct PostHook final : torch::autograd::FunctionPostHook {
    explicit PostHook(F f) : m_f(std::move(f)) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs, const torch::autograd::variable_list&) override
    {
        m_f();
        return outputs;
    }
    F m_f;
};

} // namespace

GradientReducer::GradientReducer(std::shared_ptr<ProcessGroup> group, std::vector<at::Tensor> parameters, std::int64_t bucketBytes)
    : m_group(std::move(group)), m_parameters(std::move(parameters)), m_hookState(std::make_shared<HookState>())
{
    m_hookState->owner = this;
    if (m_group->world() == 1 || m_parameters.empty())
        return;
    const auto count = m_parameters.size();
    m_bucketOf.resize(count);
    m_placeOf.resize(count);
    m_arrived.resize(count, false);

    std::vector<std::int64_t> sizes;
    for (std::size_t i = count; i-- > 0;) { // backward reaches the last parameters first
        const auto bytes = static_cast<std::int64_t>(m_parameters[i].nbytes());
        if (m_buckets.empty() || (sizes.back() > 0 && (sizes.back() * 4 + bytes) > bucketBytes)) {
            m_buckets.emplace_back();
            sizes.push_back(0);
        }
        m_bucketOf[i] = m_buckets.size() - 1;
        m_placeOf[i] = m_buckets.back().parameters.size();
        m_buckets.back().parameters.push_back(i);
        sizes.back() += m_parameters[i].numel();
    }
    const auto tail = static_cast<std::int64_t>(count) + kCarried;
    for (std::size_t b = 0; b < m_buckets.size(); ++b) {
        auto& bucket = m_buckets[b];
        const bool last = b + 1 == m_buckets.size();
        bucket.flat = at::zeros({sizes[b] + (last ? tail : 0)}, m_parameters[0].options().dtype(at::kFloat).requires_grad(false));
        std::int64_t offset = 0;
        for (const auto i : bucket.parameters) {
            const auto& p = m_parameters[i];
            if (!p.is_non_overlapping_and_dense() || p.scalar_type() != at::kFloat)
                throw std::logic_error("parameters must be dense float32 tensors");
            bucket.views.push_back(bucket.flat.as_strided(p.sizes(), p.strides(), offset));
            offset += p.numel();
        }
        bucket.pending = bucket.parameters.size();
        if (last)
            m_tail = bucket.flat.narrow(0, offset, tail);
    }
    for (std::size_t i = 0; i < count; ++i) {
        auto accumulator = torch::autograd::impl::grad_accumulator(m_parameters[i]);
        auto hook = [state = m_hookState, i] {
            if (state->owner)
                state->owner->arrived(i);
        };
        m_hookKeys.push_back(accumulator->add_post_hook(std::make_unique<PostHook<decltype(hook)>>(std::move(hook))));
        m_accumulators.push_back(std::move(accumulator));
    }
}

GradientReducer::~GradientReducer()
{
    m_hookState->owner = nullptr;
    for (std::size_t i = 0; i < m_accumulators.size(); ++i)
        m_accumulators[i]->del_post_hook(m_hookKeys[i]);
}

void GradientReducer::arm()
{
    if (m_buckets.empty())
        return;
    for (auto& bucket : m_buckets) {
        bucket.pending = bucket.parameters.size();
        bucket.wait = nullptr;
    }
    m_arrived.assign(m_arrived.size(), false);
    m_nextLaunch = 0;
    m_armed = true;
}

void GradientReducer::arrived(std::size_t parameter)
{
    if (!m_armed || m_arrived[parameter])
        return;
    m_arrived[parameter] = true;
    auto& bucket = m_buckets[m_bucketOf[parameter]];
    {
        const at::NoGradGuard noGrad;
        bucket.views[m_placeOf[parameter]].copy_(m_parameters[parameter].grad());
    }
    if (--bucket.pending == 0)
        launchReady();
}

// Always in bucket order: ranks that finish layers in another order would otherwise pair different buckets. The last bucket waits
// for finish(), which fills its tail.
void GradientReducer::launchReady()
{
    while (m_nextLaunch + 1 < m_buckets.size() && m_buckets[m_nextLaunch].pending == 0) {
        auto& bucket = m_buckets[m_nextLaunch++];
        bucket.wait = m_group->startSum(bucket.flat);
    }
}

void GradientReducer::finish(at::Tensor carried)
{
    if (m_buckets.empty())
        return;
    const at::NoGradGuard noGrad;
    m_armed = false;
    const auto count = static_cast<std::int64_t>(m_parameters.size());
    auto flags = at::zeros({count}, at::kFloat);
    bool missing = false;
    for (std::size_t i = 0; i < m_parameters.size(); ++i) {
        if (m_arrived[i]) {
            flags[static_cast<std::int64_t>(i)] = 1.0f;
        } else if (m_parameters[i].grad().defined()) { // an earlier micro-batch reached it
            m_buckets[m_bucketOf[i]].views[m_placeOf[i]].copy_(m_parameters[i].grad());
            flags[static_cast<std::int64_t>(i)] = 1.0f;
        } else {
            m_buckets[m_bucketOf[i]].views[m_placeOf[i]].zero_();
            missing = true;
        }
    }
    m_tail.narrow(0, 0, count).copy_(flags, /*non_blocking=*/true);
    m_tail.narrow(0, count, carried.numel()).copy_(carried);
    for (; m_nextLaunch < m_buckets.size(); ++m_nextLaunch)
        m_buckets[m_nextLaunch].wait = m_group->startSum(m_buckets[m_nextLaunch].flat);
    for (auto& bucket : m_buckets)
        bucket.wait();
    carried.copy_(m_tail.narrow(0, count, carried.numel()));
    // Only a rank that misses a gradient has to know whether another has it.
    const auto used = missing ? m_tail.narrow(0, 0, count).cpu() : at::Tensor();
    for (auto& bucket : m_buckets)
        bucket.flat.mul_(1.0 / m_group->world());
    for (std::size_t i = 0; i < m_parameters.size(); ++i)
        if (!missing || used[static_cast<std::int64_t>(i)].item<float>() > 0.0f)
            m_parameters[i].mutable_grad() = m_buckets[m_bucketOf[i]].views[m_placeOf[i]];
}

} // namespace espalier::parallel
