// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_lanes.h"

#include "widgets/lane_room.h"
#include "widgets/plot_marks.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QToolTip>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {

using namespace lanes;

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
    return {600, kHead + heightOf(laneCount()) + kGapBelow + QFontMetrics(typeFont(Type::Small)).height() + 10};
}

QSize StageLanes::minimumSizeHint() const
{
    return {240, sizeHint().height()};
}

void StageLanes::setBlocks(const std::vector<BlockView>& blocks)
{
    const int before = laneCount();
    m_blocks = blocks;
    if (laneCount() != before)
        updateGeometry();
    QStringList words;
    for (const auto& block : m_blocks) {
        words << qstr(block.title) + QLatin1String(": ") + qstr(block.detail);
        if (block.lanes > 1)
            words.last() += QLatin1String(", ") + stateWords(block.state).toLower();
    }
    setAccessibleDescription(words.join(QLatin1String("; ")));
    showButtons();
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
    placeButtons();
}

QRectF StageLanes::laneArea() const
{
    const int right = m_right > m_left + 40 ? std::min(m_right, width() - 12) : width() - metric::kCardPadding - metric::kPlotRight;
    return QRectF(m_left, kHead, right - m_left, heightOf(laneCount()));
}

int StageLanes::laneCount() const
{
    int most = 1;
    for (const auto& block : m_blocks)
        most = std::max(most, block.lanes);
    return most;
}

QRectF StageLanes::laneOf(const BlockView& block) const
{
    const QRectF all = laneArea();
    if (block.lanes <= 1)
        return all;
    const auto [lane, gap] = thicknessOf(block.lanes);
    return QRectF(all.left(), all.top() + block.lane * (lane + gap), all.width(), lane);
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

void StageLanes::setPointed(int index)
{
    if (std::exchange(m_pointed, index) != index)
        update();
}

QRectF StageLanes::areaOf(std::size_t place) const
{
    const BlockView& block = m_blocks[place];
    const QRectF lane = laneOf(block);
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
    const auto it = std::find_if(m_blocks.begin(), m_blocks.end(), [&](const auto& block) {
        const QRectF row = laneOf(block);
        return x >= block.x0 && x < block.x1 && position.y() >= row.top() && position.y() < row.bottom() + kLaneGap;
    });
    return it == m_blocks.end() ? nullptr : &*it;
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
