// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/garden_geometry.h"

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::data::garden {

struct Rgb {
    float r = 0, g = 0, b = 0;
};
constexpr Rgb mix(Rgb a, Rgb b, float t)
{
    return {mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)};
}
constexpr Rgb lighter(Rgb c, float t)
{
    return mix(c, {1.0f, 0.99f, 0.94f}, t);
}
constexpr Rgb darker(Rgb c, float t)
{
    return mix(c, {0.10f, 0.08f, 0.16f}, t);
}
/// A colour as people write it.
constexpr Rgb hex(std::uint32_t code)
{
    return {static_cast<float>(code >> 16 & 255) / 255.0f, static_cast<float>(code >> 8 & 255) / 255.0f,
            static_cast<float>(code & 255) / 255.0f};
}

/// How an area is filled: a gradient over the box of the area from `light` (upper left) to `dark` (lower right).
struct Paint {
    Rgb light, dark;
    float alpha = 1;
    float rim = 0; // width of the outline, in units of the picture
    Rgb rimColour{};
};

/// Several closed outlines that are filled together: where they overlap, they count once if all go round the same way.
class Outline {
public:
    void clear() { m_points.clear(), m_ends.clear(); }
    void add(Vec p) { m_points.push_back(p); }
    void close() { m_ends.push_back(m_points.size()); }
    std::size_t contours() const { return m_ends.size(); }
    std::span<const Vec> contour(std::size_t i) const
    {
        const std::size_t begin = i ? m_ends[i - 1] : 0;
        return std::span(m_points).subspan(begin, m_ends[i] - begin);
    }

private:
    std::vector<Vec> m_points;
    std::vector<std::size_t> m_ends;
};

/// A square picture that is painted area over area, antialiased by the exact part of each pixel that an area covers.
class Canvas {
public:
    explicit Canvas(int side);

    int side() const { return m_side; }
    /// Fills everything with a gradient from top to bottom.
    void wash(Rgb top, Rgb bottom);
    void fill(const Outline& outline, const Paint& paint);
    /// Multiplies by 1 + strength * (smooth noise from a lattice of 9 × 9 values in [-1, 1]).
    void grain(std::span<const float> lattice, float strength);
    void write(std::span<std::uint8_t> hwc) const;

private:
    struct Reach { // pixels that an outline touches
        int left, top, right, bottom;
    };
    bool accumulate(const Outline& outline, float grow, Reach& reach);
    void edge(Vec a, Vec b, const Reach& reach);
    void blend(const Reach& reach, const Paint& paint);

    int m_side;
    std::vector<Rgb> m_pixels;
    std::vector<float> m_cover; // [side, side + 2] changes of coverage along each row; zero between fills
    std::vector<Vec> m_scratch;
};

} // namespace espalier::data::garden
