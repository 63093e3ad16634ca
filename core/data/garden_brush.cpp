// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_brush.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace espalier::data::garden {

namespace {
constexpr int kPerSpan = 5; // points between two knots of a curve

// Catmull-Rom between b and c.
Vec spline(Vec a, Vec b, Vec c, Vec d, float t)
{
    const auto one = [t](float p, float q, float r, float s) {
        return q + 0.5f * t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
    };
    return {one(a.x, b.x, c.x, d.x), one(a.y, b.y, c.y, d.y)};
}
} // namespace

void Brush::fill(const Paint& paint)
{
    Paint scaled = paint;
    scaled.rim = paint.rim * m_frame.scale;
    m_canvas->fill(m_outline, scaled);
    m_outline.clear();
}

void Brush::ellipse(Vec centre, float rx, float ry, const Paint& paint, float turns)
{
    const Vec way = turn(turns);
    for (const Vec c : kCircle) {
        const Vec p{c.x * rx, c.y * ry};
        add({centre.x + way.x * p.x - way.y * p.y, centre.y + way.y * p.x + way.x * p.y});
    }
    m_outline.close();
    fill(paint);
}

void Brush::blob(std::span<const Disc> discs, const Paint& paint)
{
    for (const Disc& disc : discs) {
        for (const Vec c : kCircle)
            add(disc.centre + c * disc.radius);
        m_outline.close();
    }
    fill(paint);
}

void Brush::polygon(std::span<const Vec> points, const Paint& paint)
{
    for (const Vec p : points)
        add(p);
    m_outline.close();
    fill(paint);
}

void Brush::curve(std::span<const Vec> points, const Paint& paint)
{
    const std::size_t n = points.size();
    for (std::size_t i = 0; i < n; ++i)
        for (int k = 0; k < kPerSpan; ++k)
            add(spline(points[(i + n - 1) % n], points[i], points[(i + 1) % n], points[(i + 2) % n], static_cast<float>(k) / kPerSpan));
    m_outline.close();
    fill(paint);
}

void Brush::stroke(std::span<const Vec> points, float from, float to, const Paint& paint)
{
    constexpr std::size_t kMost = 128;
    std::array<Vec, kMost> line;
    const std::size_t n = points.size();
    assert(n >= 2 && (n - 1) * kPerSpan + 1 <= kMost);
    std::size_t count = 0;
    for (std::size_t i = 0; i + 1 < n; ++i)
        for (int k = 0; k < (n == 2 ? 1 : kPerSpan); ++k)
            line[count++] =
                spline(points[i ? i - 1 : 0], points[i], points[i + 1], points[std::min(i + 2, n - 1)], static_cast<float>(k) / kPerSpan);
    line[count++] = points[n - 1];

    const auto along = [&](std::size_t i) { return unit(line[std::min(i + 1, count - 1)] - line[i ? i - 1 : 0]); };
    const auto half = [&](std::size_t i) { return mix(from, to, static_cast<float>(i) / static_cast<float>(count - 1)); };
    const auto cap = [&](Vec centre, Vec forward, float radius) { // half a circle from the left of `forward` round to its right
        for (int k = 1; k < 6; ++k) {
            const Vec t = turn(static_cast<float>(k) / 12);
            add(centre + Vec{forward.y, -forward.x} * (t.x * radius) + forward * (t.y * radius));
        }
    };
    for (std::size_t i = 0; i < count; ++i) {
        const Vec d = along(i);
        add(line[i] + Vec{d.y, -d.x} * half(i));
    }
    cap(line[count - 1], along(count - 1), to);
    for (std::size_t i = count; i-- > 0;) {
        const Vec d = along(i);
        add(line[i] + Vec{-d.y, d.x} * half(i));
    }
    cap(line[0], along(0) * -1.0f, from);
    m_outline.close();
    fill(paint);
}

void Brush::leaf(Vec base, Vec tip, float half, float bend, float belly, const Paint& paint)
{
    constexpr int kSteps = 10;
    const Vec axis = tip - base;
    const Vec side = unit({-axis.y, axis.x});
    const auto halfAt = [&](float t) { // rises to the belly as a parabola, falls to the tip as one
        const float u = t < belly ? (belly - t) / belly : (t - belly) / (1 - belly);
        return half * (1 - u * u);
    };
    const auto middle = [&](float t) { return base + axis * t + side * (bend * 4 * t * (1 - t)); };
    for (int k = 0; k <= kSteps; ++k) {
        const float t = static_cast<float>(k) / kSteps;
        add(middle(t) + side * halfAt(t));
    }
    for (int k = kSteps - 1; k > 0; --k) {
        const float t = static_cast<float>(k) / kSteps;
        add(middle(t) - side * halfAt(t));
    }
    m_outline.close();
    fill(paint);
}

} // namespace espalier::data::garden
