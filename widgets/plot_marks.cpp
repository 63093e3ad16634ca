// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plot_marks.h"

#include "widgets/format.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

double niceStep(XAxis kind, double span, int most)
{
    span *= 0.97; // the little room behind the end of a run takes no tick away
    if (kind == XAxis::TrainingTime || kind == XAxis::WallTime) {
        for (const double step :
             {1., 2., 5., 10., 20., 30., 60., 120., 300., 600., 1200., 1800., 3600., 7200., 14400., 21600., 43200., 86400.})
            if (span / step <= most)
                return step;
    }
    const double step = std::pow(10.0, std::floor(std::log10(std::max(span / most, 1e-12))));
    for (const double factor : {1.0, 2.0, 5.0})
        if (span / (step * factor) <= most)
            return step * factor;
    return step * 10;
}

PlotMarks::PlotMarks(QCustomPlot* plot, const QString& layer) : QCPLayerable(plot, layer) {}

void PlotMarks::applyDefaultAntialiasingHint(QCPPainter* painter) const
{
    painter->setAntialiasing(true);
}

QRect PlotMarks::clipRect() const
{
    return parentPlot()->viewport();
}

void PlotMarks::draw(QCPPainter* painter)
{
    const QRect area = parentPlot()->axisRect()->rect();
    drawRules(painter, area);
    drawLevels(painter, area);
    drawNotFinite(painter, area);
}

void PlotMarks::drawRules(QCPPainter* painter, const QRect& area) const
{
    const auto& t = tokens(parentPlot()->palette());
    painter->setFont(typeFont(Type::Small));
    double lastRight = -1e9;
    for (const auto& mark : marks) {
        const double x = parentPlot()->xAxis->coordToPixel(mark.x);
        if (x < area.left() || x > area.right())
            continue;
        painter->setPen(QPen(t.dim, 1, mark.stage ? Qt::DotLine : Qt::DashLine));
        painter->drawLine(QPointF(std::round(x) + 0.5, area.top()), QPointF(std::round(x) + 0.5, area.bottom()));
        const QString label = qstr(mark.label);
        const double wide = QFontMetricsF(painter->font()).horizontalAdvance(label);
        if (x + 4 < lastRight || x + 4 + wide > area.right())
            continue;
        painter->setPen(t.dim);
        painter->drawText(QPointF(x + 4, area.top() + QFontMetricsF(painter->font()).ascent() + 1), label);
        lastRight = x + 4 + wide + 4;
    }
}

void PlotMarks::drawLevels(QCPPainter* painter, const QRect& area) const
{
    const auto& t = tokens(parentPlot()->palette());
    painter->setFont(typeFont(Type::Small));
    const QFontMetricsF metrics(painter->font());
    for (const auto& level : levels) {
        const double y = parentPlot()->yAxis->coordToPixel(level.y);
        const bool above = y<area.top(), below = y> area.bottom();
        const QString label = above ? level.label + QStringLiteral(" ↑") : below ? level.label + QStringLiteral(" ↓") : level.label;
        const double wide = metrics.horizontalAdvance(label);
        painter->setPen(QPen(t.dim, 1, Qt::DashLine));
        if (!above && !below)
            painter->drawLine(QPointF(area.left(), std::round(y) + 0.5), QPointF(area.right(), std::round(y) + 0.5));
        const double baseline = above   ? area.top() + metrics.ascent() + 1
                                : below ? area.bottom() - 3
                                        : std::max(y - 3, area.top() + metrics.ascent());
        painter->setPen(t.dim);
        painter->drawText(QPointF(area.right() - wide, baseline), label);
    }
}

void PlotMarks::drawNotFinite(QCPPainter* painter, const QRect& area) const
{
    const auto& t = tokens(parentPlot()->palette());
    painter->setPen(Qt::NoPen);
    painter->setBrush(t.failure);
    for (const double at : notFinite) {
        const double x = parentPlot()->xAxis->coordToPixel(at);
        if (x >= area.left() && x <= area.right())
            painter->drawPolygon(
                QPolygonF({QPointF(x - 3.5, area.bottom()), QPointF(x + 3.5, area.bottom()), QPointF(x, area.bottom() - 7)}));
    }
}

PlotCrosshair::PlotCrosshair(QCustomPlot* plot, const QString& layer, const TimeAxis* axis) : QCPLayerable(plot, layer), m_axis(axis) {}

void PlotCrosshair::applyDefaultAntialiasingHint(QCPPainter* painter) const
{
    painter->setAntialiasing(true);
}

QRect PlotCrosshair::clipRect() const
{
    return parentPlot()->viewport();
}

void PlotCrosshair::draw(QCPPainter* painter)
{
    if (!m_axis->pointer())
        return;
    const QRect area = parentPlot()->axisRect()->rect();
    const double x = parentPlot()->xAxis->coordToPixel(*m_axis->pointer());
    if (x < area.left() || x > area.right())
        return;
    const auto& t = tokens(parentPlot()->palette());
    painter->setPen(QPen(t.dim, 1, Qt::DotLine));
    painter->drawLine(QPointF(std::round(x) + 0.5, area.top()), QPointF(std::round(x) + 0.5, area.bottom()));
    if (readings.empty())
        return;

    const QFont small = typeFont(Type::Small);
    painter->setFont(small);
    const QFontMetricsF metrics(small);
    const QString title = xText(m_axis->kind(), shownX);
    double wide = tabularWidth(small, title);
    for (const auto& reading : readings) {
        wide = std::max(wide, 14 + metrics.horizontalAdvance(reading.name) + 12 + tabularWidth(small, reading.value));
        if (reading.dot && std::isfinite(reading.y)) {
            painter->setPen(QPen(t.card, 1.5));
            painter->setBrush(reading.colour);
            painter->drawEllipse(QPointF(parentPlot()->xAxis->coordToPixel(shownX), parentPlot()->yAxis->coordToPixel(reading.y)), 4, 4);
        }
    }
    const double line = metrics.height() + 2;
    const QSizeF size(wide + 20, line * static_cast<double>(readings.size() + 1) + 10);
    double left = x + 12;
    if (left + size.width() > area.right())
        left = x - 12 - size.width();
    const QRectF box(QPointF(std::max<double>(left, area.left()), area.top() + 4), size);
    drawRounded(*painter, box, t.panel, t.line, 6);
    painter->setPen(t.dim);
    const QRectF row(box.left() + 10, box.top() + 5, wide, line);
    drawTabular(*painter, row, Qt::AlignLeft | Qt::AlignVCenter, title);
    double top = row.top() + line;
    for (const auto& reading : readings) {
        painter->setPen(Qt::NoPen);
        painter->setBrush(reading.colour);
        painter->drawEllipse(QPointF(row.left() + 4, top + line / 2), 3.5, 3.5);
        painter->setPen(t.dim);
        painter->drawText(QRectF(row.left() + 14, top, wide, line), Qt::AlignLeft | Qt::AlignVCenter, reading.name);
        painter->setPen(t.text);
        drawTabular(*painter, QRectF(row.left(), top, wide, line), Qt::AlignRight | Qt::AlignVCenter, reading.value);
        top += line;
    }
}

QString ValueTicker::getTickLabel(double tick, const QLocale&, QChar, int)
{
    if (std::abs(tick) < 1e-12)
        return QStringLiteral("0");
    if (std::abs(tick) >= 1e4)
        return compact(tick);
    if (std::abs(tick) < 1e-3)
        return value(tick, 4);
    return QString::number(tick, 'g', 4).replace(QLatin1Char('-'), QChar(0x2212));
}

QString LogTicker::getTickLabel(double tick, const QLocale&, QChar, int)
{
    return tick >= 1e-3 && tick < 1e4 ? QString::number(tick, 'g', 3) : value(tick, 4);
}

double SharedTicker::getTickStep(const QCPRange& range)
{
    return niceStep(m_axis->kind(), range.size(), tickCount());
}

QString SharedTicker::getTickLabel(double tick, const QLocale&, QChar, int)
{
    return xText(m_axis->kind(), std::abs(tick) < 1e-9 ? 0.0 : tick);
}

} // namespace espalier::widgets
