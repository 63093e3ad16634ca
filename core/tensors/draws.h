// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/philox.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace espalier::tensors {

/// Random numbers as a pure function of (seed, stream, step, slot, site, element): the same on any number of ranks and threads, for
/// any split of the global batch, in any order of the calls. Goes by value into `forward`.
///
/// Every call returns [B, perSample…] on the device of `slot`; sample b uses slot[b] alone. `site` tells apart several draws of one
/// stream within a step (the dropout of each layer). Elements count row-major over `perSample`.
struct Draws {
    std::uint64_t seed = 0;
    at::Tensor step; // int64 []: optimizer step, or step of a sampler
    at::Tensor slot; // int64 [B]: place in the global batch, or number of the sample

    /// The draws of given slots at a step known on the host; mostly for tests and samplers.
    static Draws at(std::uint64_t seed, std::int64_t step, std::int64_t firstSlot, std::int64_t count, at::Device device = at::kCPU);

    /// Standard normal, float.
    at::Tensor normal(Stream stream, at::IntArrayRef perSample, std::uint32_t site = 0) const;
    /// Uniform in [0, 1), float, a multiple of 2^-24.
    at::Tensor uniform(Stream stream, at::IntArrayRef perSample, std::uint32_t site = 0) const;
    /// Dropout mask, float: 0 with probability `drop` (rounded to a multiple of 2^-32), else 1 / (1 - drop).
    at::Tensor keep(Stream stream, double drop, at::IntArrayRef perSample, std::uint32_t site = 0) const;
    /// Integers uniform in [0, bound), int64 [B].
    at::Tensor integers(Stream stream, std::int64_t bound, std::uint32_t site = 0) const;
    /// Noise levels of a diffusion loss: integers of Stream::Timestep.
    at::Tensor timesteps(std::int64_t count) const { return integers(Stream::Timestep, count); }
};

} // namespace espalier::tensors
