// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/comparison.h"

#include <QStringList>
#include <QWidget>

#include <vector>

class QComboBox;
class QLabel;
class QStackedWidget;
class QTableView;
class QToolButton;

namespace espalier::widgets {

class Card;
class CompareModel;
class EmptyNote;
class PlotView;
class TimeAxis;

/// A run against others at equal device time, equal wall-clock or equal images: the metric of each over that, and how soon each was as good
/// as the baseline.
class CompareView : public QWidget {
    Q_OBJECT
public:
    struct Other {
        QString folder, name;
        bool operator==(const Other&) const = default;
    };
    explicit CompareView(QWidget* parent = nullptr);

    /// The run that is looked at; another one begins with nothing chosen.
    void setRun(const QString& folder);
    /// All runs of the library.
    void setOthers(std::vector<Other> others);
    /// What was read of the runs that were wanted, in their order; `problem`: why it was not.
    void setRuns(std::vector<plan::ComparedRun> runs, const QString& problem = {});
    void setEqual(plan::Equal equal);
    /// Ticks a run.
    void choose(const QString& folder, bool chosen = true);
    /// Asks for the runs again, when what they measured may have changed.
    void refresh();
    CompareModel* model() const { return m_model; }
    QString csv() const;

Q_SIGNALS:
    /// Folders to be read, the baseline first.
    void runsWanted(const QStringList& folders);

protected:
    void showEvent(QShowEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void buildLayout();
    void connectSignals();
    void fillMenu();
    void fillBaseline();
    void showComparison();
    void showLegend();
    QString nameOf(const QString& folder) const;

    QString m_folder, m_problem;
    std::vector<Other> m_others;
    QStringList m_chosen; // folders, beside the run itself
    std::vector<plan::ComparedRun> m_runs;
    CompareModel* m_model;
    TimeAxis* m_axis;
    QToolButton* m_choose = nullptr;
    QComboBox* m_baseline = nullptr;
    QComboBox* m_equal = nullptr;
    QStackedWidget* m_stack = nullptr;
    EmptyNote* m_empty = nullptr;
    Card* m_plotCard = nullptr;
    PlotView* m_plot = nullptr;
    QLabel* m_legend = nullptr;
    QTableView* m_table = nullptr;
};

} // namespace espalier::widgets
