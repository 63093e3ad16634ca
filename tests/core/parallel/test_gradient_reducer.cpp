// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/gradient_reducer.h"
#include "tests/support/ranks.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace espalier::parallel {
namespace {

using tests::onRanks;

struct Net {
    at::Tensor w1 = fill({32, 8}, 1), w2 = fill({16, 32}, 2), w3 = fill({1, 16}, 3), unused = fill({3}, 4);
    static at::Tensor fill(at::IntArrayRef sizes, int salt)
    {
        return (torch::arange(at::prod(at::tensor(sizes)).item<std::int64_t>(), at::kFloat).mul(0.37).add(salt).sin() * 0.3)
            .reshape(sizes)
            .set_requires_grad(true);
    }
    at::Tensor loss(const at::Tensor& x) const { return x.matmul(w1.t()).tanh().matmul(w2.t()).tanh().matmul(w3.t()).square().mean(); }
    std::vector<at::Tensor> parameters() const { return {w1, w2, w3, unused}; }
};

at::Tensor inputs(std::int64_t from, std::int64_t count)
{
    return torch::arange(from * 8, (from + count) * 8, at::kFloat).mul(0.11).cos().reshape({count, 8});
}

std::string reducesLikeOneRank(std::shared_ptr<ProcessGroup> group, int accumulation)
{
    const std::int64_t micro = 2, world = group->world();
    Net whole, mine;
    whole.loss(inputs(0, micro * world * accumulation)).backward();
    GradientReducer reducer(group, mine.parameters(), 1024); // small buckets: several of them
    for (int step = 0; step < 2; ++step) {                   // twice: the second step must start clean
        for (auto& p : mine.parameters())
            p.mutable_grad() = at::Tensor();
        for (int a = 0; a < accumulation; ++a) {
            if (a + 1 == accumulation)
                reducer.arm();
            (mine.loss(inputs((a * world + group->rank()) * micro, micro)) / accumulation).backward();
        }
        auto carried = at::full({2}, 1.0f + static_cast<float>(group->rank()));
        reducer.finish(carried);
        if (carried[0].item<float>() != static_cast<float>(world * (world + 1) / 2))
            return "the carried numbers were not summed";
        if (mine.unused.grad().defined())
            return "a parameter that no rank used got a gradient";
        for (const auto& [a, b] : {std::pair{whole.w1, mine.w1}, {whole.w2, mine.w2}, {whole.w3, mine.w3}})
            if (!at::allclose(a.grad(), b.grad(), 1e-5, 1e-7)) // float sums in another order
                return "gradients differ from those of one rank";
    }
    return "";
}

} // namespace

TEST(GradientReducer, TwoRanksAgreeWithOne)
{
    onRanks(2, [](auto group) { return reducesLikeOneRank(group, 1); });
}

TEST(GradientReducer, ThreeRanksAgreeWithOneUnderAccumulation)
{
    onRanks(3, [](auto group) { return reducesLikeOneRank(group, 2); });
}

TEST(GradientReducer, ARebuiltReducerGivesTheSameBits)
{
    onRanks(3, [](auto group) -> std::string {
        Net net;
        auto once = [&](GradientReducer& reducer) {
            for (auto& p : net.parameters())
                p.mutable_grad() = at::Tensor();
            reducer.arm();
            net.loss(inputs(group->rank() * 5, 5)).backward();
            reducer.finish(at::zeros({1}));
            return net.w1.grad().clone();
        };
        at::Tensor first, again;
        {
            GradientReducer reducer(group, net.parameters());
            once(reducer);
            first = once(reducer);
        }
        GradientReducer reducer(group, net.parameters());
        again = once(reducer);
        return at::equal(first, again) ? "" : "other bits";
    });
}

TEST(GradientReducer, AGradientOnOneRankOnlyCountsAsZeroElsewhere)
{
    onRanks(2, [](auto group) -> std::string {
        auto w = torch::ones({4}).set_requires_grad(true), other = torch::ones({4}).set_requires_grad(true);
        GradientReducer reducer(group, {w, other});
        reducer.arm();
        (group->rank() == 0 ? (w * 2 + other).sum() : w.sum()).backward();
        reducer.finish(at::zeros({1}));
        if (!at::allclose(w.grad(), at::full({4}, 1.5f)))
            return "wrong mean";
        return other.grad().defined() && at::allclose(other.grad(), at::full({4}, 0.5f)) ? "" : "the missing gradient was not zero";
    });
}

TEST(ProcessGroup, GathersInRankOrderAndFindsTheMaximum)
{
    onRanks(3, [](auto group) -> std::string {
        const auto all = group->gather(at::full({2}, group->rank(), at::kInt));
        for (int r = 0; r < 3; ++r)
            if (all[r][0].template item<int>() != r)
                return "wrong order";
        auto word = at::full({1}, group->rank() * 7, at::kLong);
        group->startMaximum(word)();
        return word.template item<std::int64_t>() == 14 ? "" : "wrong maximum";
    });
}

} // namespace espalier::parallel
