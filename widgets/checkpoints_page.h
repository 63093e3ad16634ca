// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/checkpoint_model.h"

#include <QWidget>

#include <cstdint>
#include <map>
#include <vector>

class QLabel;
class QMessageBox;
class QPushButton;
class QSortFilterProxyModel;
class QStackedWidget;
class QTableView;

namespace espalier::widgets {

class Card;
class EmptyNote;

/// The page "Checkpoints": what can be resumed, sampled from and exported, and what may go.
class CheckpointsPage : public QWidget {
    Q_OBJECT

public:
    explicit CheckpointsPage(QWidget* parent = nullptr);

    void setCheckpoints(const std::vector<runs::CheckpointEntry>& checkpoints, const config::CheckpointConfig& config);
    void setCheck(std::int64_t step, const CheckpointCheck& check);
    /// Whether a checkpoint can be asked for, one sampled from, and one deleted: "" or why not.
    void setPossible(const QString& whyNotWrite, const QString& whyNotSample, const QString& whyNotDelete);
    void setStageNames(const StageNames& names) { m_model->setStageNames(names); }
    /// Steps at which stages ended, with their numbers from 0: their checkpoints can be forked at.
    void setStageEnds(std::map<std::int64_t, int> ends);
    /// What the empty page says about when the first one comes.
    void setExpectation(const QString& sentence);
    /// The step of the chosen row, or -1.
    std::int64_t chosenStep() const;
    void choose(std::int64_t step);
    CheckpointModel* model() const { return m_model; }

Q_SIGNALS:
    void checkpointRequested(); // write one now
    void sampleRequested(qint64 step);
    void exportRequested(qint64 step);
    void forkRequested(int stage);
    void keepRequested(qint64 step, bool keep);
    void verifyRequested(qint64 step);
    /// The person was asked and said yes.
    void deleteRequested(qint64 step);
    void openFolderRequested(const QString& folder); // relative to the run folder

private:
    void buildLayout();
    void connectSignals();
    void refreshActions();
    void showEmpty();
    void showMenu(const QPoint& position);
    void askToDelete();

    CheckpointModel* m_model;
    std::map<std::int64_t, int> m_ends;
    QSortFilterProxyModel* m_sorted;
    QString m_whyNotWrite, m_whyNotSample, m_whyNotDelete, m_expectation;
    QStackedWidget* m_stack = nullptr;
    EmptyNote* m_empty = nullptr;
    Card* m_card = nullptr;
    QTableView* m_table = nullptr;
    QLabel* m_total = nullptr;
    QPushButton* m_sample = nullptr;
    QPushButton* m_export = nullptr;
    QPushButton* m_fork = nullptr;
    QPushButton* m_keep = nullptr;
    QPushButton* m_verify = nullptr;
    QPushButton* m_folder = nullptr;
    QPushButton* m_delete = nullptr;
    QPushButton* m_write = nullptr;
};

} // namespace espalier::widgets
