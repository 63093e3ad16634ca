// SPDX-License-Identifier: Apache-2.0
#pragma once

// Only + - * / and sqrt on floats, all correctly rounded by IEEE 754: the same pictures from every compiler and machine.

#include <array>
#include <cmath>

namespace espalier::data::garden {

struct Vec {
    float x = 0, y = 0;
    constexpr Vec operator+(Vec o) const { return {x + o.x, y + o.y}; }
    constexpr Vec operator-(Vec o) const { return {x - o.x, y - o.y}; }
    constexpr Vec operator*(float f) const { return {x * f, y * f}; }
};

constexpr float mix(float a, float b, float t)
{
    return a + (b - a) * t;
}
constexpr Vec mix(Vec a, Vec b, float t)
{
    return {mix(a.x, b.x, t), mix(a.y, b.y, t)};
}
inline float length(Vec v)
{
    return std::sqrt(v.x * v.x + v.y * v.y);
}
/// Of length one, or zero for nothing.
inline Vec unit(Vec v)
{
    const float n = length(v);
    return n > 1e-9f ? Vec{v.x / n, v.y / n} : Vec{};
}

/// (cos, sin) of an angle in turns, good to float precision.
constexpr Vec turn(float turns)
{
    int quarter = static_cast<int>(turns * 4.0f + (turns < 0 ? -0.5f : 0.5f));
    const float a = (turns - static_cast<float>(quarter) * 0.25f) * 6.28318530717958647692f;
    const float q = a * a;
    const float s = a * (1.0f - q / 6.0f * (1.0f - q / 20.0f * (1.0f - q / 42.0f * (1.0f - q / 72.0f))));
    const float c = 1.0f - q / 2.0f * (1.0f - q / 12.0f * (1.0f - q / 30.0f * (1.0f - q / 56.0f)));
    quarter = ((quarter % 4) + 4) % 4;
    return quarter == 0 ? Vec{c, s} : quarter == 1 ? Vec{-s, c} : quarter == 2 ? Vec{-c, -s} : Vec{s, -c};
}

inline constexpr int kCirclePoints = 32;
inline constexpr auto kCircle = [] {
    std::array<Vec, kCirclePoints> points{};
    for (int i = 0; i < kCirclePoints; ++i)
        points[static_cast<std::size_t>(i)] = turn(static_cast<float>(i) / kCirclePoints);
    return points;
}();

/// Where a thing stands: mirrored first, then turned, scaled and moved. y grows downwards; the picture is the unit square.
struct Frame {
    Vec origin{0.5f, 0.5f};
    float scale = 1;
    Vec direction{1, 0}; // cos and sin of the turn
    bool mirrored = false;

    constexpr Vec operator()(Vec p) const
    {
        const float x = mirrored ? -p.x : p.x;
        return {origin.x + scale * (direction.x * x - direction.y * p.y), origin.y + scale * (direction.y * x + direction.x * p.y)};
    }
    /// A frame inside this one.
    constexpr Frame at(Vec p, float factor = 1, float turns = 0) const
    {
        const Vec t = turn(mirrored ? -turns : turns);
        return {(*this)(p), scale * factor, {direction.x * t.x - direction.y * t.y, direction.y * t.x + direction.x * t.y}, mirrored};
    }
};

} // namespace espalier::data::garden
