// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/device_values.h"
#include "widgets/run_values.h"

#include <QWidget>

class QTimer;

namespace espalier::widgets {

class NumberLabel;

/// The line at the bottom: progress of the chosen run at the left, how its devices fare at the right, passing messages in between.
class StatusStrip : public QWidget {
    Q_OBJECT
public:
    explicit StatusStrip(QWidget* parent = nullptr);
    void setRun(const RunView& run);
    void setMachine(const MachineView& machine);
    /// Shown instead of the run's progress for some seconds.
    void showMessage(const QString& text);

private:
    void refresh();
    void showDevices();

    NumberLabel* m_left;
    NumberLabel* m_right;
    QTimer* m_clock;   // "saved 4 m ago" grows older; runs only while that is shown
    QTimer* m_message; // ends a message
    RunView m_run;
    MachineView m_machine;
    QString m_text;
};

/// "step 12 400 / 50 000 · 1 843 img/s · ETA 2 h 11 m · saved 4 m ago"
QString progressLine(const RunView& run, double now);

} // namespace espalier::widgets
