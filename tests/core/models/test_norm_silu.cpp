// SPDX-License-Identifier: Apache-2.0
#include "core/models/norm_silu.h"
#include "tests/core/tensors/tensor_support.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

namespace espalier::models {
namespace {

using namespace espalier::tests;

/// Output and gradients of x, weight and bias.
std::vector<at::Tensor> results(const at::Tensor& y, const at::Tensor& x, const GroupNorm& norm)
{
    auto gradients =
        torch::autograd::grad({y}, {x, norm.weight, norm.bias}, {inputTensor("input:dy", y.sizes().vec()).to(y.scalar_type())});
    gradients.push_back(y);
    return gradients;
}

TEST(NormSilu, IsTheSameAsItsThreeOperations)
{
    struct Case {
        std::int64_t channels, side;
        double mean; // large beside the deviation: the variance must not drown in it
    };
    for (const auto& [channels, side, mean] : {Case{32, 5, 30}, {64, 2, 30}, {256, 1, 0}, {96, 4, 30}, {160, 9, 30}})
        for (const bool dropped : {false, true}) {
            SCOPED_TRACE(channels);
            GroupNorm norm(channels, Place{}), exact(channels, Place{at::kCPU, at::kDouble});
            fillParameters(norm);
            fillParameters(exact);
            const at::Tensor values = inputTensor("input:x", {3, channels, side, side}) + mean;
            const at::Tensor x = values.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(),
                             x64 = values.to(at::kDouble).requires_grad_();
            const at::Tensor keep =
                dropped ? tensors::Draws::at(1, 0, 0, 3).keep(Stream::Dropout, 0.3, {side, side, channels}) : at::Tensor();
            const auto fused = results(normSilu(norm, x, keep), x, norm);
            at::Tensor y64 = at::silu(exact.forward(x64));
            if (dropped)
                y64 = y64 * keep.permute({0, 3, 1, 2});
            const auto wanted = results(y64, x64, exact);
            const char* names[] = {"x", "weight", "bias", "y"};
            for (std::size_t i = 0; i < fused.size(); ++i)
                expectClose(fused[i], wanted[i], 2e-5, 2e-5, names[i]); // float32 against float64, x near 30
            EXPECT_TRUE(fused[3].is_contiguous(at::MemoryFormat::ChannelsLast));
        }
}

TEST(NormSilu, InBfloat16RoundsOnce)
{
    GroupNorm norm(64, Place{});
    fillParameters(norm);
    const at::Tensor values = inputTensor("input:x", {2, 64, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast).to(at::kBFloat16);
    const at::Tensor x = values.clone().requires_grad_(), x32 = values.to(at::kFloat).requires_grad_();
    const auto half = results(normSilu(norm, x), x, norm), single = results(normSilu(norm, x32), x32, norm);
    EXPECT_EQ(half[3].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(at::equal(half[3], single[3].to(at::kBFloat16)));
    for (std::size_t i = 0; i < 3; ++i) // the gradient that comes in is rounded to 8 bits
        expectClose(half[i], single[i], 0.01 * single[i].abs().max().item<double>(), 0.01, std::to_string(i));
}

TEST(NormSilu, DoesNotDependOnThreads)
{
    const int threads = at::get_num_threads();
    GroupNorm norm(64, Place{});
    fillParameters(norm);
    const at::Tensor x = inputTensor("input:x", {5, 64, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
    at::set_num_threads(1);
    const auto one = results(normSilu(norm, x), x, norm);
    at::set_num_threads(3);
    const auto three = results(normSilu(norm, x), x, norm);
    at::set_num_threads(threads);
    for (std::size_t i = 0; i < one.size(); ++i)
        EXPECT_TRUE(at::equal(one[i], three[i])) << i;
}

TEST(NormSilu, SaturatesWithoutOverflow)
{
    const at::NoGradGuard guard;
    GroupNorm norm(32, Place{});
    norm.weight.fill_(200);
    norm.bias.zero_();
    const at::Tensor x = inputTensor("input:x", {1, 32, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor y = normSilu(norm, x);
    EXPECT_TRUE(y.isfinite().all().item<bool>());
    expectClose(y, at::silu(norm.forward(x)), 1e-4, 1e-5, "y");
    EXPECT_TRUE(normSilu(norm, x * NAN).isnan().all().item<bool>()); // what is not finite stays so
}

} // namespace
} // namespace espalier::models
