// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_lanes.h"

#include "widgets/plot_marks.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {
namespace {

constexpr int kHead = 30, kLane = 44, kGapBelow = 6;
constexpr qreal kMark = 12.0, kBetween = 1.5, kLeastDetail = 34.0;

bool isMark(const BlockView& block)
{
    return block.search && !(block.x1 > block.x0);
}

/// "Stage 3", or its number alone where there is no room; empty where that has none either, and of a search that cannot be named whole.
QString titleIn(const BlockView& block, qreal width)
{
    const QFontMetricsF metrics(typeFont(Type::Strong));
    for (const QString& title : {qstr(block.title), block.search ? QString() : QString::number(block.index + 1)})
        if (metrics.horizontalAdvance(title) <= width)
            return title;
    return {};
}

} // namespace

StageLanes::StageLanes(TimeAxis* axis, QWidget* parent) : QWidget(parent), m_axis(axis), m_left(metric::kCardPadding + metric::kPlotLeft)
{
    setObjectName(QStringLiteral("stageLanes"));
    setAccessibleName(QStringLiteral("Schedule"));
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    connect(axis, &TimeAxis::rangeChanged, this, qOverload<>(&QWidget::update));
    connect(axis, &TimeAxis::pointerChanged, this, qOverload<>(&QWidget::update));
}

QSize StageLanes::sizeHint() const
{
    return {600, kHead + kLane + kGapBelow + QFontMetrics(typeFont(Type::Small)).height() + 10};
}

QSize StageLanes::minimumSizeHint() const
{
    return {240, sizeHint().height()};
}

void StageLanes::setBlocks(const std::vector<BlockView>& blocks)
{
    m_blocks = blocks;
    QStringList words;
    for (const auto& block : m_blocks)
        words << qstr(block.title) + QLatin1String(": ") + qstr(block.detail);
    setAccessibleDescription(words.join(QLatin1String("; ")));
    update();
}

void StageLanes::setWords(const QString& schedule, const QString& forecast, const QString& detail)
{
    m_schedule = schedule;
    m_forecast = forecast;
    m_detail = detail;
    update();
}

void StageLanes::setTraining(bool training)
{
    if (std::exchange(m_training, training) != training)
        update();
}

void StageLanes::setSpan(int left, int right)
{
    if (std::exchange(m_left, left) != left)
        update();
    if (std::exchange(m_right, right) != right)
        update();
}

QRectF StageLanes::laneArea() const
{
    const int right = m_right > m_left + 40 ? std::min(m_right, width() - 12) : width() - metric::kCardPadding - metric::kPlotRight;
    return QRectF(m_left, kHead, right - m_left, kLane);
}

qreal StageLanes::pixelOf(double x) const
{
    const QRectF area = laneArea();
    const double span = m_axis->to() - m_axis->from();
    return span > 0 ? area.left() + (x - m_axis->from()) / span * area.width() : area.left();
}

double StageLanes::valueAt(qreal pixel) const
{
    const QRectF area = laneArea();
    return m_axis->from() + (pixel - area.left()) / area.width() * (m_axis->to() - m_axis->from());
}

void StageLanes::setSelected(int index)
{
    if (std::exchange(m_selected, index) != index)
        update();
}

QRectF StageLanes::areaOf(std::size_t place) const
{
    const QRectF lane = laneArea();
    const BlockView& block = m_blocks[place];
    const qreal left = pixelOf(block.x0), right = pixelOf(block.x1);
    if (isMark(block)) { // at the start of the run it stands right of the edge
        const qreal from = std::max(left - kMark / 2, place == 0 && block.x0 <= 0 ? left : left - kMark / 2);
        return QRectF(from, lane.top(), kMark, lane.height());
    }
    QRectF area(left, lane.top(), std::max(3.0, right - left), lane.height());
    if (place > 0)
        area.setLeft(isMark(m_blocks[place - 1]) ? areaOf(place - 1).right() + 2 * kBetween : area.left() + kBetween);
    if (place + 1 < m_blocks.size())
        area.setRight(area.right() - (isMark(m_blocks[place + 1]) ? kMark / 2 + 2 * kBetween : kBetween));
    if (area.width() < 3.0)
        area.setWidth(3.0);
    return area;
}

const BlockView* StageLanes::blockAt(const QPointF& position) const
{
    const QRectF lane = laneArea();
    if (!lane.adjusted(-kMark, 0, kMark, 0).contains(position))
        return nullptr;
    for (std::size_t i = 0; i < m_blocks.size(); ++i) // marks lie over the boundary of their neighbours
        if (isMark(m_blocks[i]) && areaOf(i).adjusted(-kBetween, 0, kBetween, 0).contains(position))
            return &m_blocks[i];
    if (!lane.contains(position))
        return nullptr;
    const double x = valueAt(position.x());
    const auto it = std::find_if(m_blocks.begin(), m_blocks.end(), [x](const auto& block) { return x >= block.x0 && x < block.x1; });
    return it == m_blocks.end() ? nullptr : &*it;
}

void StageLanes::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const auto& t = tokens(palette());
    drawRounded(painter, rect(), t.card, hasFocus() ? t.accent : t.line);

    QFont label = typeFont(Type::Small);
    label.setWeight(QFont::DemiBold);
    painter.setFont(label);
    painter.setPen(t.dim);
    const QString heading = QStringLiteral("SCHEDULE");
    const qreal left = metric::kCardPadding + 2;
    const QRectF head(left, 6, width() - 2 * left, kHead - 8);
    painter.drawText(head, Qt::AlignLeft | Qt::AlignVCenter, heading);
    const qreal headingWidth = QFontMetricsF(label).horizontalAdvance(heading) + 10;
    drawTabular(painter, head.adjusted(headingWidth, 0, 0, 0), Qt::AlignLeft | Qt::AlignVCenter, m_schedule);

    const QRectF area = laneArea();
    const qreal side = width() - metric::kCardPadding - area.right() - 24;
    painter.setFont(typeFont(Type::Small));
    if (side > 120) { // the tiles stand below: what the schedule costs belongs above them
        painter.setPen(t.dim);
        const QRectF column(area.right() + metric::kPlotRight + metric::kCardPadding + metric::kCardGap + 14, area.top(), side, kLane);
        painter.setPen(t.text);
        drawTabular(painter, column.adjusted(0, 4, 0, -kLane / 2.0), Qt::AlignLeft | Qt::AlignVCenter, m_forecast);
        painter.setPen(t.dim);
        drawTabular(painter, column.adjusted(0, kLane / 2.0, 0, -4), Qt::AlignLeft | Qt::AlignVCenter, m_detail);
    } else {
        drawTabular(painter, head, Qt::AlignRight | Qt::AlignVCenter, m_forecast);
    }

    if (m_blocks.empty()) {
        painter.setPen(t.dim);
        painter.drawText(area, Qt::AlignCenter, QStringLiteral("The stages of the schedule appear here when the run is planned."));
        return;
    }
    painter.save();
    painter.setClipRect(area.adjusted(-1, -8, 1, 8));
    for (std::size_t i = 0; i < m_blocks.size(); ++i)
        paintBlock(painter, i);
    const qreal now = pixelOf(m_axis->now());
    if (m_axis->now() > 0 && now >= area.left() && now <= area.right() + 0.5) {
        painter.setPen(QPen(t.text, m_training ? 1.6 : 1.0));
        painter.drawLine(QPointF(now, area.top() - 6), QPointF(now, area.bottom() + 4));
    }
    if (m_axis->pointer()) {
        painter.setPen(QPen(t.dim, 1, Qt::DotLine));
        const qreal x = pixelOf(*m_axis->pointer());
        painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom() + 4));
    }
    painter.restore();
    paintAxis(painter);
}

void StageLanes::paintBlock(QPainter& painter, std::size_t place) const
{
    const auto& t = tokens(palette());
    const BlockView& block = m_blocks[place];
    const QRectF lane = laneArea(), area = areaOf(place);
    if (area.right() < lane.left() - 20 || area.left() > lane.right() + 20)
        return;
    QPainterPath shape;
    const qreal radius = std::min(6.0, area.width() / 3);
    shape.addRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius);

    const QColor full = block.search ? t.search : t.accent;
    QColor tint = block.search ? t.search : t.softAccent;
    if (block.search)
        tint.setAlphaF(0.3f);
    const double done = std::clamp(m_axis->now(), block.x0, std::max(block.x0, block.x1));
    const qreal donePixel = std::clamp(pixelOf(done), area.left(), area.right());
    painter.save();
    painter.setClipPath(shape, Qt::IntersectClip);
    if (!block.started) {
        painter.fillRect(area, hatch(block.search ? t.search : t.line, t.card, devicePixelRatioF()));
    } else if (block.ended) {
        painter.fillRect(area, full);
    } else {
        painter.fillRect(area, tint);
        painter.fillRect(QRectF(area.left(), area.top(), donePixel - area.left(), area.height()), full);
    }
    painter.restore();
    const bool selected = !block.search && block.index == m_selected && m_blocks.size() > 1;
    if (!block.started || !block.ended || selected) {
        const QColor line = block.started ? t.text : block.search ? t.search : t.line;
        painter.setPen(QPen(selected ? t.text : line, selected ? 2.0 : block.started ? 1.4 : 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(shape);
    }

    // Words twice, in the ink of the ground they lie on: filled part and the rest.
    const QRectF inner = lane.intersected(area);
    const qreal pad = std::min(10.0, inner.width() / 5);
    const QRectF words = inner.adjusted(pad, 5, -std::min(6.0, pad), -5);
    const QString title = titleIn(block, words.width());
    if (title.isEmpty())
        return;
    const auto write = [&](const QRectF& clip, const QColor& ink) {
        if (clip.width() <= 0)
            return;
        painter.save();
        painter.setClipRect(clip, Qt::IntersectClip);
        painter.setPen(ink);
        const QFont small = typeFont(Type::Small);
        painter.setFont(typeFont(Type::Strong));
        painter.drawText(words, Qt::AlignLeft | Qt::AlignTop, title);
        painter.setFont(small);
        if (words.width() > kLeastDetail)
            painter.drawText(words, Qt::AlignLeft | Qt::AlignBottom,
                             QFontMetricsF(small).elidedText(qstr(block.detail), Qt::ElideRight, words.width()));
        painter.restore();
    };
    const qreal edge = block.ended ? area.right() : block.started ? donePixel : area.left();
    write(QRectF(area.left(), area.top(), edge - area.left(), area.height()), t.onAccent);
    write(QRectF(edge, area.top(), area.right() - edge, area.height()), block.started ? t.text : t.dim);
}

void StageLanes::paintAxis(QPainter& painter) const
{
    const auto& t = tokens(palette());
    const QRectF area = laneArea();
    const double span = m_axis->to() - m_axis->from();
    if (!(span > 0))
        return;
    const double step = niceStep(m_axis->kind(), span, std::max(2, static_cast<int>(area.width() / 90)));
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    const qreal top = area.bottom() + kGapBelow;
    const QFont f = painter.font();
    qreal lastRight = -1e9;
    for (double x = std::ceil(m_axis->from() / step - 1e-9) * step; x <= m_axis->to() + step * 1e-6; x += step) {
        const QString text = xText(m_axis->kind(), x);
        const qreal wide = tabularWidth(f, text);
        const qreal left = std::clamp(pixelOf(x) - wide / 2, area.left() - metric::kPlotLeft, area.right() + metric::kPlotRight - wide);
        if (left < lastRight + 12)
            continue;
        drawTabular(painter, QRectF(left, top, wide, QFontMetricsF(f).height()), Qt::AlignLeft | Qt::AlignVCenter, text);
        lastRight = left + wide;
    }
}

bool StageLanes::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    auto* help = static_cast<QHelpEvent*>(event);
    const auto* block = blockAt(help->pos());
    if (block == nullptr) {
        QToolTip::hideText();
        return true;
    }
    QStringList lines{block->tip.empty() ? qstr(block->title) + QLatin1Char('\n') + qstr(block->detail) : qstr(block->tip)};
    if (block->x1 > block->x0)
        lines << QStringLiteral("%1 to %2%3")
                     .arg(xText(m_axis->kind(), block->x0), xText(m_axis->kind(), block->x1),
                          block->ended ? QString() : QStringLiteral(" (forecast)"));
    lines << (block->search ? QStringLiteral("Click to see what it found.")
                            : QStringLiteral("Click to zoom there, double-click to see all; the right button has more."));
    QToolTip::showText(help->globalPos(), lines.join(QLatin1Char('\n')), this);
    return true;
}

void StageLanes::mousePressEvent(QMouseEvent* event)
{
    if (event->button() != Qt::LeftButton)
        return;
    const auto* block = blockAt(event->position());
    if (block == nullptr)
        return;
    const BlockView chosen = *block; // zooming may bring new blocks
    if (chosen.search)
        return Q_EMIT searchClicked(chosen.index);
    setSelected(chosen.index);
    if (m_blocks.size() == 1)
        m_axis->showAll();
    else
        m_axis->zoomTo(chosen.x0, chosen.x1);
    Q_EMIT blockClicked(chosen.index);
}

void StageLanes::contextMenuEvent(QContextMenuEvent* event)
{
    const BlockView* block = nullptr;
    if (event->reason() == QContextMenuEvent::Mouse)
        block = blockAt(event->pos());
    else // the chosen stage, else the one that trains
        for (const BlockView& each : m_blocks)
            if (!each.search && (each.index == m_selected || (m_selected < 0 && each.started)))
                block = &each;
    if (block == nullptr || !m_fillMenu)
        return;
    const BlockView chosen = *block;
    QMenu menu(this);
    menu.setToolTipsVisible(true);
    m_fillMenu(menu, chosen);
    if (!menu.isEmpty())
        menu.exec(event->globalPos());
}

void StageLanes::mouseDoubleClickEvent(QMouseEvent*)
{
    setSelected(-1);
    Q_EMIT blockClicked(-1);
    m_axis->showAll();
}

void StageLanes::mouseMoveEvent(QMouseEvent* event)
{
    const QRectF area = laneArea();
    if (event->position().x() >= area.left() && event->position().x() <= area.right())
        m_axis->setPointer(valueAt(event->position().x()));
    else
        m_axis->setPointer(std::nullopt);
}

void StageLanes::leaveEvent(QEvent*)
{
    m_axis->setPointer(std::nullopt);
}

void StageLanes::wheelEvent(QWheelEvent* event)
{
    m_axis->zoomAround(valueAt(event->position().x()), zoomOfWheel(*event));
    event->accept();
}

void StageLanes::keyPressEvent(QKeyEvent* event)
{
    if (!m_axis->moveByKey(event->key()))
        QWidget::keyPressEvent(event);
}

} // namespace espalier::widgets
