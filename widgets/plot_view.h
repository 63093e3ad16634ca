// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/qcp.h"
#include "widgets/run_values.h"

#include <map>
#include <optional>
#include <vector>

namespace espalier::widgets {

class PlotCrosshair;
class PlotMarks;
class TimeAxis;

/// One plot over the shared axis. Holds at most two points per pixel and curve: envelopes come in, raw data never do.
/// Wheel zooms (with Ctrl, or over the numbers at the left, the y-axis), dragging pans, a double click shows everything.
class PlotView : public QCustomPlot {
    Q_OBJECT
public:
    explicit PlotView(TimeAxis* axis, QWidget* parent = nullptr);

    /// Curves with envelope and smoothed line, in this order; those that are not named go away.
    struct Curve {
        QString name;
        CurveView view;
        int colour = 0; // place in Tokens::series
        bool dashed = false;
    };
    void setCurves(std::vector<Curve> curves);
    /// Points with error bars, joined; floor and ceiling as dashed levels.
    void setDistances(std::vector<DistanceSeries> series, int firstColour);
    void setMarks(std::vector<MarkView> marks);
    void setSmoothing(double amount); // 0 … 0.999
    void setLogarithmic(bool on);
    bool logarithmic() const { return m_logarithmic; }
    bool empty() const { return m_curves.empty() && m_distances.empty(); }
    int plotPixels() const; // physical pixels of the axis' width: what to ask envelopes for
    /// Left and right end of the x-axis in global coordinates.
    std::pair<int, int> span() const;

    bool saveImage(const QString& file); // .png, .svg or .pdf, with title and legend
    QPixmap picture();
    void setExportTitle(const QString& title) { m_title = title; }

Q_SIGNALS:
    void spanChanged();

protected:
    void resizeEvent(QResizeEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct CurveItems {
        QCPGraph* band = nullptr;
        QCPGraph* line = nullptr;
    };
    void applyColours();
    void rebuildGraphs();
    void fillCurve(std::size_t at);
    void fitRange();
    void readValues();
    void queueReplot();

    TimeAxis* m_axis;
    PlotMarks* m_marks;
    PlotCrosshair* m_crosshair;
    std::vector<Curve> m_curves;
    std::vector<CurveItems> m_items;
    std::vector<DistanceSeries> m_distances;
    std::vector<QCPGraph*> m_distanceGraphs;
    std::vector<QCPErrorBars*> m_errorBars;
    int m_firstDistanceColour = 1;
    double m_smoothing = 0.93;
    bool m_logarithmic = false, m_stale = false;
    std::optional<QCPRange> m_heldY; // a y-range that a person chose
    std::optional<QPoint> m_dragFrom;
    QString m_title;
};

/// The exponential average of `means` without the pull of its start; amount 0 gives them back. `amount` is what one `pixel` of x keeps,
/// so that few points far apart are not dragged behind the curve: as many pixels are averaged however many points lie on them.
std::vector<runs::CurvePoint> smoothed(const std::vector<runs::CurvePoint>& means, double amount, double pixel = 0.0);

} // namespace espalier::widgets
