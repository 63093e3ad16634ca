// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/device_values.h"

#include <QObject>

class QWidget;

namespace espalier::widgets {
class LibraryModel;
class QueuePanel;
} // namespace espalier::widgets

namespace espalier::gui {

class RunController;
class RunPage;

/// The queue in the window: shows its news in the panel, the library and the page of the run, and has the engine do what the panel asks.
class WaitingRuns : public QObject {
    Q_OBJECT
public:
    WaitingRuns(RunController* controller, widgets::LibraryModel* library, RunPage* page, QWidget* window);
    widgets::QueuePanel* panel() const { return m_panel; }
    /// Has the run of the page wait no longer.
    void startShownNow();

Q_SIGNALS:
    void runChosen(const QString& folder);
    void message(const QString& text);

private:
    void takeQueue(const widgets::QueueView& queue);

    RunController* m_controller;
    widgets::LibraryModel* m_library;
    RunPage* m_page;
    widgets::QueuePanel* m_panel;
    widgets::QueueView m_queue;
};

} // namespace espalier::gui
