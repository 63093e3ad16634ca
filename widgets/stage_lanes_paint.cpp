// SPDX-License-Identifier: GPL-3.0-or-later
// How the lanes are drawn.
#include "widgets/lane_room.h"
#include "widgets/plot_marks.h"
#include "widgets/stage_lanes.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QFontMetricsF>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

using namespace lanes;

namespace {

constexpr qreal kLeastDetail = 34.0, kState = 10.0, kLeastWords = 15.0;

/// "Stage 3", or its number alone where there is no room; empty where that has none either, and of a search that cannot be named whole.
/// What has no number is cut.
QString titleIn(const BlockView& block, const QFont& font, qreal width)
{
    const QFontMetricsF metrics(font);
    const QString whole = qstr(block.title), last = whole.section(QStringLiteral(" of "), 0, 0).section(QLatin1Char(' '), -1);
    bool numbered = false;
    last.toInt(&numbered);
    for (const QString& title : {whole, block.search || !numbered ? QString() : last})
        if (metrics.horizontalAdvance(title) <= width)
            return title.isEmpty() && !block.search && width > kLeastDetail ? metrics.elidedText(whole, Qt::ElideRight, width) : title;
    return {};
}

/// "Module 1 of 4", "Module 1" or "1": as much of it as leaves room to say how the module fares, where anything does.
QString titleBeside(const BlockView& block, const QFont& strong, const QFont& small, qreal width)
{
    constexpr qreal kGap = 10.0, kLoss = 66.0;
    const QFontMetricsF titles(strong);
    const qreal detail = std::min(kLoss, QFontMetricsF(small).horizontalAdvance(qstr(block.detail)));
    const QString whole = qstr(block.title), one = whole.section(QStringLiteral(" of "), 0, 0);
    for (const QString& title : {whole, one, one.section(QLatin1Char(' '), -1)})
        if (titles.horizontalAdvance(title) + kGap + detail <= width)
            return title;
    return titleIn(block, strong, width);
}

/// "loss 0.149 · GPU 0 · 3 m left", or as many of its words from the left as there is room for; the first is cut where it has none.
QString detailIn(const BlockView& block, const QFont& font, qreal width)
{
    const QFontMetricsF metrics(font);
    QStringList words = qstr(block.detail).split(QStringLiteral(" · "));
    while (words.size() > 1 && metrics.horizontalAdvance(words.join(QStringLiteral(" · "))) > width)
        words.removeLast();
    return metrics.elidedText(words.join(QStringLiteral(" · ")), Qt::ElideRight, width);
}

} // namespace

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
    paintNow(painter);
    if (m_axis->pointer()) {
        painter.setPen(QPen(t.dim, 1, Qt::DotLine));
        const qreal x = pixelOf(*m_axis->pointer());
        painter.drawLine(QPointF(x, area.top() - 4), QPointF(x, area.bottom() + 4));
    }
    painter.restore();
    paintAxis(painter);
}

/// One line through the whole, or while stages side by side train one in each of their lanes that trains.
void StageLanes::paintNow(QPainter& painter) const
{
    const QRectF area = laneArea();
    painter.setPen(QPen(tokens(palette()).text, m_training ? 1.6 : 1.0));
    const auto line = [&](double x, qreal top, qreal bottom) {
        const qreal now = pixelOf(x);
        if (x > 0 && now >= area.left() && now <= area.right() + 0.5)
            painter.drawLine(QPointF(now, top), QPointF(now, bottom));
    };
    bool beside = false;
    for (const BlockView& block : m_blocks) {
        if (block.lanes <= 1 || !block.started)
            continue;
        beside = beside || !block.ended;
        if (!block.ended && runs::isLive(block.state))
            line(block.reached.value_or(m_axis->now()), laneOf(block).top(), laneOf(block).bottom());
    }
    if (!beside)
        line(m_axis->now(), area.top() - 6, area.bottom() + 4);
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
    const double done = std::clamp(block.reached.value_or(m_axis->now()), block.x0, std::max(block.x0, block.x1));
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
    const bool selected = !block.search && (block.index == m_selected || block.index == m_pointed) && m_blocks.size() > 1;
    if (!block.started || !block.ended || selected) {
        const bool failed = block.lanes > 1 && block.state == runs::RunState::Failed;
        const QColor line = failed ? t.failure : block.started ? t.text : block.search ? t.search : t.line;
        painter.setPen(QPen(selected ? t.text : line, selected ? 2.0 : block.started ? 1.4 : 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(shape);
    }

    paintWords(painter, block, lane.intersected(area), block.ended ? area.right() : block.started ? donePixel : area.left());
}

/// Twice, in the ink of the ground they lie on: left of `edge` the block is filled. A thin lane has them on one line, with its state.
void StageLanes::paintWords(QPainter& painter, const BlockView& block, const QRectF& area, qreal edge) const
{
    const auto& t = tokens(palette());
    const bool thin = block.lanes > 1;
    const qreal pad = std::min(thin ? 6.0 : 10.0, area.width() / 5);
    const qreal high = thin ? 0.0 : 5.0;
    QRectF words = area.adjusted(pad, high, -std::min(6.0, pad), -high);
    if (!thin) // both lines stay together in a block that stands beside several lanes
        words.setHeight(kLane - 2 * high);
    const QRectF mark(words.left(), words.center().y() - kState / 2, kState, kState);
    const bool marked = thin && area.height() >= kState && area.width() > kState + 4;
    if (marked)
        words.setLeft(mark.right() + 6);
    const QFont small = typeFont(Type::Small);
    QFont strong = typeFont(thin ? Type::Small : Type::Strong);
    strong.setWeight(QFont::DemiBold);
    const QString title = thin && area.height() < kLeastWords ? QString()
                          : thin                              ? titleBeside(block, strong, small, words.width())
                                                              : titleIn(block, strong, words.width());
    if (title.isEmpty() && !marked)
        return;
    QRectF details = words;
    if (thin)
        details.setLeft(words.left() + QFontMetricsF(strong).horizontalAdvance(title) + 10);
    const auto write = [&](const QRectF& clip, const QColor& ink, const QColor& failure) {
        if (clip.width() <= 0)
            return;
        painter.save();
        painter.setClipRect(clip, Qt::IntersectClip);
        if (marked) {
            Tokens inks = t;
            inks.accent = inks.dim = inks.pause = ink;
            inks.failure = failure;
            drawState(painter, mark, block.state, inks);
        }
        painter.setPen(ink);
        painter.setFont(strong);
        painter.drawText(words, Qt::AlignLeft | (thin ? Qt::AlignVCenter : Qt::AlignTop), title);
        painter.setFont(small);
        if (!title.isEmpty() && details.width() > kLeastDetail)
            painter.drawText(details, Qt::AlignLeft | (thin ? Qt::AlignVCenter : Qt::AlignBottom), detailIn(block, small, details.width()));
        painter.restore();
    };
    write(QRectF(area.left(), area.top(), edge - area.left(), area.height()), t.onAccent, t.onAccent);
    write(QRectF(edge, area.top(), area.right() - edge, area.height()), block.started ? t.text : t.dim, t.failure);
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

} // namespace espalier::widgets
