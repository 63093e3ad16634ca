// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain C++17, for host and device. Only + - * / and square root in double, one rounding to float at the end:
// every compiler and device makes the same bits (compile with -ffp-contract=off / -fmad=false).

#include "core/base/philox.h"

#include <cmath>

namespace espalier {

struct NormalPair {
    float first, second;
};

namespace normal_detail {

/// ln(x) for x in (0, 1]: x = m 2^e with m in [sqrt(1/2), sqrt(2)), then the series of artanh((m-1)/(m+1)).
ESPALIER_HOST_DEVICE inline double logOf(double x)
{
    int exponent = 0;
    // Scale by exact powers of two, so that no libm is needed.
    while (x < 0.70710678118654752440) {
        x *= 2.0;
        --exponent;
    }
    const double s = (x - 1.0) / (x + 1.0), z = s * s;
    double sum = 1.0 / 21.0;
    for (int k = 19; k >= 1; k -= 2)
        sum = sum * z + 1.0 / static_cast<double>(k);
    return 2.0 * s * sum + static_cast<double>(exponent) * 0.69314718055994530942;
}

/// sine and cosine of 2 pi (octant + f) / 8 for f in [0, 1).
ESPALIER_HOST_DEVICE inline void turn(std::uint32_t octant, double f, double& sine, double& cosine)
{
    const double g = (octant & 1u) ? 1.0 - f : f; // reflect odd octants, so that the angle stays below pi/4
    const double a = g * 0.78539816339744830962, z = a * a;
    double s = -1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    s = (s * z + 1.0) * a;
    double c = 1.0 / 20922789888000.0;
    c = c * z - 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z - 0.5;
    c = c * z + 1.0;
    // Octants 1,2,5,6 swap sine and cosine; the signs follow the quadrant.
    const bool swap = ((octant + 1u) & 2u) != 0;
    const double x = swap ? s : c, y = swap ? c : s;
    cosine = (octant >= 2u && octant < 6u) ? -x : x;
    sine = octant >= 4u ? -y : y;
}

} // namespace normal_detail

/// Two independent standard normal numbers from one block (Box-Muller).
ESPALIER_HOST_DEVICE inline NormalPair normalPair(const PhiloxBlock& b)
{
    const double u = 1.0 - uniformOf(b.word[0], b.word[1]); // (0, 1]
    const double radius = sqrt(-2.0 * normal_detail::logOf(u));
    const std::uint32_t octant = b.word[2] >> 29;
    const std::uint64_t rest = (static_cast<std::uint64_t>(b.word[2] & 0x1FFFFFFFu) << 24) | (b.word[3] >> 8); // 53 bits
    double sine, cosine;
    normal_detail::turn(octant, static_cast<double>(rest) * (1.0 / 9007199254740992.0), sine, cosine);
    return {static_cast<float>(radius * cosine), static_cast<float>(radius * sine)};
}

} // namespace espalier
