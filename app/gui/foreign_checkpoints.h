// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine_events.h"

#include <QObject>
#include <QPointer>
#include <QString>

class QMimeData;
class QWidget;

namespace espalier::widgets {
class ForeignDialog;
}

namespace espalier::gui {

class RunController;

/// Checkpoints of somebody else, dropped on the window or chosen: says what they are, draws from them, begins runs with them.
class ForeignCheckpoints : public QObject {
    Q_OBJECT
public:
    ForeignCheckpoints(RunController* controller, QWidget* window);

    /// The one file or folder that is being dropped; empty when it is something else.
    static QString pathIn(const QMimeData* dropped);
    /// Asks the person for a file.
    void choose();
    /// A run is opened, a checkpoint explained, as soon as it is known which of them it is.
    void open(const QString& path);

Q_SIGNALS:
    void message(const QString& text);
    void trouble(const espalier::gui::Said& said);
    void runFound(const QString& folder);
    /// The form of a new run with these settings.
    void newRunRequested(const Json& config, const QString& name);

private:
    void show(const ForeignInspected& found);
    void takeSettings(const ForeignSettings& found);
    void askSample();

    RunController* m_controller;
    QWidget* m_window;
    QString m_asked; // the newest path that was asked about
    QPointer<widgets::ForeignDialog> m_dialog;
};

} // namespace espalier::gui
