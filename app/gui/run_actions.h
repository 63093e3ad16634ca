// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/control.h"
#include "core/runs/run_state.h"
#include "widgets/device_values.h"
#include "widgets/run_values.h"

#include <QObject>
#include <QPointer>
#include <QSet>

#include <filesystem>

class QWidget;

namespace espalier::widgets {
class LibraryModel;
class StartDialog;
} // namespace espalier::widgets

namespace espalier::gui {

class RunController;
class RunPage;

/// What can be done with a run: asks the person what has to be known, then the controller. A live run gets a wish, one at rest a command.
class RunActions : public QObject {
    Q_OBJECT
public:
    RunActions(RunController* controller, QWidget* window);

    void act(runs::Action action, const widgets::RunView& run);
    /// Starts or pauses one module of a run alone.
    void actOnModule(const widgets::ModuleControl& module, const widgets::RunView& run);
    /// Starts it, or goes on with it, when its devices are free.
    void startWhenFree(const widgets::RunView& run);
    /// On devices that the person chooses.
    void askStart(const widgets::RunView& run);
    /// What the dialogs show of devices.
    void setMachine(const widgets::MachineView& machine);
    /// -1: the newest checkpoint.
    void askSample(const widgets::RunView& run, std::int64_t step);
    void askEvaluate(const widgets::RunView& run);
    void askExport(const widgets::RunView& run, std::int64_t step);
    /// A new run that is this one to the end of a stage. `taken`: names of runs that there are.
    void askFork(const widgets::RunView& run, int stage, const QSet<QString>& taken);
    /// Does what the pages of a run ask for.
    void serve(RunPage* page, const widgets::LibraryModel* library);
    void askRename(const QString& folder);
    void askArchive(const QString& folder);
    void askTrash(const QString& folder);

Q_SIGNALS:
    void message(const QString& text);

private:
    void wish(const widgets::RunView& run, runs::WishKind kind, const Json& options, const QString& said);
    bool confirmed(const QString& title, const QString& question, const QString& yes, bool destructive);

    RunController* m_controller;
    QWidget* m_window;
    widgets::MachineView m_machine;
    QPointer<widgets::StartDialog> m_startDialog; // while it is open
};

} // namespace espalier::gui
