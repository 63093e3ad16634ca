// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/follower.h"
#include "widgets/grid_view.h"
#include "widgets/sample_sequence.h"
#include "widgets/stage_words.h"

#include <QWidget>

#include <vector>

class QComboBox;
class QLabel;
class QMenu;
class QPushButton;
class QStackedWidget;
class QToolButton;

namespace espalier::widgets {

class Card;
class EmptyNote;
class Filmstrip;
class GridSettings;
class StepTransport;

/// The page "Samples": every grid of a run over its steps. Slider, keys and play move through time; a cell can be followed alone.
class SamplesPage : public QWidget {
    Q_OBJECT

public:
    explicit SamplesPage(ImageProvider* provider, QWidget* parent = nullptr);

    /// All grids of a run; cheap to call again when more have come. Another folder starts anew at the newest grid.
    void setSamples(const QString& runFolder, const std::vector<runs::SampleEntry>& samples);
    /// What the empty page says about when the first grid comes, and whether one can be asked for ("" or why not).
    void setExpectation(const QString& sentence, const QString& whyNotSample);
    /// What its stages are called.
    void setStageNames(const StageNames& names);
    /// Shows only one stage, as a click on its lane asks for; -1: all.
    void setStage(int stage);
    /// Stage k against k + 1: the last grid of each side by side, from the same noise.
    bool hasPair(int stage) const;
    void comparePair(int stage);
    /// Shows the grid of a step, or the nearest before it.
    void showStep(std::int64_t step);

    std::int64_t currentStep() const;
    int shownCount() const { return m_grids.count(); }
    bool isPlaying() const;
    /// The cell that is followed through time, or -1.
    int followedCell() const { return m_cell; }

public Q_SLOTS:
    void togglePlay();
    void setComparing(bool on);
    void followCell(int cell);
    void exportGridTo(const QString& file);
    void exportCellStripTo(const QString& file);
    void exportCellsTo(const QString& folder);
    void exportAllTo(const QString& folder);

Q_SIGNALS:
    /// The button of the empty page and of the header.
    void sampleRequested();
    void currentStepChanged(qint64 step);

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    void buildLayout();
    QWidget* buildHeader();
    void connectSignals();
    /// Lists what the filters let through and shows the grid of `step`, or the last one up to it; -1: the last.
    void refilter(std::int64_t step);
    void refreshFilters();
    void setCurrent(int index);
    void refreshPicture();
    void refreshSettings();
    void refreshMode();
    void showPicture(GridView* view, int index);
    void prefetch();
    void askAndExport(const QString& what);

    ImageProvider* m_provider;
    QString m_folder;
    SampleSequence m_grids;
    StageNames m_names;
    int m_current = -1, m_pinned = -1, m_cell = -1;
    bool m_filtersTouched = false;
    QString m_whyNotSample;

    QStackedWidget* m_stack = nullptr;
    EmptyNote* m_empty = nullptr;
    Card* m_card = nullptr;
    QStackedWidget* m_views = nullptr;
    GridView* m_viewA = nullptr;
    GridView* m_viewB = nullptr;
    Filmstrip* m_cells = nullptr;
    StepTransport* m_transport = nullptr;
    GridSettings* m_settings = nullptr;
    QComboBox* m_weights = nullptr;
    QComboBox* m_stages = nullptr;
    QComboBox* m_pairs = nullptr;
    QPushButton* m_compare = nullptr;
    QPushButton* m_back = nullptr;
    QToolButton* m_fit = nullptr;
    QToolButton* m_export = nullptr;
    QMenu* m_exportMenu = nullptr;
    QLabel* m_note = nullptr;
};

} // namespace espalier::widgets
