// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/follower.h"

#include <QAbstractTableModel>

#include <vector>

namespace espalier::widgets {

/// "DDIM-50", whatever way the recipe says it.
QString samplerOf(const Json& recipe);
/// "FD-1k, EMA, DDIM-50, seed 1", or what can be said in its place.
QString recipeName(const runs::Evaluated& evaluated);

/// The evaluations of a run, one a row, in the order they were made.
class EvaluationModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Step, Metric, Value, Floor, Ceiling, Images, Sampler, Weights, Nearest, Recipe, When, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    /// Appends what is new when the list only grew; begins anew otherwise.
    void setEntries(const std::vector<runs::EvaluationEntry>& entries);
    const std::vector<runs::EvaluationEntry>& entries() const { return m_entries; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QVariant display(const runs::EvaluationEntry& entry, int column) const;
    QVariant raw(const runs::EvaluationEntry& entry, int column) const;
    bool isBest(int row) const;

    std::vector<runs::EvaluationEntry> m_entries;
};

} // namespace espalier::widgets
