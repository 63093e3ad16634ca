// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace espalier::data {

/// What the latents of one image are.
struct LatentLayout {
    std::int64_t channels = 4, side = 32;
    /// Means of the posterior, then logarithms of its variances: [2 * channels, side, side]. Otherwise latents as a network sees them.
    bool moments = true;

    std::int64_t values() const { return (moments ? 2 : 1) * channels * side * side; }
    std::size_t bytes() const { return static_cast<std::size_t>(values()) * sizeof(float); }
};

/// Latents of the images of a set, in the set's order. Immutable: every method may be called from any thread.
class LatentSet {
public:
    virtual ~LatentSet() = default;
    virtual LatentLayout layout() const = 0;
    /// Writes layout().values() numbers: of the image, or of its mirror image. Io and Format errors concern this image alone.
    virtual Result<Done> readLatents(std::int64_t index, bool mirrored, std::span<float> values, std::int32_t& label) const = 0;
};

/// Zeros for every image: what a rehearsal trains on, so that nothing has to be encoded for it.
std::shared_ptr<const LatentSet> blankLatents(const LatentLayout& layout);

} // namespace espalier::data
