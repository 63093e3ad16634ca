// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine.h"
#include "core/runs/run_state.h"

#include <QMainWindow>

class QDockWidget;
class QStackedWidget;

namespace espalier::widgets {
class EmptyNote;
class HelpSheet;
class LibraryModel;
class LibraryPanel;
class Notice;
class StatusStrip;
} // namespace espalier::widgets

namespace espalier::gui {

class ForeignCheckpoints;
class RunActions;
class RunController;
class RunPage;
class ToolBar;
class WaitingRuns;

/// The window: makes the parts, connects them, keeps the layout. Work is done by the controller's thread and by the run's own processes.
class MainWindow : public QMainWindow {
    Q_OBJECT
public:
    /// `library` empty: the last one, or the default.
    MainWindow(RunController* controller, std::filesystem::path library, QWidget* parent = nullptr);

    RunPage* runPage() const { return m_page; }
    widgets::LibraryModel* library() const { return m_model; }
    ToolBar* toolBar() const { return m_tools; }
    /// Chooses a run as a click in the library would.
    void openRun(const std::filesystem::path& folder);
    /// The form of a new run.
    void newRun(const QString& presetId);
    void runDemo();

Q_SIGNALS:
    void libraryShown(); // the first time that the library is on the screen

protected:
    void closeEvent(QCloseEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void buildLayout();
    void connectController();
    void connectParts();
    void makeShortcuts();
    void restoreLayout();
    void saveLayout() const;

    void takeLibrary(const LibraryChanged& change);
    void takeRun(const RunChanged& change);
    void refreshTools();
    void act(runs::Action action);
    void leaveForm();
    void chooseLibrary();
    void duplicate(const Json& config, const QString& name);
    void fillExportMenu();
    void search();
    void help();
    void tell(const Said& said);
    void escape();

    RunController* m_controller;
    std::filesystem::path m_libraryFolder;
    widgets::LibraryModel* m_model;
    widgets::LibraryPanel* m_panel;
    QDockWidget* m_dock;
    ToolBar* m_tools;
    widgets::Notice* m_notice;
    QStackedWidget* m_stack;
    widgets::EmptyNote* m_none;
    RunPage* m_page;
    RunActions* m_actions;
    WaitingRuns* m_queue;
    ForeignCheckpoints* m_foreign;
    widgets::StatusStrip* m_status;
    widgets::HelpSheet* m_help = nullptr;
    std::filesystem::path m_chosen;
    std::string m_duplicating; // folder whose configuration the form waits for
    bool m_shown = false;
};

} // namespace espalier::gui
