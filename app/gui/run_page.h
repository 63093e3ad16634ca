// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine.h"
#include "widgets/log_model.h"

#include <QWidget>

class QMenu;
class QTabWidget;

namespace espalier::widgets {
class CheckpointsPage;
class ConfigurationPage;
class EvaluationPage;
class ImageProvider;
class LogPage;
class RunHeader;
class SamplesPage;
class SearchPage;
class StageLanes;
class TimeAxis;
class WatchPage;
} // namespace espalier::widgets

namespace espalier::gui {

/// Everything right of the library: header, lanes and the pages of one run, or the form of a new one.
class RunPage : public QWidget {
    Q_OBJECT
public:
    enum Page { Watch, Samples, Evaluation, Checkpoints, Configuration, Log, Search }; // Search: where the plan has searches
    static constexpr int kPages = 7;
    explicit RunPage(QWidget* parent = nullptr);

    void setRun(const RunChanged& change);
    void setPlotData(const widgets::PlotData& data);
    void setGrid(const GridArrived& grid);
    void setMachine(const MachineChanged& machine);
    void setQueue(const widgets::QueueView& queue);
    void appendLog(const LogArrived& log);
    void setCheck(const CheckpointChecked& check);
    void setComparison(const ConfigRead& read);
    void setCompared(const RunsCompared& compared);
    void setLibrary(const std::filesystem::path& folder, const std::vector<runs::RunSummary>& runs);
    /// Shows the form of a new run.
    void editNew(const Json& config, const QString& presetId, const QString& name);
    /// Back to the chosen run.
    void leaveForm();
    bool editing() const { return m_editing; }
    const widgets::RunView& run() const { return m_view; }
    QString whyNotStart() const;
    void startForm(bool queued = false);

    void showPage(Page page);
    Page page() const;
    static QString pageId(Page page);
    static QString pageTitle(Page page);

    widgets::WatchPage* watch() const { return m_watch; }
    widgets::SamplesPage* samples() const { return m_samples; }
    widgets::CheckpointsPage* checkpoints() const { return m_checkpoints; }
    widgets::EvaluationPage* evaluation() const { return m_evaluation; }
    widgets::SearchPage* search() const { return m_search; }
    widgets::StageLanes* lanes() const { return m_lanes; }
    widgets::ConfigurationPage* configuration() const { return m_configuration; }
    Json layoutState() const;
    void restoreLayout(const Json& state);

Q_SIGNALS:
    void queryChanged(const espalier::widgets::PlotQuery& query);
    void csvRequested(const QString& tag, const QString& file);
    void actionRequested(espalier::runs::Action action);
    void sampleFromRequested(qint64 step);
    void exportRequested(qint64 step);
    void forkRequested(int stage); // at its end
    void moduleRequested(const espalier::widgets::ModuleControl& module);
    void keepRequested(qint64 step, bool keep);
    void verifyRequested(qint64 step);
    void deleteRequested(qint64 step);
    void fileOpened(const QString& path); // in the desktop's program for it
    void newRunRequested(const espalier::Json& config, const QString& name, const QString& folder, bool queued);
    void duplicateRequested(const espalier::Json& config, const QString& name);
    void configWanted(const QString& folder);
    void comparedWanted(const QStringList& folders);
    void paceWanted(const espalier::Json& config);
    void startPossible(const QString& whyNot);
    void message(const QString& text);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void buildLayout();
    void connectSignals();
    void alignLanes();
    void placeInQueue();
    void showLanesWords();
    void logEvents(const RunChanged& change);
    void showSamples(bool changed);
    void showEvaluations();
    void showCheckpoints();
    void showPlan();
    void showStages(bool changed);
    void fillStageMenu(QMenu& menu, const widgets::BlockView& block);

    widgets::TimeAxis* m_axis;
    widgets::RunHeader* m_header;
    widgets::StageLanes* m_lanes;
    QTabWidget* m_tabs;
    widgets::WatchPage* m_watch;
    widgets::ImageProvider* m_images;
    widgets::SamplesPage* m_samples;
    widgets::EvaluationPage* m_evaluation;
    widgets::CheckpointsPage* m_checkpoints;
    widgets::ConfigurationPage* m_configuration;
    widgets::LogPage* m_log;
    widgets::SearchPage* m_search;
    widgets::RunView m_view;
    widgets::QueueView m_queue;
    std::vector<widgets::LogLine> m_firstLines;
    bool m_editing = false;
    Page m_pageBefore = Watch;
};

} // namespace espalier::gui
