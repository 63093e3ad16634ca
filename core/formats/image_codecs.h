// SPDX-License-Identifier: Apache-2.0
#pragma once

// What image_decode.cpp asks of each format's library. Not for others: decode with image_decode.h.

#include "core/formats/image_decode.h"

#include <cstddef>
#include <span>
#include <stdexcept>

namespace espalier::formats::codecs {

/// Thrown inside a codec; what() goes on after "the PNG …": "was cut".
struct Refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Size {
    int width = 0, height = 0;
};

struct Codec {
    Size (*size)(std::span<const std::byte> bytes);
    /// The size was found and allowed before.
    Image (*decode)(std::span<const std::byte> bytes, const DecodeOptions& options);
};

const Codec& png();
const Codec& jpeg();
const Codec& webp();
const Codec& bmp();
const Codec& tiff();

} // namespace espalier::formats::codecs
