// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/run_config.h"
#include "core/runs/follower.h"
#include "widgets/stage_words.h"

#include <QAbstractTableModel>

#include <map>
#include <vector>

namespace espalier::widgets {

/// What is known about the bytes of a checkpoint.
struct CheckpointCheck {
    enum State { NotChecked, Checking, Good, Damaged } state = NotChecked;
    QString sentence; // what is damaged
    bool operator==(const CheckpointCheck&) const = default;
};

/// The checkpoints of a run, one a row, by step.
class CheckpointModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Step, Stage, Size, When, Check, Distance, Because, Kept, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    /// `config` says which checkpoints stay, so that the table can say why.
    void setEntries(std::vector<runs::CheckpointEntry> entries, const config::CheckpointConfig& config);
    void setCheck(std::int64_t step, const CheckpointCheck& check);
    void setStageNames(const StageNames& names);
    const runs::CheckpointEntry& entry(int row) const { return m_entries[static_cast<std::size_t>(row)]; }
    CheckpointCheck check(std::int64_t step) const;
    int rowOf(std::int64_t step) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    QVariant display(int row, int column) const;
    QVariant raw(int row, int column) const;
    bool isBest(int row) const;

    std::vector<runs::CheckpointEntry> m_entries;
    StageNames m_names;
    std::vector<QString> m_kept; // why each stays
    std::map<std::int64_t, CheckpointCheck> m_checks;
};

} // namespace espalier::widgets
