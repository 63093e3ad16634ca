// SPDX-License-Identifier: Apache-2.0
#include "core/tensors/draws.h"

#include "core/tensors/draw_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace espalier::tensors {
namespace {

constexpr std::int64_t kGrain = 4096; // elements of one piece of work; a multiple of what every kernel makes at once

std::int64_t numberOf(at::IntArrayRef sizes)
{
    std::int64_t count = 1;
    for (const std::int64_t size : sizes)
        count *= size;
    return count;
}

/// Runs fill(address, first, last, out) over all samples in pieces that several threads share, then moves the result to where the
/// slots are.
template <class Fill>
at::Tensor drawn(const Draws& draws, Stream stream, at::IntArrayRef perSample, std::uint32_t site, const Fill& fill)
{
    const at::Tensor slot = draws.slot.cpu().contiguous(), step = draws.step.cpu();
    TORCH_CHECK(slot.dim() == 1 && slot.scalar_type() == at::kLong && step.scalar_type() == at::kLong,
                "Draws need an int64 step and an int64 vector of slots.");
    std::vector<std::int64_t> sizes{slot.size(0)};
    sizes.insert(sizes.end(), perSample.begin(), perSample.end());
    at::Tensor out = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
    const std::int64_t count = numberOf(perSample), pieces = (count + kGrain - 1) / kGrain;
    const std::int64_t* slots = slot.const_data_ptr<std::int64_t>();
    const auto stepNumber = static_cast<std::uint64_t>(step.item<std::int64_t>());
    float* values = out.mutable_data_ptr<float>();
    at::parallel_for(0, slot.size(0) * pieces, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t work = begin; work < end; ++work) {
            const std::int64_t sample = work / pieces, first = (work % pieces) * kGrain;
            const kernels::Address address{draws.seed, stream, stepNumber, static_cast<std::uint64_t>(slots[sample]), site};
            fill(address, first, std::min(first + kGrain, count), values + sample * count + first);
        }
    });
    return out.to(draws.slot.device());
}

} // namespace

Draws Draws::at(std::uint64_t seed, std::int64_t step, std::int64_t firstSlot, std::int64_t count, at::Device device)
{
    const auto options = at::TensorOptions().dtype(at::kLong).device(device);
    return {seed, at::full({}, step, options), at::arange(firstSlot, firstSlot + count, options)};
}

at::Tensor Draws::normal(Stream stream, at::IntArrayRef perSample, std::uint32_t site) const
{
    return drawn(*this, stream, perSample, site, kernels::normal);
}

at::Tensor Draws::uniform(Stream stream, at::IntArrayRef perSample, std::uint32_t site) const
{
    return drawn(*this, stream, perSample, site, kernels::uniform);
}

at::Tensor Draws::keep(Stream stream, double drop, at::IntArrayRef perSample, std::uint32_t site) const
{
    TORCH_CHECK(drop >= 0.0 && drop < 1.0, "The probability of dropping must be in [0, 1).");
    const auto threshold = static_cast<std::uint32_t>(std::min(std::round(drop * 0x1p32), 0x1p32 - 1));
    const auto scale = static_cast<float>(1.0 / (1.0 - drop));
    return drawn(*this, stream, perSample, site, [&](const kernels::Address& address, std::int64_t first, std::int64_t last, float* out) {
        kernels::keep(address, threshold, scale, first, last, out);
    });
}

at::Tensor Draws::integers(Stream stream, std::int64_t bound, std::uint32_t site) const
{
    TORCH_CHECK(bound > 0, "Integers are drawn from [0, bound) with a bound above 0.");
    const at::Tensor slots = slot.cpu().contiguous();
    const auto stepNumber = static_cast<std::uint64_t>(step.item<std::int64_t>());
    at::Tensor out = at::empty_like(slots);
    const std::int64_t* from = slots.const_data_ptr<std::int64_t>();
    std::int64_t* to = out.mutable_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < slots.size(0); ++i) {
        const PhiloxBlock b = drawBlock(seed, stream, stepNumber, static_cast<std::uint64_t>(from[i]), 0, site);
        to[i] = static_cast<std::int64_t>(integerBelow(b.word[0], b.word[1], static_cast<std::uint64_t>(bound)));
    }
    return out.to(slot.device());
}

} // namespace espalier::tensors
