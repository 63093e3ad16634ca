// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/garden_canvas.h"

#include <initializer_list>
#include <span>

namespace espalier::data::garden {

/// Draws shapes of a frame on a canvas. Lengths and points are those of the frame; outlines (`Paint::rim`) scale with it.
class Brush {
public:
    Brush(Canvas& canvas, const Frame& frame) : m_canvas(&canvas), m_frame(frame) {}
    Brush at(Vec p, float factor = 1, float turns = 0) const { return {*m_canvas, m_frame.at(p, factor, turns)}; }
    const Frame& frame() const { return m_frame; }

    void ellipse(Vec centre, float rx, float ry, const Paint& paint, float turns = 0);
    void circle(Vec centre, float radius, const Paint& paint) { ellipse(centre, radius, radius, paint); }
    /// Circles (x, y, radius each) melted into one.
    struct Disc {
        Vec centre;
        float radius;
    };
    void blob(std::span<const Disc> discs, const Paint& paint);
    void polygon(std::span<const Vec> points, const Paint& paint);
    /// A smooth closed curve through the points.
    void curve(std::span<const Vec> points, const Paint& paint);
    /// A line with round ends along a smooth curve, of half-width `from` at its first point and `to` at its last.
    void stroke(std::span<const Vec> points, float from, float to, const Paint& paint);
    /// A pointed leaf; `bend` moves its middle sideways; `belly` in (0, 1) is where it is widest, `half` that half-width.
    void leaf(Vec base, Vec tip, float half, float bend, float belly, const Paint& paint);

    void polygon(std::initializer_list<Vec> p, const Paint& paint) { polygon(std::span(p.begin(), p.size()), paint); }
    void curve(std::initializer_list<Vec> p, const Paint& paint) { curve(std::span(p.begin(), p.size()), paint); }
    void stroke(std::initializer_list<Vec> p, float from, float to, const Paint& paint)
    {
        stroke(std::span(p.begin(), p.size()), from, to, paint);
    }

private:
    void fill(const Paint& paint);
    void add(Vec local) { m_outline.add(m_frame(local)); }

    Canvas* m_canvas;
    Frame m_frame;
    Outline m_outline;
};

} // namespace espalier::data::garden
