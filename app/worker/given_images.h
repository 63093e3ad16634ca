// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/generation/evaluation_set.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

namespace espalier::worker {

/// Images that somebody named: a folder or an npz.
struct GivenImages {
    std::string flag; // "--images", "--reference": what errors name
    std::filesystem::path path;

    bool isNpz() const { return path.extension() == ".npz"; }
    /// The side that its images have: of an npz, or of the first image of a folder.
    Result<std::int64_t> side() const;
    /// The first `count` of an npz, or `count` of a folder at that side: uint8 [n, side, side, 3].
    Result<at::Tensor> read(std::int64_t side, std::int64_t count, const Log& log, std::stop_token stop) const;
    /// The same images, handed on in batches; an npz is never whole in memory.
    Result<Done> visit(std::int64_t side, std::int64_t count, const Log& log, std::stop_token stop,
                       const std::function<Result<Done>(const at::Tensor&)>& look) const;
};

/// Images of another size than needed.
Error otherSize(const GivenImages& given, const at::Tensor& images, std::int64_t height, std::int64_t width);

/// Samples against real images given as they are. Nothing else is known of these, so the floor is one half of them against the other:
/// half as many images give a somewhat larger distance. Both sets are cut to the size of the smaller one.
Result<generation::SetScore> scoreAgainst(const at::Tensor& real, const at::Tensor& samples, at::Device device, parallel::Crew& crew,
                                          const evaluation::RandomDistance::Tick& tick);

/// SHA-256 of the pixels, which says what a number was measured against.
std::string pixelsSha256(const at::Tensor& images);

} // namespace espalier::worker
