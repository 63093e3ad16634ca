// SPDX-License-Identifier: Apache-2.0
#include "core/runs/pyramid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier::runs {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

Pyramid::Block Pyramid::foldRaw(std::size_t from, std::size_t to) const
{
    Block block{kInfinity, -kInfinity, 0.0, 0, 0};
    for (std::size_t i = from; i < to; ++i) {
        const double v = m_values[i];
        if (!std::isfinite(v)) {
            ++block.bad;
            continue;
        }
        block.low = std::min(block.low, v);
        block.high = std::max(block.high, v);
        block.sum += v;
        ++block.finite;
    }
    return block;
}

namespace {
template <class Block>
void add(Block& to, const Block& from)
{
    to.low = std::min(to.low, from.low);
    to.high = std::max(to.high, from.high);
    to.sum += from.sum;
    to.finite += from.finite;
    to.bad += from.bad;
}
} // namespace

bool Pyramid::append(const ScalarPoint& point)
{
    if (!m_steps.empty() && point.step < m_steps.back())
        return false;
    // The system clock may be set back; the time axis may not.
    const double before = m_times.empty() ? -kInfinity : m_times.back();
    m_steps.push_back(point.step);
    m_times.push_back(std::isfinite(point.time) ? std::max(point.time, before) : (m_times.empty() ? 0.0 : before));
    m_values.push_back(point.value);
    const std::size_t n = m_values.size();
    for (std::size_t k = 0; (n & ((std::size_t{1} << (kFirst + k)) - 1)) == 0; ++k) {
        if (k == m_levels.size())
            m_levels.emplace_back();
        if (k == 0) {
            m_levels[0].push_back(foldRaw(n - (std::size_t{1} << kFirst), n));
        } else {
            const auto& below = m_levels[k - 1];
            Block block = below[below.size() - 2];
            add(block, below.back());
            m_levels[k].push_back(block);
        }
    }
    return true;
}

std::size_t Pyramid::append(std::span<const ScalarPoint> points)
{
    std::size_t taken = 0;
    for (const auto& point : points)
        taken += append(point) ? 1 : 0;
    return taken;
}

std::size_t Pyramid::truncateAfter(std::int64_t step)
{
    const auto keep = static_cast<std::size_t>(std::upper_bound(m_steps.begin(), m_steps.end(), step) - m_steps.begin());
    const std::size_t gone = m_steps.size() - keep;
    m_steps.resize(keep);
    m_times.resize(keep);
    m_values.resize(keep);
    for (std::size_t k = 0; k < m_levels.size(); ++k)
        m_levels[k].resize(keep >> (kFirst + k));
    while (!m_levels.empty() && m_levels.back().empty())
        m_levels.pop_back();
    return gone;
}

void Pyramid::clear()
{
    *this = {};
}

void Pyramid::reserve(std::size_t points)
{
    m_steps.reserve(points);
    m_times.reserve(points);
    m_values.reserve(points);
}

Pyramid::Block Pyramid::fold(std::size_t from, std::size_t to) const
{
    Block sum{kInfinity, -kInfinity, 0.0, 0, 0};
    constexpr std::size_t kBlock = std::size_t{1} << kFirst;
    while (from < to) {
        if (from % kBlock != 0 || to - from < kBlock) {
            const std::size_t end = std::min(to, (from / kBlock + 1) * kBlock);
            add(sum, foldRaw(from, end));
            from = end;
            continue;
        }
        // The largest whole block that begins here and ends in time.
        std::size_t k = 0;
        while (k + 1 < m_levels.size() && from % (kBlock << (k + 1)) == 0 && from + (kBlock << (k + 1)) <= to)
            ++k;
        add(sum, m_levels[k][from >> (kFirst + k)]);
        from += kBlock << k;
    }
    return sum;
}

std::size_t Pyramid::lowerBound(CurveAxis axis, double x) const
{
    if (axis == CurveAxis::Step)
        return static_cast<std::size_t>(std::lower_bound(m_steps.begin(), m_steps.end(), x,
                                                         [](std::int64_t step, double at) { return static_cast<double>(step) < at; }) -
                                        m_steps.begin());
    return static_cast<std::size_t>(std::lower_bound(m_times.begin(), m_times.end(), x) - m_times.begin());
}

bool Pyramid::range(CurveAxis axis, double& x0, double& x1) const
{
    if (empty())
        return false;
    x0 = x(axis, 0);
    x1 = x(axis, size() - 1);
    return true;
}

bool Pyramid::valueRange(double x0, double x1, CurveAxis axis, double& low, double& high) const
{
    const std::size_t from = lowerBound(axis, x0), to = lowerBound(axis, std::nextafter(x1, kInfinity));
    if (from >= to)
        return false;
    const Block block = fold(from, to);
    low = block.low;
    high = block.high;
    return block.finite > 0;
}

std::ptrdiff_t Pyramid::indexAt(CurveAxis axis, double at) const
{
    return static_cast<std::ptrdiff_t>(lowerBound(axis, std::nextafter(at, kInfinity))) - 1;
}

double Pyramid::valueAt(CurveAxis axis, double at) const
{
    if (empty())
        return std::numeric_limits<double>::quiet_NaN();
    const auto index = indexAt(axis, at);
    if (index < 0)
        return m_values.front();
    const auto i = static_cast<std::size_t>(index);
    if (i + 1 >= size())
        return m_values.back();
    const double x0 = x(axis, i), x1 = x(axis, i + 1);
    return x1 > x0 ? m_values[i] + (m_values[i + 1] - m_values[i]) * (at - x0) / (x1 - x0) : m_values[i];
}

Envelope Pyramid::envelope(CurveAxis axis, double x0, double x1, int pixels) const
{
    Envelope result;
    if (empty() || pixels <= 0 || !(x1 >= x0))
        return result;
    const std::size_t from = lowerBound(axis, x0), to = lowerBound(axis, std::nextafter(x1, kInfinity));
    const auto budget = static_cast<std::size_t>(pixels) * 2;
    result.rawPoints = static_cast<std::int64_t>(to - from);
    // One point on each side, so that lines run to the edges of the plot.
    const std::size_t first = from > 0 ? from - 1 : 0, last = std::min(to + 1, size());
    if (last - first <= budget) {
        result.exact = true;
        for (std::size_t i = first; i < last; ++i) {
            if (std::isfinite(m_values[i]))
                result.points.push_back({x(axis, i), m_values[i]});
            else if (i >= from && i < to)
                result.notFinite.push_back(x(axis, i));
        }
        return result;
    }
    const double width = (x1 - x0) / pixels;
    result.points.reserve(budget);
    std::size_t at = from;
    double lastY = std::numeric_limits<double>::quiet_NaN();
    for (int pixel = 0; pixel < pixels && at < to; ++pixel) {
        const std::size_t end = pixel + 1 == pixels ? to : std::clamp(lowerBound(axis, x0 + width * (pixel + 1)), at, to);
        if (end == at)
            continue;
        const Block block = fold(at, end);
        const double left = x(axis, at), right = x(axis, end - 1);
        if (block.bad > 0)
            result.notFinite.push_back(left);
        if (block.finite == 1 || (block.finite > 0 && block.low == block.high)) {
            result.points.push_back({left, block.low});
            lastY = block.low;
        } else if (block.finite > 0) {
            // Begin with the end that is nearer to where the last pixel ended: fewer long strokes.
            const bool lowFirst = !(std::abs(lastY - block.high) < std::abs(lastY - block.low));
            result.points.push_back({left, lowFirst ? block.low : block.high});
            result.points.push_back({right, lowFirst ? block.high : block.low});
            lastY = result.points.back().y;
        }
        at = end;
    }
    if (first < from && std::isfinite(m_values[first]) && result.points.size() < budget)
        result.points.insert(result.points.begin(), {x(axis, first), m_values[first]});
    if (last > to && std::isfinite(m_values[to]) && result.points.size() < budget)
        result.points.push_back({x(axis, to), m_values[to]});
    return result;
}

std::vector<CurvePoint> Pyramid::means(CurveAxis axis, double x0, double x1, int pixels) const
{
    std::vector<CurvePoint> points;
    if (empty() || pixels <= 0 || !(x1 >= x0))
        return points;
    const std::size_t from = lowerBound(axis, x0), to = lowerBound(axis, std::nextafter(x1, kInfinity));
    const double width = (x1 - x0) / pixels;
    std::size_t at = from;
    for (int pixel = 0; pixel < pixels && at < to; ++pixel) {
        const std::size_t end = pixel + 1 == pixels ? to : std::clamp(lowerBound(axis, x0 + width * (pixel + 1)), at, to);
        if (end == at)
            continue;
        const Block block = fold(at, end);
        if (block.finite > 0)
            points.push_back({(x(axis, at) + x(axis, end - 1)) / 2.0, block.sum / block.finite});
        at = end;
    }
    return points;
}

} // namespace espalier::runs
