// SPDX-License-Identifier: Apache-2.0
#include "core/formats/image_quantise.h"

#include <algorithm>
#include <cassert>

namespace espalier::formats {
namespace {

/// Clamped to 0..255 and truncated; NaN becomes 0.
std::uint8_t truncated(float v)
{
    return v > 0.0f ? static_cast<std::uint8_t>(std::min(v, 255.0f)) : 0;
}

} // namespace

std::uint8_t quantise(float x, Rounding rounding)
{
    switch (rounding) {
    case Rounding::SaveImageUnit:
        return truncated(x * 255.0f + 0.5f);
    case Rounding::SaveImageSigned:
        // The sum 1 + 1 of the range's ends is a float32 division in the published code, so it is one here.
        return truncated((std::clamp(x, -1.0f, 1.0f) + 1.0f) / 2.0f * 255.0f + 0.5f);
    case Rounding::DitSample:
        return truncated(127.5f * x + 128.0f);
    case Rounding::GuidedDiffusion:
        return truncated((x + 1.0f) * 127.5f);
    case Rounding::DdpmTorch:
        return truncated(x * 127.5f + 128.0f);
    }
    return 0;
}

void quantise(std::span<const float> values, Rounding rounding, std::span<std::uint8_t> bytes)
{
    assert(values.size() == bytes.size() && "one byte for each value");
    for (std::size_t i = 0; i < values.size(); ++i)
        bytes[i] = quantise(values[i], rounding);
}

} // namespace espalier::formats
