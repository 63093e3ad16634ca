// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/qcp.h"
#include "widgets/run_values.h"

#include <vector>

namespace espalier::widgets {

class TimeAxis;

/// What a plot draws beside its curves: growth rules with labels, horizontal levels such as the floor of a distance, and where a curve
/// was not a number.
class PlotMarks : public QCPLayerable {
public:
    struct Level {
        double y;
        QString label;
    };
    PlotMarks(QCustomPlot* plot, const QString& layer);
    std::vector<MarkView> marks;
    std::vector<Level> levels;
    std::vector<double> notFinite;

protected:
    void applyDefaultAntialiasingHint(QCPPainter* painter) const override;
    QRect clipRect() const override;
    void draw(QCPPainter* painter) override;

private:
    void drawRules(QCPPainter* painter, const QRect& area) const;
    void drawLevels(QCPPainter* painter, const QRect& area) const;
    void drawNotFinite(QCPPainter* painter, const QRect& area) const;
};

/// The linked crosshair with the value of every curve, on a layer of its own, so that moving it repaints nothing else.
class PlotCrosshair : public QCPLayerable {
public:
    struct Reading {
        QString name, value;
        QColor colour;
        double y = 0.0;
        bool dot = true;
    };
    PlotCrosshair(QCustomPlot* plot, const QString& layer, const TimeAxis* axis);
    std::vector<Reading> readings;
    double shownX = 0.0; // where the readings were taken: the nearest point

protected:
    void applyDefaultAntialiasingHint(QCPPainter* painter) const override;
    QRect clipRect() const override;
    void draw(QCPPainter* painter) override;

private:
    const TimeAxis* m_axis;
};

/// Ticks with our numbers.
class ValueTicker : public QCPAxisTicker {
protected:
    QString getTickLabel(double tick, const QLocale& locale, QChar formatChar, int precision) override;
};
class LogTicker : public QCPAxisTickerLog {
protected:
    QString getTickLabel(double tick, const QLocale& locale, QChar formatChar, int precision) override;
};
class SharedTicker : public QCPAxisTicker {
public:
    explicit SharedTicker(const TimeAxis* axis) : m_axis(axis) {}

protected:
    double getTickStep(const QCPRange& range) override;
    QString getTickLabel(double tick, const QLocale& locale, QChar formatChar, int precision) override;

private:
    const TimeAxis* m_axis;
};

/// Round steps of 1, 2, 5 × 10^k, or of minutes and hours, at most `most` of them in `span`.
double niceStep(XAxis kind, double span, int most);

} // namespace espalier::widgets
