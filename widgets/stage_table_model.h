// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/configuration_model.h"

#include <QAbstractTableModel>

#include <vector>

namespace espalier::widgets {

/// What a stage of the table costs, as text; empty where it cannot be known.
struct StageCostText {
    QString parameters, work, time;
    bool operator==(const StageCostText&) const = default;
};

/// A schedule of kind `stages` as a table: a row for each stage, a column for each list of the configuration. A column whose list is empty
/// shows what the model has, dim; the first value typed into it fills the list, and clearing one leaves the column to the model again.
class StageTableModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        Name,
        Length,
        Depth,
        Levels,
        Blocks,
        Side,
        Trainable,
        Drop,
        RandAugment,
        Erase,
        Batch,
        Rate,
        Parameters, // from here on computed
        Work,
        Time,
        kColumns
    };

    explicit StageTableModel(ConfigurationModel* config, QObject* parent = nullptr);

    /// Whether the schedule is one that this table edits.
    bool applies() const;
    int stages() const;
    /// Whether the chosen model has a use for the column.
    bool isUsed(int column) const;
    /// Whether its list has entries; else the model says it for all stages.
    bool isGiven(int column) const;
    /// Whether a narrow table may leave it out: nothing grows there, and it is not what most schedules grow.
    bool canBeLeftOut(int column) const;
    /// "share", "steps", "epochs" or "seconds": what the column Length counts.
    QString lengthKind() const;
    void setLengthKind(const QString& kind);
    /// A row like the last one behind it, or the last but one taken away: the last stays the whole model.
    void addStage();
    void removeStage();
    void setReadOnly(bool readOnly) { m_readOnly = readOnly; }

    void setCosts(std::vector<StageCostText> costs);
    /// The stage, from 0, and the setting that a problem names; -1 for none.
    void setProblem(const QString& message, int stage, const std::string& path);
    /// The column of a setting such as "schedule.depth"; -1: it has none.
    int columnOf(const std::string& plainPath) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role = Qt::EditRole) override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;

private:
    void refresh();
    QString keyOf(int column) const; // in the section "schedule"; empty: computed
    const config::Field* fieldOf(int column) const;
    QStringList texts(int column) const; // one for each stage, whoever says them
    QString modelText(int column) const; // what holds without a list

    ConfigurationModel* m_config;
    std::vector<StageCostText> m_costs;
    QString m_problem;
    int m_problemStage = -1, m_problemColumn = -1, m_rows = 0;
    bool m_readOnly = false;
};

} // namespace espalier::widgets
