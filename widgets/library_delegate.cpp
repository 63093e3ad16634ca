// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/library_delegate.h"

#include "widgets/library_model.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"

#include <QFontMetrics>
#include <QPainter>

#include <cmath>

namespace espalier::widgets {
namespace {

constexpr int kMargin = 8, kMark = 10, kInset = 28, kSparkWidth = 68;

void drawSparkline(QPainter& painter, const QRectF& area, const std::vector<float>& values, const QColor& ink)
{
    float low = INFINITY, high = -INFINITY;
    for (const float v : values)
        if (std::isfinite(v))
            low = std::min(low, v), high = std::max(high, v);
    if (values.size() < 2 || !(low <= high))
        return;
    QPolygonF line;
    const float span = std::max(high - low, 1e-12f);
    for (std::size_t i = 0; i < values.size(); ++i)
        if (std::isfinite(values[i]))
            line << QPointF(area.left() + area.width() * static_cast<qreal>(i) / static_cast<qreal>(values.size() - 1),
                            area.bottom() - area.height() * (values[i] - low) / span);
    painter.setPen(QPen(ink, 1.1, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.setBrush(Qt::NoBrush);
    painter.drawPolyline(line);
}

} // namespace

QSize LibraryDelegate::sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const
{
    return {200, QFontMetrics(typeFont(Type::Strong)).height() + QFontMetrics(typeFont(Type::Small)).height() + 40};
}

void LibraryDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const auto* run = index.data(LibraryModel::SummaryRole).value<const runs::RunSummary*>();
    if (run == nullptr)
        return;
    const auto& t = tokens(option.palette);
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const QRectF row = QRectF(option.rect).adjusted(kMargin, 2, -kMargin, -2);
    if (option.state & QStyle::State_Selected)
        drawRounded(*painter, row, t.selection, option.state & QStyle::State_HasFocus ? t.softAccent : QColor());
    else if (option.state & QStyle::State_MouseOver)
        drawRounded(*painter, row, t.hover, QColor());

    const QFont strong = typeFont(Type::Strong), small = typeFont(Type::Small);
    const QFontMetricsF strongMetrics(strong), smallMetrics(small);
    const qreal left = row.left() + kInset, right = row.right() - 11;
    const qreal nameTop = row.top() + 8;
    drawState(*painter, QRectF(row.left() + 9, nameTop + (strongMetrics.height() - kMark) / 2, kMark, kMark), run->state, t);

    painter->setFont(small);
    painter->setPen(run->damaged || run->state == runs::RunState::Failed ? t.failure : t.dim);
    const QString note = summaryNote(*run, index.data(LibraryModel::PlaceRole).toInt());
    const qreal noteWidth = tabularWidth(small, note);
    drawTabular(*painter, QRectF(right - noteWidth, nameTop, noteWidth, strongMetrics.height()), Qt::AlignRight | Qt::AlignVCenter, note);

    painter->setFont(strong);
    painter->setPen(t.text);
    const qreal nameWidth = right - noteWidth - 8 - left;
    painter->drawText(QRectF(left, nameTop, nameWidth, strongMetrics.height()), Qt::AlignLeft | Qt::AlignVCenter,
                      strongMetrics.elidedText(qstr(run->name), Qt::ElideMiddle, nameWidth));

    const qreal sparkLeft = right - kSparkWidth;
    const qreal lineTop = nameTop + strongMetrics.height() + 2;
    painter->setFont(small);
    painter->setPen(t.dim);
    const QString line = run->damaged ? qstr(run->problem) : summaryLine(*run);
    painter->drawText(QRectF(left, lineTop, sparkLeft - 8 - left, smallMetrics.height()), Qt::AlignLeft | Qt::AlignVCenter,
                      smallMetrics.elidedText(line, Qt::ElideRight, sparkLeft - 8 - left));

    const qreal barTop = lineTop + smallMetrics.height() + 5;
    const QRectF track(left, barTop, sparkLeft - 12 - left, 4);
    drawRounded(*painter, track, t.line, QColor(), 2);
    const double done = std::clamp(run->progress.fraction, 0.0, 1.0);
    if (done > 0)
        drawRounded(*painter, QRectF(track.left(), track.top(), std::max(4.0, track.width() * done), 4), colourOf(run->state, t), QColor(),
                    2);
    drawSparkline(*painter, QRectF(sparkLeft, lineTop + 4, kSparkWidth, barTop + 4 - lineTop - 4), run->sparkline, t.dim);
    painter->restore();
}

} // namespace espalier::widgets
