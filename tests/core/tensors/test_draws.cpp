// SPDX-License-Identifier: Apache-2.0
#include "core/base/normal.h"
#include "core/tensors/draws.h"
#include "tests/core/tensors/tensor_support.h"

#include <ATen/Parallel.h>

namespace espalier::tensors {
namespace {

Draws drawsOf(const std::vector<std::int64_t>& slots, std::int64_t step = 17)
{
    return {0x123456789ABCDEFull, at::full({}, step, at::kLong), at::tensor(slots)};
}

TEST(Draws, AreTheWordsOfThePhiloxBlocksOfTheirAddress)
{
    const Draws draws = drawsOf({5, 1'000'000'000'000});
    const at::Tensor normal = draws.normal(Stream::Noise, {3, 5}, 9), uniform = draws.uniform(Stream::Augment, {7}, 2),
                     keep = draws.keep(Stream::Dropout, 0.25, {300}, 3), integer = draws.integers(Stream::Timestep, 1000);
    const std::int64_t slots[] = {5, 1'000'000'000'000};
    for (int b = 0; b < 2; ++b) {
        const auto block = [&](Stream stream, std::uint32_t number, std::uint32_t site) {
            return drawBlock(draws.seed, stream, 17, static_cast<std::uint64_t>(slots[b]), number, site);
        };
        for (int i = 0; i < 15; ++i) {
            const NormalPair pair = normalPair(block(Stream::Noise, i / 2, 9));
            EXPECT_EQ(normal[b].flatten()[i].item<float>(), i % 2 ? pair.second : pair.first);
        }
        for (int i = 0; i < 7; ++i)
            EXPECT_EQ(uniform[b][i].item<float>(), static_cast<float>(block(Stream::Augment, i / 4, 2).word[i % 4] >> 8) * 0x1p-24f);
        for (int i = 0; i < 300; ++i)
            EXPECT_EQ(keep[b][i].item<float>(),
                      block(Stream::Dropout, i / 4, 3).word[i % 4] < (1u << 30) ? 0.0f : static_cast<float>(1 / 0.75));
        const PhiloxBlock first = block(Stream::Timestep, 0, 0);
        EXPECT_EQ(integer[b].item<std::int64_t>(), static_cast<std::int64_t>(integerBelow(first.word[0], first.word[1], 1000)));
    }
}

TEST(Draws, DoNotDependOnThreadsOrOnHowTheBatchIsSplit)
{
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const Draws whole = drawsOf({0, 1, 2, 3});
    const at::Tensor normal = whole.normal(Stream::Noise, {3, 61, 59}), keep = whole.keep(Stream::Dropout, 0.1, {61, 59, 3});
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(whole.normal(Stream::Noise, {3, 61, 59}), normal));
    EXPECT_TRUE(at::equal(whole.keep(Stream::Dropout, 0.1, {61, 59, 3}), keep));
    at::set_num_threads(threads);
    const Draws part = drawsOf({3, 1});
    EXPECT_TRUE(at::equal(part.normal(Stream::Noise, {3, 61, 59}), normal.index_select(0, at::tensor({3, 1}))));
    EXPECT_TRUE(at::equal(part.keep(Stream::Dropout, 0.1, {61, 59, 3}), keep.index_select(0, at::tensor({3, 1}))));
}

TEST(Draws, DifferInEveryPartOfTheirAddress)
{
    const Draws draws = drawsOf({1, 2});
    const at::Tensor normal = draws.normal(Stream::Noise, {64});
    EXPECT_FALSE(at::equal(normal[0], normal[1]));
    EXPECT_FALSE(at::equal(normal, draws.normal(Stream::SampleNoise, {64})));
    EXPECT_FALSE(at::equal(normal, draws.normal(Stream::Noise, {64}, 1)));
    EXPECT_FALSE(at::equal(normal, drawsOf({1, 2}, 18).normal(Stream::Noise, {64})));
    Draws other = draws;
    ++other.seed;
    EXPECT_FALSE(at::equal(normal, other.normal(Stream::Noise, {64})));
}

TEST(Draws, HaveTheMomentsOfTheirDistributions)
{
    const Draws draws = Draws::at(3, 0, 0, 64);
    constexpr double kCount = 64 * 4096.0; // bounds below are 5 standard errors
    const at::Tensor normal = draws.normal(Stream::Noise, {4096}).to(at::kDouble);
    EXPECT_NEAR(normal.mean().item<double>(), 0.0, 5 / std::sqrt(kCount));
    EXPECT_NEAR(normal.square().mean().item<double>(), 1.0, 5 * std::sqrt(2 / kCount));
    EXPECT_NEAR(normal.pow(4).mean().item<double>(), 3.0, 5 * std::sqrt(96 / kCount));
    const at::Tensor uniform = draws.uniform(Stream::Noise, {4096}).to(at::kDouble);
    EXPECT_NEAR(uniform.mean().item<double>(), 0.5, 5 / std::sqrt(12 * kCount));
    EXPECT_LT(uniform.max().item<double>(), 1.0);
    const at::Tensor keep = draws.keep(Stream::Dropout, 0.1, {4096}).to(at::kDouble);
    EXPECT_NEAR(keep.mean().item<double>(), 1.0, 5 * std::sqrt(0.1 / 0.9 / kCount));
    EXPECT_TRUE(draws.keep(Stream::Dropout, 0.0, {4096}).eq(1).all().item<bool>());
    const at::Tensor t = draws.timesteps(10);
    EXPECT_GE(t.min().item<std::int64_t>(), 0);
    EXPECT_LT(t.max().item<std::int64_t>(), 10);
    EXPECT_GT(std::get<0>(at::_unique(t)).numel(), 8);
}

} // namespace
} // namespace espalier::tensors
