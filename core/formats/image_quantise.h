// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace espalier::formats {

/// How published code turns a float into a byte. The rules differ by one level in many places; NaN becomes 0.
enum class Rounding {
    SaveImageUnit,   // x in [0, 1]: x * 255 + 0.5, clamped, truncated (torchvision's save_image)
    SaveImageSigned, // x in [-1, 1]: clamped, (x + 1) / 2 in float32, then as above (save_image with value_range = (-1, 1))
    DitSample,       // x in [-1, 1]: 127.5 x + 128, clamped, truncated (DiT's npz)
    GuidedDiffusion, // x in [-1, 1]: (x + 1) * 127.5, clamped, truncated (ADM)
    DdpmTorch,       // x in [-1, 1]: x * 127.5 + 128, clamped, truncated (precision and recall of ddpm-torch, not its samples)
};

void quantise(std::span<const float> values, Rounding rounding, std::span<std::uint8_t> bytes);
std::uint8_t quantise(float value, Rounding rounding);

} // namespace espalier::formats
