// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/schedule_drawing.h"

#include "widgets/theme.h"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {

namespace {

constexpr qreal kNames = 44, kHead = 38, kDepth = 66, kSide = 34, kFoot = 26, kBetween = 2, kLeast = 10;

} // namespace

ScheduleDrawing::ScheduleDrawing(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("scheduleDrawing"));
    setAccessibleName(tr("Drawing of the schedule"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void ScheduleDrawing::setBars(std::vector<ScheduleBar> bars)
{
    if (bars == m_bars)
        return;
    m_bars = std::move(bars);
    QStringList words;
    for (const ScheduleBar& bar : m_bars)
        words << QStringLiteral("%1: %2, %3, %4").arg(bar.title, bar.growth, bar.trains, bar.cost);
    setAccessibleDescription(words.join(QStringLiteral("; ")));
    update();
}

void ScheduleDrawing::setSelected(int index)
{
    if (std::exchange(m_selected, index) != index)
        update();
}

QRectF ScheduleDrawing::columnOf(std::size_t place) const
{
    double all = 0.0;
    for (const ScheduleBar& bar : m_bars)
        all += std::max(0.0, bar.length);
    const qreal wide = width() - kNames;
    const qreal room = std::max<qreal>(0, wide - kLeast * static_cast<qreal>(m_bars.size())); // none is too narrow to be seen
    qreal left = kNames;
    for (std::size_t i = 0; i < place; ++i)
        left += kLeast + (all > 0 ? room * std::max(0.0, m_bars[i].length) / all : 0);
    const qreal own = kLeast + (all > 0 ? room * std::max(0.0, m_bars[place].length) / all : room / static_cast<qreal>(m_bars.size()));
    return QRectF(left, 0, own, height());
}

int ScheduleDrawing::placeAt(const QPointF& position) const
{
    for (std::size_t i = 0; i < m_bars.size(); ++i)
        if (columnOf(i).contains(position))
            return static_cast<int>(i);
    return -1;
}

void ScheduleDrawing::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const Tokens& t = tokens(palette());
    const QFont small = typeFont(Type::Small), strong = typeFont(Type::Strong);
    const qreal line = kHead + kDepth;
    painter.setFont(small);
    painter.setPen(t.dim);
    if (m_bars.empty())
        return painter.drawText(rect(), Qt::AlignCenter, tr("The stages are drawn here when the schedule is right.")), void();
    painter.drawText(QRectF(0, kHead, kNames - 6, kDepth), Qt::AlignLeft | Qt::AlignBottom, tr("depth"));
    painter.drawText(QRectF(0, line + 2, kNames - 6, kSide), Qt::AlignLeft | Qt::AlignTop, tr("side"));
    for (std::size_t i = 0; i < m_bars.size(); ++i) {
        const ScheduleBar& bar = m_bars[i];
        const QRectF column = columnOf(i).adjusted(0, 0, i + 1 < m_bars.size() ? -kBetween : 0, 0);
        const bool selected = bar.index == m_selected && !bar.search;
        const QColor ink = bar.wrong ? t.failure : bar.search ? t.search : t.accent;
        const qreal high = std::max(4.0, kDepth * std::clamp(bar.depth, 0.0, 1.0)),
                    low = std::max(3.0, kSide * std::clamp(bar.side, 0.0, 1.0));
        const QRectF depth(column.left(), line - high, column.width(), high), side(column.left(), line + 2, column.width(), low);
        QPainterPath up;
        up.addRoundedRect(depth, 3, 3);
        painter.fillPath(up, bar.search ? hatch(ink, t.card, devicePixelRatioF()) : QBrush(bar.wrong ? t.card : t.softAccent));
        painter.save();
        painter.setClipPath(up, Qt::IntersectClip);
        if (!bar.search && !bar.wrong) // what trains lies at the bottom
            painter.fillRect(QRectF(depth.left(), line - high * bar.trained, depth.width(), high * bar.trained), ink);
        painter.restore();
        QPainterPath down;
        down.addRoundedRect(side, 3, 3);
        painter.fillPath(down, bar.search ? hatch(t.second, t.card, devicePixelRatioF()) : QBrush(t.second));
        if (selected || bar.wrong) {
            painter.setPen(QPen(bar.wrong ? t.failure : t.text, 1.6));
            painter.setBrush(Qt::NoBrush);
            painter.drawPath(up);
        }
        if (bar.searched) // found before it begins
            painter.fillRect(QRectF(column.left() - kBetween - 1, kHead, 3, kDepth + kSide + 2), t.search);
        if (bar.search && column.width() < 60)
            continue; // said in the tip
        const auto write = [&](const QFont& font, const QColor& colour, const QRectF& area, const QString& text) {
            painter.setFont(font);
            painter.setPen(colour);
            painter.drawText(area, Qt::AlignLeft | Qt::AlignVCenter, QFontMetricsF(font).elidedText(text, Qt::ElideRight, area.width()));
        };
        if (column.width() < 28)
            continue;
        write(strong, bar.wrong ? t.failure : t.text, QRectF(column.left(), 0, column.width() - 4, 18), bar.title);
        write(small, t.dim, QRectF(column.left(), 18, column.width() - 4, 16), bar.growth);
        write(small, t.dim, QRectF(column.left(), line + kSide + 6, column.width() - 4, kFoot - 6), bar.cost);
    }
    painter.fillRect(QRectF(kNames, line, width() - kNames, 2), t.card);
}

bool ScheduleDrawing::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    auto* help = static_cast<QHelpEvent*>(event);
    const int place = placeAt(help->pos());
    if (place < 0) {
        QToolTip::hideText();
        return true;
    }
    const ScheduleBar& bar = m_bars[static_cast<std::size_t>(place)];
    QStringList lines{bar.title, bar.growth, bar.trains, bar.cost};
    if (bar.searched)
        lines << tr("its size is a forecast: a search chooses it just before");
    if (bar.search)
        lines << tr("trains a supernet to choose the size of this stage");
    lines.removeAll(QString());
    QToolTip::showText(help->globalPos(), lines.join(QLatin1Char('\n')), this);
    return true;
}

void ScheduleDrawing::mousePressEvent(QMouseEvent* event)
{
    if (const int place = placeAt(event->position()); place >= 0)
        Q_EMIT chosen(m_bars[static_cast<std::size_t>(place)].index);
}

} // namespace espalier::widgets
