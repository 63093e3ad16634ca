// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"

#include <QObject>

#include <optional>

class QWheelEvent;

namespace espalier::widgets {

/// "12 400", "1.2 M", "2 h 11 m": an x of the shared axis as text.
QString xText(XAxis kind, double x);
/// "step", "images", "training time" …
QString xTitle(XAxis kind);
/// By how much a turn of the wheel zooms; > 1 shows more.
double zoomOfWheel(const QWheelEvent& event);

/// The x-axis that lanes and plots share: what it counts, which piece shows, where the pointer is.
/// All shows everything, forecast and a little room behind it included; Fixed is what the person zoomed to and survives new data; Live
/// keeps its width and ends at the newest point.
class TimeAxis : public QObject {
    Q_OBJECT
public:
    enum class Mode { All, Fixed, Live };
    explicit TimeAxis(QObject* parent = nullptr) : QObject(parent) {}

    XAxis kind() const { return m_kind; }
    Mode mode() const { return m_mode; }
    double from() const { return m_from; }
    double to() const { return m_to; }
    double now() const { return m_now; }
    const std::optional<double>& pointer() const { return m_pointer; }

    void setKind(XAxis kind); // shows everything
    /// What there is: the whole of it and how far the run came. Moves the visible piece unless it is Fixed.
    void setExtent(double first, double last, double now);
    void showAll();
    void follow(); // from Fixed to Live
    void zoomTo(double from, double to);
    void zoomAround(double x, double factor); // > 1 shows more
    void panBy(double distance);
    void setPointer(std::optional<double> x);
    /// Arrows pan, + and - zoom, Home shows everything, End follows; false for any other key.
    bool moveByKey(int key);

Q_SIGNALS:
    void rangeChanged();
    void modeChanged();
    void kindChanged();
    void pointerChanged();

private:
    void show(double from, double to, Mode mode);

    XAxis m_kind = XAxis::Step;
    Mode m_mode = Mode::All;
    double m_from = 0.0, m_to = 1.0, m_first = 0.0, m_last = 1.0, m_now = 0.0;
    std::optional<double> m_pointer;
};

} // namespace espalier::widgets
