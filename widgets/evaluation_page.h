// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/run_values.h"
#include "widgets/target_view.h"

#include <QStringList>
#include <QWidget>

#include <memory>
#include <vector>

class QAbstractButton;
class QLabel;
class QPushButton;
class QSortFilterProxyModel;
class QStackedWidget;
class QTableView;
class QToolButton;

namespace espalier::widgets {

class Card;
class CompareView;
class ConfusionView;
class EmptyNote;
class EvaluationModel;
class ImageProvider;
class PlotView;
class StagesView;
class TimeAxis;
struct StageOutcomes;

/// The page "Evaluation": every distance with the recipe it rests on, as a table and over the steps; of a run that grows also what each
/// stage took and brought.
class EvaluationPage : public QWidget {
    Q_OBJECT

public:
    /// `images` reads the grids of the stages.
    explicit EvaluationPage(ImageProvider* images, QWidget* parent = nullptr);

    void setEvaluations(const std::vector<runs::EvaluationEntry>& evaluations);
    /// The newest confusion matrix, which only networks that tell classes apart have; null: none.
    void setConfusion(const std::shared_ptr<const ConfusionOfStep>& confusion);
    /// Whether the model draws, and distances are measured; else it is accuracy.
    void setDraws(bool draws);
    /// Whether "Evaluate now" can be asked for: "" or why not. `progress` says what goes on ("Evaluating step 12 400 …").
    void setEvaluatePossible(const QString& whyNot, const QString& progress = {});
    /// What the empty page says about when the first number comes.
    void setExpectation(const QString& sentence);
    /// What each stage took and brought, of the run in `folder`; of a run of one stage there is nothing to say.
    void setStages(const QString& folder, StageOutcomes outcomes, TargetView target = {});
    /// Looks at the stages instead of the steps, where there are several.
    void showByStage(bool byStage);
    bool showsStages() const;
    StagesView* stages() const { return m_stages; }
    /// Looks at this run against others.
    void showComparison(bool comparing);
    CompareView* comparison() const { return m_compare; }
    /// The chosen rows, or all, as CSV.
    QString csv() const;
    EvaluationModel* model() const { return m_model; }

Q_SIGNALS:
    /// The person wants the dialog.
    void evaluateRequested();
    /// A row was opened: other pages may go to its step.
    void stepChosen(qint64 step);
    /// A stage was opened: other pages may show only it.
    void stageOpened(int index);
    /// The pointer is over the module that this stage trains (-1: over none), or it was chosen there.
    void stagePointed(int stage);
    void stageChosen(int stage);

protected:
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void buildLayout();
    QWidget* makeSwitch();
    void connectSignals();
    void showView();
    void refreshPlot();
    void fitColumns();
    void refreshLegend();
    void showEmpty();

    EvaluationModel* m_model;
    QSortFilterProxyModel* m_sorted;
    QString m_whyNot, m_progress, m_expectation;
    bool m_draws = true;
    bool m_byStage = false, m_several = false, m_comparing = false;
    ImageProvider* m_images;
    QWidget* m_switch = nullptr;
    QAbstractButton* m_stepsButton = nullptr;
    QAbstractButton* m_stagesButton = nullptr;
    QAbstractButton* m_compareButton = nullptr;
    CompareView* m_compare = nullptr;
    StagesView* m_stages = nullptr;
    QStackedWidget* m_stack = nullptr;
    EmptyNote* m_empty = nullptr;
    Card* m_plotCard = nullptr;
    Card* m_confusionCard = nullptr;
    ConfusionView* m_confusion = nullptr;
    TimeAxis* m_axis = nullptr;
    PlotView* m_plot = nullptr;
    QLabel* m_legend = nullptr;
    QStringList m_recipes; // of the curves, in their order
    QTableView* m_table = nullptr;
    QToolButton* m_copy = nullptr;
    QPushButton* m_evaluate = nullptr;
};

} // namespace espalier::widgets
