// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/comparison.h"

#include <QAbstractTableModel>

#include <vector>

namespace espalier::widgets {

/// "2 h 11 m" or "1.2 M images": what runs are held equal in.
QString amountText(double amount, plan::Equal equal);

/// Runs held against the first of them, one a row.
class CompareModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Run, AtEqual, Best, Reached, SpeedUp, Device, Wall, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    void set(std::vector<plan::ComparedRun> runs, plan::Comparison comparison, plan::Equal equal);
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString display(std::size_t row, int column) const;
    QVariant raw(std::size_t row, int column) const;
    QString tip(std::size_t row, int column) const;
    bool leads(std::size_t row) const;

    std::vector<plan::ComparedRun> m_runs;
    plan::Comparison m_comparison;
    plan::Equal m_equal = plan::Equal::WallTime;
};

} // namespace espalier::widgets
