// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden_canvas.h"

#include <algorithm>
#include <cstddef>

namespace espalier::data::garden {

namespace {
std::size_t at(int row, int stride, int column)
{
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(column);
}
int floorOf(float v) // v >= 0 everywhere below
{
    return static_cast<int>(v);
}
float eased(float t)
{
    return t * t * (3 - 2 * t);
}
float signedArea(std::span<const Vec> points)
{
    float area = 0;
    for (std::size_t i = 0, n = points.size(); i < n; ++i) {
        const Vec a = points[i], b = points[(i + 1) % n];
        area += a.x * b.y - a.y * b.x;
    }
    return area;
}
} // namespace

Canvas::Canvas(int side)
    : m_side(side), m_pixels(static_cast<std::size_t>(side) * static_cast<std::size_t>(side)),
      m_cover(static_cast<std::size_t>(side) * static_cast<std::size_t>(side + 2), 0.0f)
{
}

void Canvas::wash(Rgb top, Rgb bottom)
{
    for (int y = 0; y < m_side; ++y) {
        const Rgb c = mix(top, bottom, (static_cast<float>(y) + 0.5f) / static_cast<float>(m_side));
        std::fill_n(m_pixels.begin() + static_cast<std::ptrdiff_t>(at(y, m_side, 0)), m_side, c);
    }
}

void Canvas::fill(const Outline& outline, const Paint& paint)
{
    Reach reach{};
    if (paint.rim > 0 && accumulate(outline, paint.rim * static_cast<float>(m_side), reach))
        blend(reach, {paint.rimColour, paint.rimColour, paint.alpha});
    if (accumulate(outline, 0, reach))
        blend(reach, paint);
}

bool Canvas::accumulate(const Outline& outline, float grow, Reach& reach)
{
    const float side = static_cast<float>(m_side);
    Vec low{side, side}, high{0, 0};
    for (std::size_t c = 0; c < outline.contours(); ++c)
        for (const Vec p : outline.contour(c)) {
            low = {std::min(low.x, p.x * side), std::min(low.y, p.y * side)};
            high = {std::max(high.x, p.x * side), std::max(high.y, p.y * side)};
        }
    low = {std::max(low.x - grow, 0.0f), std::max(low.y - grow, 0.0f)};
    high = {std::min(high.x + grow, side), std::min(high.y + grow, side)};
    if (low.x >= high.x || low.y >= high.y)
        return false;
    reach = {floorOf(low.x), floorOf(low.y), std::min(floorOf(high.x) + 1, m_side), std::min(floorOf(high.y) + 1, m_side)};

    for (std::size_t c = 0; c < outline.contours(); ++c) {
        const auto points = outline.contour(c);
        const std::size_t n = points.size();
        if (n < 3)
            continue;
        const float way = signedArea(points) < 0 ? -1.0f : 1.0f; // all outlines go round the same way, so that overlaps are unions
        m_scratch.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            m_scratch[i] = points[i] * side;
            if (grow > 0) {
                const Vec along = unit(points[(i + 1) % n] - points[(i + n - 1) % n]) * (grow * way);
                m_scratch[i] = m_scratch[i] + Vec{along.y, -along.x};
            }
        }
        for (std::size_t i = 0; i < n; ++i) {
            const Vec a = m_scratch[i], b = m_scratch[(i + 1) % n];
            way > 0 ? edge(a, b, reach) : edge(b, a, reach);
        }
    }
    return true;
}

// Adds what one edge changes: right of it, every pixel of a row is covered by the height that the edge passes in that row.
void Canvas::edge(Vec a, Vec b, const Reach& reach)
{
    const bool down = a.y < b.y;
    if (!down)
        std::swap(a, b);
    const float top = std::max(a.y, static_cast<float>(reach.top)), bottom = std::min(b.y, static_cast<float>(reach.bottom));
    if (top >= bottom)
        return;
    const float slope = (b.x - a.x) / (b.y - a.y), sign = down ? -1.0f : 1.0f;
    const float leftmost = static_cast<float>(reach.left), rightmost = static_cast<float>(reach.right);
    float y = top, x = a.x + (top - a.y) * slope;
    for (int row = floorOf(top); y < bottom; ++row) {
        const float nextY = std::min(static_cast<float>(row + 1), bottom);
        const float nextX = a.x + (nextY - a.y) * slope;
        const float height = (nextY - y) * sign;
        const float from = std::clamp(std::min(x, nextX), leftmost, rightmost), to = std::clamp(std::max(x, nextX), leftmost, rightmost);
        float* cover = m_cover.data() + at(row, m_side + 2, 0);
        const int first = floorOf(from), last = floorOf(to);
        if (first == last) {
            const float rest = height * ((from + to) * 0.5f - static_cast<float>(first));
            cover[first] += height - rest;
            cover[first + 1] += rest;
        } else {
            const float perColumn = height / (to - from);
            for (int column = first; column <= last; ++column) {
                const float l = std::max(from, static_cast<float>(column)), r = std::min(to, static_cast<float>(column + 1));
                const float part = perColumn * (r - l);
                const float rest = part * ((l + r) * 0.5f - static_cast<float>(column));
                cover[column] += part - rest;
                cover[column + 1] += rest;
            }
        }
        y = nextY;
        x = nextX;
    }
}

void Canvas::blend(const Reach& reach, const Paint& paint)
{
    const float acrossStep = 0.4f / static_cast<float>(reach.right - reach.left);
    const float downStep = 0.6f / static_cast<float>(reach.bottom - reach.top);
    const Rgb change{paint.dark.r - paint.light.r, paint.dark.g - paint.light.g, paint.dark.b - paint.light.b};
    for (int y = reach.top; y < reach.bottom; ++y) {
        float* cover = m_cover.data() + at(y, m_side + 2, 0);
        Rgb* pixel = m_pixels.data() + at(y, m_side, 0);
        const float base = (static_cast<float>(y - reach.top) + 0.5f) * downStep;
        float sum = 0;
        for (int x = reach.left; x < reach.right; ++x) {
            sum += cover[x];
            cover[x] = 0;
            if (sum <= 1.0f / 1024)
                continue;
            const float alpha = std::min(sum, 1.0f) * paint.alpha;
            const float t = base + (static_cast<float>(x - reach.left) + 0.5f) * acrossStep;
            Rgb& p = pixel[x];
            p.r += (paint.light.r + change.r * t - p.r) * alpha;
            p.g += (paint.light.g + change.g * t - p.g) * alpha;
            p.b += (paint.light.b + change.b * t - p.b) * alpha;
        }
        cover[reach.right] = 0;
        cover[reach.right + 1] = 0;
    }
}

void Canvas::grain(std::span<const float> lattice, float strength)
{
    constexpr int kCells = 8;
    for (int y = 0; y < m_side; ++y) {
        const float v = (static_cast<float>(y) + 0.5f) / static_cast<float>(m_side) * kCells;
        const int row = floorOf(v);
        const float down = eased(v - static_cast<float>(row));
        for (int x = 0; x < m_side; ++x) {
            const float u = (static_cast<float>(x) + 0.5f) / static_cast<float>(m_side) * kCells;
            const int column = floorOf(u);
            const float across = eased(u - static_cast<float>(column));
            const float* upper = lattice.data() + at(row, kCells + 1, column);
            const float* lower = upper + kCells + 1;
            const float noise = mix(mix(upper[0], upper[1], across), mix(lower[0], lower[1], across), down);
            const float factor = 1.0f + strength * noise;
            Rgb& p = m_pixels[at(y, m_side, x)];
            p = {p.r * factor, p.g * factor, p.b * factor};
        }
    }
}

void Canvas::write(std::span<std::uint8_t> hwc) const
{
    std::size_t i = 0;
    for (const Rgb& p : m_pixels)
        for (const float v : {p.r, p.g, p.b})
            hwc[i++] = static_cast<std::uint8_t>(std::clamp(v * 255.0f + 0.5f, 0.0f, 255.0f));
}

} // namespace espalier::data::garden
