// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/time_axis.h"

#include "widgets/format.h"

#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {
namespace {

/// Room behind the end, as a share of everything: an error bar at the last step is drawn whole.
constexpr double kRoom = 0.014;

} // namespace

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

double zoomOfWheel(const QWheelEvent& event)
{
    return std::pow(0.85, event.angleDelta().y() / 120.0);
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
        showAll();
    else if (m_mode == Mode::Live)
        show(now - (m_to - m_from), now, Mode::Live);
}

void TimeAxis::showAll()
{
    show(m_first, m_last + (m_last - m_first) * kRoom, Mode::All);
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

bool TimeAxis::moveByKey(int key)
{
    const double width = m_to - m_from, middle = (m_from + m_to) / 2;
    switch (key) {
    case Qt::Key_Left:
        panBy(-width / 10);
        return true;
    case Qt::Key_Right:
        panBy(width / 10);
        return true;
    case Qt::Key_Plus:
        zoomAround(middle, 0.7);
        return true;
    case Qt::Key_Minus:
        zoomAround(middle, 1 / 0.7);
        return true;
    case Qt::Key_Home:
        showAll();
        return true;
    case Qt::Key_End:
        follow();
        return true;
    default:
        return false;
    }
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
