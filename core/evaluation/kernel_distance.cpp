// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/kernel_distance.h"

#include "core/base/philox.h"
#include "core/evaluation/statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace espalier::evaluation {
namespace {

at::Tensor kernel(const at::Tensor& x, const at::Tensor& y)
{
    return (x.matmul(y.t()) / static_cast<double>(x.size(1)) + 1.0).pow(3);
}

/// `size` different rows of `count`: the front of a shuffle.
at::Tensor subset(std::int64_t count, std::int64_t size, std::int64_t number, std::uint32_t side)
{
    std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
    std::iota(rows.begin(), rows.end(), 0);
    for (std::int64_t i = 0; i < size; ++i) {
        const auto block = drawBlock(0, Stream::Subset, static_cast<std::uint64_t>(number) + 1, static_cast<std::uint64_t>(i), 0, side);
        const auto other = i + static_cast<std::int64_t>(integerBelow(block.word[0], block.word[1], static_cast<std::uint64_t>(count - i)));
        std::swap(rows[static_cast<std::size_t>(i)], rows[static_cast<std::size_t>(other)]);
    }
    rows.resize(static_cast<std::size_t>(size));
    return at::tensor(rows, at::kLong);
}

} // namespace

double squaredDiscrepancy(const at::Tensor& x, const at::Tensor& y)
{
    const c10::InferenceMode inference;
    const auto a = x.to(at::kDouble), b = y.to(at::kDouble);
    const auto within = [](const at::Tensor& rows) {
        const auto k = kernel(rows, rows);
        const auto n = static_cast<double>(rows.size(0));
        return (k.sum() - k.trace()) / (n * (n - 1.0));
    };
    return (within(a) + within(b) - 2.0 * kernel(a, b).mean()).item<double>();
}

Result<KernelDistance> kernelDistance(const at::Tensor& x, const at::Tensor& y)
{
    KernelDistance distance{.subsetSize = std::min({KernelDistance::kSubsetSize, x.size(0), y.size(0)})};
    if (distance.subsetSize < 2)
        return Error{ErrorCode::Usage, "KID needs at least two images on each side.", {}};
    std::vector<double> values;
    for (std::int64_t i = 0; i < KernelDistance::kSubsets; ++i)
        values.push_back(squaredDiscrepancy(x.index_select(0, subset(x.size(0), distance.subsetSize, i, 0).to(x.device())),
                                            y.index_select(0, subset(y.size(0), distance.subsetSize, i, 1).to(y.device())).to(x.device())));
    const auto spread = spreadOf(values);
    distance.mean = spread.mean;
    distance.deviation = spread.deviation;
    return distance;
}

} // namespace espalier::evaluation
