// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plot_view.h"

#include "core/runs/metrics.h"

#include "widgets/format.h"
#include "widgets/plot_marks.h"
#include "widgets/plot_picture.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier::widgets {
namespace {

QString floorTitle(const std::string& metric)
{
    const auto* known = runs::leadingMetric(metric);
    return known != nullptr ? qstr(known->floor) : QStringLiteral("floor");
}

constexpr int kBottom = 26, kTop = 8;

void setPoints(QCPGraph* graph, const std::vector<runs::CurvePoint>& points, bool positiveOnly, std::optional<double> breakAfter)
{
    QVector<QCPGraphData> data;
    data.reserve(static_cast<qsizetype>(points.size()) + 1);
    for (const auto& point : points) {
        if (!std::isfinite(point.y) || (positiveOnly && !(point.y > 0)))
            continue;
        if (breakAfter && point.x > *breakAfter && !data.isEmpty() && data.back().key <= *breakAfter)
            data.push_back(QCPGraphData(*breakAfter, std::numeric_limits<double>::quiet_NaN())); // which is not drawn
        data.push_back(QCPGraphData(point.x, point.y));
    }
    graph->data()->set(data, true);
}

/// The point of an ordered curve that lies nearest to x.
const runs::CurvePoint* nearest(const std::vector<runs::CurvePoint>& points, double x)
{
    if (points.empty())
        return nullptr;
    auto it = std::lower_bound(points.begin(), points.end(), x, [](const auto& point, double at) { return point.x < at; });
    if (it == points.end() || (it != points.begin() && x - std::prev(it)->x < it->x - x))
        --it;
    return &*it;
}

} // namespace

std::vector<runs::CurvePoint> smoothed(const std::vector<runs::CurvePoint>& means, double amount, double pixel)
{
    std::vector<runs::CurvePoint> line;
    line.reserve(means.size());
    double sum = 0.0, weight = 0.0;
    for (const auto& point : means) {
        if (!std::isfinite(point.y))
            continue;
        const double apart = pixel > 0 && !line.empty() ? (point.x - line.back().x) / pixel : 1.0;
        const double kept = apart == 1.0 ? amount : std::pow(amount, apart);
        sum = kept * sum + (1 - kept) * point.y;
        weight = kept * weight + (1 - kept);
        line.push_back({point.x, sum / weight});
    }
    return line;
}

PlotView::PlotView(TimeAxis* axis, QWidget* parent) : QCustomPlot(parent), m_axis(axis)
{
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setMinimumSize(200, 110);
    setNoAntialiasingOnDrag(false);
    setPlottingHints(QCP::phFastPolylines | QCP::phCacheLabels);
    axisRect()->setAutoMargins(QCP::msNone);
    axisRect()->setMargins(QMargins(metric::kPlotLeft, kTop, metric::kPlotRight, kBottom));
    plotLayout()->setRowSpacing(0);
    plotLayout()->setColumnSpacing(0);
    xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new SharedTicker(axis)));
    setLogarithmic(false);

    addLayer(QStringLiteral("marks"), layer(QStringLiteral("main")), QCustomPlot::limBelow);
    layer(QStringLiteral("overlay"))->setMode(QCPLayer::lmBuffered); // topmost already
    m_marks = new PlotMarks(this, QStringLiteral("marks"));
    m_crosshair = new PlotCrosshair(this, QStringLiteral("overlay"), axis);
    applyColours();

    connect(axis, &TimeAxis::rangeChanged, this, [this] {
        if (m_axis->to() > m_axis->from())
            xAxis->setRange(m_axis->from(), m_axis->to());
        fitRange();
        queueReplot();
    });
    connect(axis, &TimeAxis::pointerChanged, this, [this] {
        readValues();
        layer(QStringLiteral("overlay"))->replot();
    });
}

void PlotView::applyColours()
{
    const auto& t = tokens(palette());
    setBackground(t.card);
    for (auto* one : {xAxis, yAxis}) {
        one->setBasePen(Qt::NoPen);
        one->setTickPen(Qt::NoPen);
        one->setSubTickPen(Qt::NoPen);
        one->setTickLabelColor(t.dim);
        one->setTickLabelFont(typeFont(Type::Small));
        one->setTickLabelPadding(6);
        one->grid()->setPen(QPen(t.line, 1));
        one->grid()->setZeroLinePen(QPen(t.line, 1));
        one->grid()->setSubGridVisible(false);
    }
    xAxis->grid()->setVisible(false);
    legend->setBrush(t.card);
    legend->setBorderPen(QPen(t.line));
    legend->setTextColor(t.text);
    legend->setFont(typeFont(Type::Small));
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        const QColor colour = t.series[static_cast<std::size_t>(m_curves[i].colour) % t.series.size()];
        QColor soft = colour;
        soft.setAlphaF(t.scheme == Scheme::Dark ? 0.30f : 0.26f);
        m_items[i].band->setPen(QPen(soft, 1));
        m_items[i].line->setPen(QPen(colour, 1.7, m_curves[i].dashed ? Qt::DashLine : Qt::SolidLine));
    }
    for (std::size_t i = 0; i < m_distanceGraphs.size(); ++i) {
        const QColor colour = t.series[(static_cast<std::size_t>(m_firstDistanceColour) + i) % t.series.size()];
        m_distanceGraphs[i]->setPen(QPen(colour, 1.7));
        m_distanceGraphs[i]->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDisc, colour, 5.5));
        m_errorBars[i]->setPen(QPen(colour, 1));
    }
}

void PlotView::rebuildGraphs()
{
    clearPlottables();
    m_items.clear();
    m_distanceGraphs.clear();
    m_errorBars.clear();
    for (std::size_t i = 0; i < m_curves.size(); ++i) {
        CurveItems items;
        items.band = addGraph();
        items.band->setAntialiased(false);
        items.band->removeFromLegend();
        m_items.push_back(items);
    }
    for (std::size_t i = 0; i < m_curves.size(); ++i) { // lines above all bands
        m_items[i].line = addGraph();
        m_items[i].line->setName(m_curves[i].name);
    }
    for (const auto& series : m_distances) {
        auto* graph = addGraph();
        graph->setName(qstr(series.recipe));
        m_distanceGraphs.push_back(graph);
        auto* bars = new QCPErrorBars(xAxis, yAxis);
        bars->removeFromLegend();
        bars->setDataPlottable(graph);
        bars->setWhiskerWidth(7);
        bars->setSymbolGap(0);
        m_errorBars.push_back(bars);
    }
    applyColours();
}

void PlotView::setCurves(std::vector<Curve> curves)
{
    const bool same =
        curves.size() == m_curves.size() && std::equal(curves.begin(), curves.end(), m_curves.begin(), [](const auto& a, const auto& b) {
            return a.name == b.name && a.colour == b.colour && a.dashed == b.dashed;
        });
    m_curves = std::move(curves);
    if (!same)
        rebuildGraphs();
    m_marks->notFinite.clear();
    for (std::size_t i = 0; i < m_curves.size(); ++i) {
        fillCurve(i);
        const auto& bad = m_curves[i].view.envelope.notFinite;
        m_marks->notFinite.insert(m_marks->notFinite.end(), bad.begin(), bad.end());
    }
    fitRange();
    readValues();
    queueReplot();
}

void PlotView::fillCurve(std::size_t at)
{
    const auto& view = m_curves[at].view;
    setPoints(m_items[at].band, view.envelope.points, m_logarithmic, view.breakAfter);
    const double pixel = (m_axis->to() - m_axis->from()) / std::max(1, axisRect()->width());
    setPoints(m_items[at].line, smoothed(view.means, m_smoothing, pixel), m_logarithmic, view.breakAfter);
    // A line needs two points; the very first one is shown as a dot.
    auto* line = m_items[at].line;
    line->setScatterStyle(line->dataCount() == 1 ? QCPScatterStyle(QCPScatterStyle::ssDisc, line->pen().color(), 5.0) : QCPScatterStyle());
}

void PlotView::setDistances(std::vector<DistanceSeries> series, int firstColour)
{
    if (firstColour == m_firstDistanceColour && series == m_distances)
        return; // most news are points of other curves
    const bool same =
        firstColour == m_firstDistanceColour && series.size() == m_distances.size() &&
        std::equal(series.begin(), series.end(), m_distances.begin(), [](const auto& a, const auto& b) { return a.recipe == b.recipe; });
    m_distances = std::move(series);
    m_firstDistanceColour = firstColour;
    if (!same)
        rebuildGraphs();
    m_marks->levels.clear();
    for (std::size_t i = 0; i < m_distances.size(); ++i) {
        QVector<double> x, y, spread;
        for (const auto& point : m_distances[i].points) {
            x << point.x;
            y << point.value;
            spread << point.spread.value_or(0.0);
        }
        m_distanceGraphs[i]->setData(x, y, true);
        m_errorBars[i]->setData(spread);
        if (i == 0 && m_distances[i].floor)
            m_marks->levels.push_back(
                {*m_distances[i].floor, floorTitle(m_distances[i].metric) + QLatin1Char(' ') + value(*m_distances[i].floor, 3)});
        if (i == 0 && m_distances[i].ceiling)
            m_marks->levels.push_back({*m_distances[i].ceiling, QStringLiteral("ceiling ") + value(*m_distances[i].ceiling, 3)});
    }
    fitRange();
    readValues();
    queueReplot();
}

void PlotView::setMarks(std::vector<MarkView> marks)
{
    if (marks == m_marks->marks)
        return;
    m_marks->marks = std::move(marks);
    queueReplot();
}

void PlotView::setSmoothing(double amount)
{
    m_smoothing = std::clamp(amount, 0.0, 0.9995);
    for (std::size_t i = 0; i < m_curves.size(); ++i)
        fillCurve(i);
    readValues();
    queueReplot();
}

void PlotView::setLogarithmic(bool on)
{
    m_logarithmic = on;
    yAxis->setScaleType(on ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
    yAxis->setTicker(QSharedPointer<QCPAxisTicker>(on ? static_cast<QCPAxisTicker*>(new LogTicker) : new ValueTicker));
    m_heldY.reset();
    for (std::size_t i = 0; i < m_items.size(); ++i)
        fillCurve(i);
    fitRange();
    queueReplot();
}

void PlotView::fitRange()
{
    if (m_axis->to() > m_axis->from())
        xAxis->setRange(m_axis->from(), m_axis->to());
    if (m_heldY) {
        yAxis->setRange(*m_heldY);
        return;
    }
    double low = INFINITY, high = -INFINITY;
    const auto take = [&](double v) {
        if (std::isfinite(v) && (!m_logarithmic || v > 0))
            low = std::min(low, v), high = std::max(high, v);
    };
    for (const auto& curve : m_curves)
        for (const auto& point : curve.view.envelope.points)
            if (point.x >= m_axis->from() && point.x <= m_axis->to())
                take(point.y);
    for (const auto& series : m_distances) {
        for (const auto& point : series.points) {
            if (point.x < m_axis->from() || point.x > m_axis->to())
                continue;
            take(point.value + point.spread.value_or(0.0));
            take(std::max(point.value - point.spread.value_or(0.0), m_logarithmic ? point.value * 0.5 : 0.0));
        }
        if (series.floor)
            take(*series.floor);
        if (!m_logarithmic)
            take(0.0);
    }
    if (!(low <= high)) {
        low = m_logarithmic ? 0.1 : 0.0;
        high = 1.0;
    }
    if (m_logarithmic) {
        const double pad = std::max(std::pow(high / low, 0.06), 1.02);
        yAxis->setRange(low / pad, high * pad);
    } else {
        const double pad = high > low ? (high - low) * 0.06 : std::max(std::abs(high) * 0.05, 1e-9);
        yAxis->setRange(m_distances.empty() ? low - pad : std::min(low, 0.0), high + pad);
    }
}

void PlotView::readValues()
{
    m_crosshair->readings.clear();
    if (!m_axis->pointer())
        return;
    const auto& t = tokens(palette());
    const double x = *m_axis->pointer();
    m_crosshair->shownX = x;
    for (std::size_t i = 0; i < m_curves.size(); ++i) {
        const auto line = m_items[i].line->data();
        const auto at = line->findBegin(x);
        if (line->isEmpty() || x > (line->constEnd() - 1)->key + (m_axis->to() - m_axis->from()) * 0.01)
            continue;
        m_crosshair->readings.push_back({m_curves[i].name, value(at->value), m_items[i].line->pen().color(), at->value, false});
        if (const auto* raw = nearest(m_curves[i].view.envelope.points, x);
            raw != nullptr && m_curves[i].view.envelope.exact && m_curves.size() == 1) {
            m_crosshair->shownX = raw->x;
            m_crosshair->readings.push_back({QStringLiteral("as measured"), value(raw->y), m_items[i].band->pen().color(), raw->y, true});
        }
    }
    for (std::size_t i = 0; i < m_distances.size(); ++i) {
        const DistanceView* best = nullptr;
        for (const auto& point : m_distances[i].points)
            if (best == nullptr || std::abs(point.x - x) < std::abs(best->x - x))
                best = &point;
        if (best == nullptr)
            continue;
        QString text = value(best->value);
        if (best->spread)
            text += QStringLiteral(" ± ") + value(*best->spread, 2);
        m_crosshair->shownX = best->x;
        m_crosshair->readings.push_back({qstr(runs::metricTitle(m_distances[i].metric)), text,
                                         t.series[(static_cast<std::size_t>(m_firstDistanceColour) + i) % t.series.size()], best->value,
                                         true});
    }
}

void PlotView::queueReplot()
{
    if (isVisible() && !window()->isMinimized())
        replot(rpQueuedReplot);
    else
        m_stale = true; // drawn when somebody looks
}

void PlotView::paintEvent(QPaintEvent* event)
{
    if (std::exchange(m_stale, false))
        replot(rpQueuedRefresh);
    QCustomPlot::paintEvent(event);
}

int PlotView::plotPixels() const
{
    return std::max(16, static_cast<int>(std::lround(axisRect()->width() * devicePixelRatioF())));
}

std::pair<int, int> PlotView::span() const
{
    const int left = mapToGlobal(QPoint(metric::kPlotLeft, 0)).x();
    return {left, left + width() - metric::kPlotLeft - metric::kPlotRight};
}

void PlotView::resizeEvent(QResizeEvent* event)
{
    QCustomPlot::resizeEvent(event);
    const int labels = std::max(2, (width() - metric::kPlotLeft - metric::kPlotRight) / 90);
    xAxis->ticker()->setTickCount(labels);
    yAxis->ticker()->setTickCount(std::clamp((height() - kTop - kBottom) / 34, 2, 7));
    Q_EMIT spanChanged();
}

void PlotView::changeEvent(QEvent* event)
{
    QCustomPlot::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        applyColours();
        queueReplot();
    }
}

void PlotView::mousePressEvent(QMouseEvent* event)
{
    setFocus(Qt::MouseFocusReason);
    if (event->button() == Qt::LeftButton) {
        m_dragFrom = event->pos();
        setCursor(Qt::ClosedHandCursor);
    }
}

void PlotView::mouseMoveEvent(QMouseEvent* event)
{
    if (m_dragFrom) {
        const double before = xAxis->pixelToCoord(m_dragFrom->x()), after = xAxis->pixelToCoord(event->pos().x());
        if (event->pos().x() != m_dragFrom->x())
            m_axis->panBy(before - after);
        m_dragFrom = event->pos();
        return;
    }
    if (axisRect()->rect().contains(event->pos()))
        m_axis->setPointer(xAxis->pixelToCoord(event->position().x()));
    else
        m_axis->setPointer(std::nullopt);
}

void PlotView::mouseReleaseEvent(QMouseEvent*)
{
    m_dragFrom.reset();
    unsetCursor();
}

void PlotView::mouseDoubleClickEvent(QMouseEvent*)
{
    m_dragFrom.reset();
    m_heldY.reset();
    m_axis->showAll();
    fitRange();
    queueReplot();
}

void PlotView::wheelEvent(QWheelEvent* event)
{
    const double factor = zoomOfWheel(*event);
    if (event->position().x() < metric::kPlotLeft || (event->modifiers() & Qt::ControlModifier)) {
        yAxis->scaleRange(factor, yAxis->pixelToCoord(event->position().y()));
        m_heldY = yAxis->range();
        queueReplot();
    } else {
        m_axis->zoomAround(xAxis->pixelToCoord(event->position().x()), factor);
    }
    event->accept();
}

void PlotView::leaveEvent(QEvent*)
{
    m_axis->setPointer(std::nullopt);
}

void PlotView::keyPressEvent(QKeyEvent* event)
{
    if (!m_axis->moveByKey(event->key()))
        QCustomPlot::keyPressEvent(event);
}

QPixmap PlotView::picture()
{
    return PlotPicture(this, m_axis->kind(), m_title).pixmap();
}

bool PlotView::saveImage(const QString& file)
{
    return PlotPicture(this, m_axis->kind(), m_title).save(file);
}

} // namespace espalier::widgets
