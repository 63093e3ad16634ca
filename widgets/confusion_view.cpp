// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/confusion_view.h"

#include "widgets/format.h"
#include "widgets/run_values.h"
#include "widgets/theme.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {
namespace {

constexpr int kNameWidth = 96, kHeadHeight = 20, kLeastNamedCell = 12, kLeastNumberCell = 26;

QColor mixed(const QColor& a, const QColor& b, double share)
{
    const auto between = [&](int x, int y) { return static_cast<int>(std::lround(x + (y - x) * share)); };
    return {between(a.red(), b.red()), between(a.green(), b.green()), between(a.blue(), b.blue())};
}

} // namespace

ConfusionView::ConfusionView(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("confusionView"));
    setAccessibleName(tr("Confusion matrix"));
    setMinimumSize(200, 140);
}

void ConfusionView::setConfusion(runs::Confusion confusion)
{
    m_confusion = std::move(confusion);
    std::int64_t right = 0, all = 0;
    for (std::size_t i = 0; i < m_confusion.classes.size(); ++i) {
        right += m_confusion.at(i, i);
        all += rowTotal(i);
    }
    setAccessibleDescription(tr("%1 of %2 images were taken for their own class").arg(number(right), number(all)));
    update();
}

QSize ConfusionView::sizeHint() const
{
    return {340, 260};
}

bool ConfusionView::namesFit() const
{
    const auto classes = static_cast<double>(std::max<std::size_t>(1, m_confusion.classes.size()));
    return (height() - kHeadHeight) / classes >= kLeastNamedCell;
}

QRectF ConfusionView::matrixRect() const
{
    const double left = namesFit() ? kNameWidth : 8;
    const double side = std::max(0.0, std::min(width() - left - 1, static_cast<double>(height() - kHeadHeight - 1)));
    return {left, kHeadHeight, side, side};
}

QRectF ConfusionView::cellRect(std::size_t truth, std::size_t predicted) const
{
    const auto matrix = matrixRect();
    const double cell = matrix.width() / static_cast<double>(std::max<std::size_t>(1, m_confusion.classes.size()));
    return {matrix.left() + static_cast<double>(predicted) * cell, matrix.top() + static_cast<double>(truth) * cell, cell, cell};
}

std::optional<ConfusionView::Cell> ConfusionView::cellAt(const QPoint& position) const
{
    const auto matrix = matrixRect();
    const auto classes = m_confusion.classes.size();
    if (classes == 0 || !matrix.contains(position))
        return std::nullopt;
    const double cell = matrix.width() / static_cast<double>(classes);
    const auto row = static_cast<std::size_t>((position.y() - matrix.top()) / cell),
               column = static_cast<std::size_t>((position.x() - matrix.left()) / cell);
    if (row >= classes || column >= classes)
        return std::nullopt;
    return Cell{row, column};
}

std::int64_t ConfusionView::rowTotal(std::size_t truth) const
{
    std::int64_t total = 0;
    for (std::size_t i = 0; i < m_confusion.classes.size(); ++i)
        total += m_confusion.at(truth, i);
    return total;
}

double ConfusionView::share(std::size_t truth, std::size_t predicted) const
{
    const auto total = rowTotal(truth);
    return total == 0 ? 0.0 : static_cast<double>(m_confusion.at(truth, predicted)) / static_cast<double>(total);
}

QString ConfusionView::sentenceAt(const QPoint& position) const
{
    const auto cell = cellAt(position);
    if (!cell)
        return {};
    return tr("%1 of %2 images of \"%3\" were taken for \"%4\".")
        .arg(number(m_confusion.at(cell->truth, cell->predicted)), number(rowTotal(cell->truth)), qstr(m_confusion.classes[cell->truth]),
             qstr(m_confusion.classes[cell->predicted]));
}

void ConfusionView::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const Tokens& t = tokens(palette());
    const auto classes = m_confusion.classes.size();
    const auto matrix = matrixRect();
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    painter.drawText(QRectF(matrix.left(), 0, matrix.width(), kHeadHeight - 4), Qt::AlignLeft | Qt::AlignVCenter,
                     painter.fontMetrics().elidedText(tr("taken for →"), Qt::ElideRight, static_cast<int>(matrix.width())));
    const double cell = classes == 0 ? 0.0 : matrix.width() / static_cast<double>(classes);
    for (std::size_t truth = 0; truth < classes; ++truth) {
        if (namesFit()) {
            painter.setPen(t.dim);
            const QRectF at(0, cellRect(truth, 0).top(), kNameWidth - 8, cell);
            painter.drawText(at, Qt::AlignRight | Qt::AlignVCenter,
                             painter.fontMetrics().elidedText(qstr(m_confusion.classes[truth]), Qt::ElideRight, kNameWidth - 8));
        }
        for (std::size_t predicted = 0; predicted < classes; ++predicted) {
            const double part = share(truth, predicted);
            const auto at = cellRect(truth, predicted);
            const double gap = cell > 6 ? 0.5 : 0.0;
            // The root lets rare mistakes be seen.
            painter.fillRect(at.adjusted(gap, gap, -gap, -gap),
                             mixed(t.window, truth == predicted ? t.accent : t.failure, std::sqrt(part)));
            if (cell >= kLeastNumberCell && part > 0.005) {
                painter.setPen(part > 0.35 ? t.onAccent : t.text);
                painter.drawText(at, Qt::AlignCenter, QString::number(std::lround(100 * part)));
            }
        }
    }
}

bool ConfusionView::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    const auto* help = static_cast<QHelpEvent*>(event);
    const auto sentence = sentenceAt(help->pos());
    sentence.isEmpty() ? QToolTip::hideText() : QToolTip::showText(help->globalPos(), sentence, this);
    return true;
}

} // namespace espalier::widgets
