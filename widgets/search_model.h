// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/search_results.h"

#include <QAbstractTableModel>

#include <vector>

namespace espalier::widgets {

/// What one search of a run found.
struct SearchView {
    int index = 0;        // of the stage whose size it is for, from 0
    bool measured = true; // costs are seconds of this machine; else counts of operations
    plan::SearchResults results;
};

/// The candidates of a search, one a row, in the order of its window.
class SearchModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Candidate, Loss, Ntk, Zico, Cost, Score, Rank, Chosen, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    void setSearch(const SearchView& search);
    const SearchView& search() const { return m_search; }
    /// Whether this kind of search has such a column.
    bool hasColumn(int column) const;
    /// 1 for the best; 0 where nothing can be said yet.
    int rankOf(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QVariant raw(int row, int column) const;
    QString display(int row, int column) const;

    SearchView m_search;
};

/// A candidate's cost: "8.2 ms", or "12.4 GFLOP" where it is counted.
QString costText(double cost, bool measured);

} // namespace espalier::widgets
