// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/stage_outcomes.h"

#include <QAbstractTableModel>

namespace espalier::widgets {

/// The stages of a run, one a row: what each took and brought.
class StageOutcomeModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Stage, Shape, Trains, Steps, Training, Forecast, Searching, Sampling, Evaluating, Last, Best, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    /// The same stages with other values keep their rows; another number of them begins anew.
    void setOutcomes(StageOutcomes outcomes);
    const std::vector<StageOutcome>& stages() const { return m_outcomes.stages; }
    const QString& recipe() const { return m_outcomes.recipe; }
    /// Whether any stage has something to say there: nothing searches in stages made by hand, a classifier draws nothing.
    bool hasColumn(int column) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QString display(const StageOutcome& stage, int column) const;
    QVariant raw(const StageOutcome& stage, int column) const;
    QString tip(const StageOutcome& stage, int column) const;
    bool isBest(const StageOutcome& stage) const;
    QString metricTitle() const;

    StageOutcomes m_outcomes;
};

} // namespace espalier::widgets
