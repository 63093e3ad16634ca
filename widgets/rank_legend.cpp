// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/rank_legend.h"

#include "widgets/theme.h"

#include <QFontMetricsF>
#include <QPainter>
#include <QResizeEvent>

namespace espalier::widgets {
namespace {

constexpr int kMostRows = 2;
constexpr qreal kLine = 18, kGapToText = 6, kApart = 16, kMark = 9;

QString moreText(std::size_t hidden)
{
    return QStringLiteral("and %1 more").arg(hidden);
}

qreal widthOf(const RankLegend::Entry& entry)
{
    const QFont small = typeFont(Type::Small);
    const QFontMetricsF metrics(small);
    qreal width = kLine + kGapToText + metrics.horizontalAdvance(entry.name) + 8 + tabularWidth(small, entry.value);
    if (!entry.mark.isEmpty())
        width += 8 + kMark + 4 + metrics.horizontalAdvance(entry.mark);
    return width;
}

qreal rowHeight()
{
    return QFontMetricsF(typeFont(Type::Small)).height() + 4;
}

} // namespace

RankLegend::RankLegend(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("rankLegend"));
    setAccessibleName(QStringLiteral("Ranks"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    hide();
}

void RankLegend::setEntries(std::vector<Entry> entries)
{
    if (entries == m_entries)
        return;
    m_entries = std::move(entries);
    QStringList lines;
    for (const auto& entry : m_entries)
        lines << entry.name + QStringLiteral(": ") + entry.value + (entry.mark.isEmpty() ? QString() : QStringLiteral(" – ") + entry.mark);
    setToolTip(lines.join(QLatin1Char('\n')));
    setAccessibleDescription(lines.join(QStringLiteral("; ")));
    setVisible(!m_entries.empty());
    updateGeometry();
    update();
}

RankLegend::Places RankLegend::placesIn(qreal width) const
{
    // The marked one comes first, so that it is never among those that do not fit.
    std::vector<std::size_t> order;
    for (const bool marked : {true, false})
        for (std::size_t i = 0; i < m_entries.size(); ++i)
            if (m_entries[i].mark.isEmpty() != marked)
                order.push_back(i);
    const qreal more = QFontMetricsF(typeFont(Type::Small)).horizontalAdvance(moreText(m_entries.size()));
    Places places;
    places.rows = m_entries.empty() ? 0 : 1;
    qreal x = 0;
    for (std::size_t at = 0; at < order.size(); ++at) {
        const qreal wide = widthOf(m_entries[order[at]]);
        const bool last = at + 1 == order.size();
        const auto fits = [&] {
            const bool mustLeaveRoom = places.rows == kMostRows && !last;
            return x == 0 || x + wide + (mustLeaveRoom ? kApart + more : 0) <= width;
        };
        if (!fits() && places.rows < kMostRows) {
            ++places.rows;
            x = 0;
        }
        if (!fits()) {
            places.hidden = order.size() - at;
            places.more = {x, (places.rows - 1) * rowHeight()};
            return places;
        }
        places.shown.push_back({QRectF(x, (places.rows - 1) * rowHeight(), wide, rowHeight()), order[at]});
        x += wide + kApart;
    }
    return places;
}

QSize RankLegend::sizeHint() const
{
    const int rows = placesIn(width() > 1 ? width() : 600).rows;
    return {200, static_cast<int>(rows * rowHeight()) + (rows > 0 ? 2 : 0)};
}

void RankLegend::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    if (event->oldSize().width() != event->size().width())
        updateGeometry();
}

void RankLegend::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const auto& t = tokens(palette());
    const QFont small = typeFont(Type::Small);
    painter.setFont(small);
    const QFontMetricsF metrics(small);
    const auto places = placesIn(width());
    for (const auto& [area, at] : places.shown) {
        const auto& entry = m_entries[at];
        painter.setPen(
            QPen(t.series[static_cast<std::size_t>(entry.colour) % t.series.size()], 2, entry.dashed ? Qt::DashLine : Qt::SolidLine));
        painter.drawLine(QPointF(area.left(), area.center().y()), QPointF(area.left() + kLine, area.center().y()));
        qreal x = area.left() + kLine + kGapToText;
        painter.setPen(t.dim);
        painter.drawText(QRectF(x, area.top(), area.width(), area.height()), Qt::AlignLeft | Qt::AlignVCenter, entry.name);
        x += metrics.horizontalAdvance(entry.name) + 8;
        painter.setPen(t.text);
        drawTabular(painter, QRectF(x, area.top(), area.width(), area.height()), Qt::AlignLeft | Qt::AlignVCenter, entry.value);
        if (entry.mark.isEmpty())
            continue;
        x += tabularWidth(small, entry.value) + 8;
        painter.setPen(Qt::NoPen);
        painter.setBrush(t.failure);
        const qreal y = area.center().y();
        painter.drawPolygon(
            QPolygonF({QPointF(x, y - kMark / 2 + 1), QPointF(x + kMark, y - kMark / 2 + 1), QPointF(x + kMark / 2, y + kMark / 2)}));
        painter.setPen(t.failure);
        painter.drawText(QRectF(x + kMark + 4, area.top(), area.width(), area.height()), Qt::AlignLeft | Qt::AlignVCenter, entry.mark);
    }
    if (places.hidden > 0) {
        painter.setPen(t.dim);
        painter.drawText(QRectF(places.more, QSizeF(width(), rowHeight())), Qt::AlignLeft | Qt::AlignVCenter, moreText(places.hidden));
    }
}

} // namespace espalier::widgets
