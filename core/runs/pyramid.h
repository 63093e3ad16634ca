// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/scalars.h"

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::runs {

enum class CurveAxis { Step, Time };

struct CurvePoint {
    double x = 0.0, y = 0.0;
};

/// What a plot draws of a curve between two x: at most two points per pixel, in the order of x, and where values were not finite.
struct Envelope {
    std::vector<CurvePoint> points;
    std::vector<double> notFinite; // x of NaN and infinite values, at most one per pixel
    std::int64_t rawPoints = 0;    // points the envelope stands for
    bool exact = false;            // points are the raw points
};

/// All points of one tag, with minimum, maximum and mean over blocks of 2^k points, so that any zoom costs only its pixels.
/// Steps never fall: a point before the last one is refused. One thread.
class Pyramid {
public:
    /// False: the step is lower than the last one, the point was left out.
    bool append(const ScalarPoint& point);
    std::size_t append(std::span<const ScalarPoint> points);
    /// Forgets all points with a step beyond `step`: they were superseded by a resume. Gives how many.
    std::size_t truncateAfter(std::int64_t step);
    void clear();
    /// Room for so many points at once, when a long file is about to be read.
    void reserve(std::size_t points);

    std::size_t size() const { return m_values.size(); }
    bool empty() const { return m_values.empty(); }
    ScalarPoint point(std::size_t index) const { return {m_steps[index], m_times[index], m_values[index]}; }
    ScalarPoint last() const { return point(size() - 1); }
    /// Smallest and greatest x, and finite y; false when there is none.
    bool range(CurveAxis axis, double& x0, double& x1) const;
    bool valueRange(double x0, double x1, CurveAxis axis, double& low, double& high) const;
    /// The last point at or before x, or -1.
    std::ptrdiff_t indexAt(CurveAxis axis, double x) const;
    /// The value at x, linear between points (for clocks: step -> images, seconds, FLOPs); NaN when empty.
    double valueAt(CurveAxis axis, double x) const;

    Envelope envelope(CurveAxis axis, double x0, double x1, int pixels) const;
    /// Means of `pixels` equal pieces of [x0, x1], for a smoothed line; empty pieces are left out.
    std::vector<CurvePoint> means(CurveAxis axis, double x0, double x1, int pixels) const;

private:
    struct Block {
        double low, high, sum; // low > high: no finite value
        std::uint32_t finite, bad;
    };
    static constexpr int kFirst = 4; // blocks of 16 points are the lowest level
    Block fold(std::size_t from, std::size_t to) const;
    Block foldRaw(std::size_t from, std::size_t to) const;
    std::size_t lowerBound(CurveAxis axis, double x) const;
    double x(CurveAxis axis, std::size_t index) const
    {
        return axis == CurveAxis::Step ? static_cast<double>(m_steps[index]) : m_times[index];
    }

    std::vector<std::int64_t> m_steps;
    std::vector<double> m_times, m_values;
    std::vector<std::vector<Block>> m_levels; // m_levels[k]: whole blocks of 2^(kFirst + k) points
};

} // namespace espalier::runs
