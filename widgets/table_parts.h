// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What the tables of the pages share: their look, and copying.

#include <QStyledItemDelegate>

#include <functional>

class QAbstractItemModel;
class QAbstractItemView;
class QTableView;

namespace espalier::widgets {

/// The raw value of a cell, for sorting and for CSV: a number, or text.
inline constexpr int kRawRole = Qt::UserRole + 1;
/// True: the cell is secondary.
inline constexpr int kDimRole = Qt::UserRole + 2;
/// True: the cell says that something is wrong.
inline constexpr int kFailureRole = Qt::UserRole + 3;
/// True: the cell stands out, such as the best value.
inline constexpr int kBestRole = Qt::UserRole + 4;

/// Cells with digits of equal width and a hairline below each row.
class TableDelegate : public QStyledItemDelegate {
    Q_OBJECT

public:
    using QStyledItemDelegate::QStyledItemDelegate;
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
};

/// Rows chosen as a whole, sortable, no grid, the delegate above.
void styleTable(QTableView* table);
/// Ctrl+C in the view does this instead of copying the cell that has the focus.
void onCopyKey(QAbstractItemView* view, std::function<void()> copy);
/// The rows of a model as CSV with a header line: raw values, quoted where needed. Empty `rows`: all.
QString tableCsv(const QAbstractItemModel& model, const QList<int>& rows = {});

} // namespace espalier::widgets
