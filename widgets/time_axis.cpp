// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/time_axis.h"

#include "widgets/format.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {

QString xText(XAxis kind, double x)
{
    switch (kind) {
    case XAxis::Step:
        return number(std::llround(x));
    case XAxis::Images:
        return std::abs(x) < 1e5 ? number(std::llround(x)) : compact(x);
    case XAxis::TrainingTime:
    case XAxis::WallTime:
        return x == 0 ? QStringLiteral("0") : duration(x);
    case XAxis::Flops:
        return compact(x);
    }
    return {};
}

QString xTitle(XAxis kind)
{
    switch (kind) {
    case XAxis::Step:
        return QStringLiteral("step");
    case XAxis::Images:
        return QStringLiteral("images");
    case XAxis::TrainingTime:
        return QStringLiteral("training time");
    case XAxis::WallTime:
        return QStringLiteral("wall clock");
    case XAxis::Flops:
        return QStringLiteral("FLOPs");
    }
    return {};
}

void TimeAxis::setKind(XAxis kind)
{
    if (kind == m_kind)
        return;
    m_kind = kind;
    m_pointer.reset();
    Q_EMIT kindChanged();
    Q_EMIT pointerChanged();
    m_from = m_to = 0.0; // what was visible means nothing in the new unit; the next answer says what is there
    m_first = 0.0;
    m_last = 0.0;
    m_mode = Mode::All;
    Q_EMIT modeChanged();
    Q_EMIT rangeChanged();
}

void TimeAxis::setExtent(double first, double last, double now)
{
    m_first = first;
    m_last = std::max(last, first);
    m_now = now;
    if (m_mode == Mode::All)
        show(m_first, m_last, Mode::All);
    else if (m_mode == Mode::Live)
        show(now - (m_to - m_from), now, Mode::Live);
}

void TimeAxis::showAll()
{
    show(m_first, m_last, Mode::All);
}

void TimeAxis::follow()
{
    if (m_mode != Mode::Fixed)
        return;
    show(m_now - (m_to - m_from), m_now, Mode::Live);
}

void TimeAxis::zoomTo(double from, double to)
{
    if (!(to > from))
        return;
    // Nobody gets lost: at least a millionth, at most twice of everything, never wholly outside of it.
    const double whole = std::max(m_last - m_first, 1e-9);
    double width = std::clamp(to - from, m_kind == XAxis::Step ? 2.0 : whole * 1e-7, whole * 2);
    double middle = std::clamp((from + to) / 2, m_first, m_last);
    show(middle - width / 2, middle + width / 2, Mode::Fixed);
}

void TimeAxis::zoomAround(double x, double factor)
{
    zoomTo(x - (x - m_from) * factor, x + (m_to - x) * factor);
}

void TimeAxis::panBy(double distance)
{
    zoomTo(m_from + distance, m_to + distance);
}

void TimeAxis::setPointer(std::optional<double> x)
{
    if (x == m_pointer)
        return;
    m_pointer = x;
    Q_EMIT pointerChanged();
}

void TimeAxis::show(double from, double to, Mode mode)
{
    const bool moved = from != m_from || to != m_to;
    m_from = from;
    m_to = to;
    if (std::exchange(m_mode, mode) != mode)
        Q_EMIT modeChanged();
    if (moved)
        Q_EMIT rangeChanged();
}

} // namespace espalier::widgets
