// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/table_parts.h"

#include "widgets/theme.h"

#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>
#include <QTableView>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

namespace {

constexpr int kRowHeight = 32, kPadding = 8;

QString csvCell(const QVariant& value)
{
    if (!value.isValid())
        return {};
    QString text = value.typeId() == QMetaType::Double ? QString::number(value.toDouble(), 'g', 12) : value.toString();
    if (text.contains(QLatin1Char(',')) || text.contains(QLatin1Char('"')) || text.contains(QLatin1Char('\n')))
        text = QLatin1Char('"') + text.replace(QLatin1Char('"'), QLatin1String("\"\"")) + QLatin1Char('"');
    return text;
}

} // namespace

void TableDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const
{
    const Tokens& t = tokens(option.palette);
    painter->save();
    if (option.state & QStyle::State_Selected)
        painter->fillRect(option.rect, t.selection);
    else if (option.state & QStyle::State_MouseOver)
        painter->fillRect(option.rect, t.hover);
    painter->fillRect(QRectF(option.rect.left(), option.rect.bottom(), option.rect.width(), 1), t.line);
    const bool failure = index.data(kFailureRole).toBool(), best = index.data(kBestRole).toBool();
    painter->setPen(failure ? t.failure : best ? t.accent : index.data(kDimRole).toBool() ? t.dim : t.text);
    painter->setFont(typeFont(best ? Type::Strong : Type::Body));
    const QRectF area = QRectF(option.rect).adjusted(kPadding, 0, -kPadding, 0);
    const QVariant alignment = index.data(Qt::TextAlignmentRole);
    const QString text =
        QFontMetricsF(painter->font()).elidedText(index.data(Qt::DisplayRole).toString(), Qt::ElideRight, area.width() + 1);
    drawTabular(*painter, area, alignment.isValid() ? Qt::Alignment(alignment.toInt()) : Qt::AlignLeft | Qt::AlignVCenter, text);
    painter->restore();
}

QSize TableDelegate::sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const
{
    const QFont font = typeFont(index.data(kBestRole).toBool() ? Type::Strong : Type::Body);
    return {static_cast<int>(std::ceil(tabularWidth(font, index.data(Qt::DisplayRole).toString()))) + 2 * kPadding + 2, kRowHeight};
}

void styleTable(QTableView* table)
{
    table->setItemDelegate(new TableDelegate(table));
    table->setFrameShape(QFrame::NoFrame);
    table->setShowGrid(false);
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table->setMouseTracking(true);
    table->setSortingEnabled(true);
    table->setTabKeyNavigation(false);
    table->setWordWrap(false);
    table->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    table->verticalHeader()->setSectionResizeMode(QHeaderView::Fixed);
    table->horizontalHeader()->setHighlightSections(false);
    table->horizontalHeader()->setSectionsMovable(true);
    table->horizontalHeader()->setMinimumSectionSize(48);
    table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
}

void onCopyKey(QAbstractItemView* view, std::function<void()> copy)
{
    class Filter : public QObject {
    public:
        Filter(QObject* parent, std::function<void()> copy) : QObject(parent), m_copy(std::move(copy)) {}
        bool eventFilter(QObject*, QEvent* event) override
        {
            if (event->type() != QEvent::KeyPress || !static_cast<QKeyEvent*>(event)->matches(QKeySequence::Copy))
                return false;
            m_copy();
            return true;
        }

    private:
        std::function<void()> m_copy;
    };
    view->installEventFilter(new Filter(view, std::move(copy)));
}

QString tableCsv(const QAbstractItemModel& model, const QList<int>& rows)
{
    QString csv;
    for (int column = 0; column < model.columnCount(); ++column)
        csv += (column ? QStringLiteral(",") : QString()) + csvCell(model.headerData(column, Qt::Horizontal));
    csv += QLatin1Char('\n');
    QList<int> wanted = rows;
    if (wanted.isEmpty())
        for (int row = 0; row < model.rowCount(); ++row)
            wanted << row;
    std::sort(wanted.begin(), wanted.end());
    for (const int row : wanted) {
        for (int column = 0; column < model.columnCount(); ++column) {
            const QModelIndex index = model.index(row, column);
            const QVariant raw = index.data(kRawRole);
            csv += (column ? QStringLiteral(",") : QString()) + csvCell(raw.isValid() ? raw : index.data());
        }
        csv += QLatin1Char('\n');
    }
    return csv;
}

} // namespace espalier::widgets
