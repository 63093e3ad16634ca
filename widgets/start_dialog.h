// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/device_picker.h"

#include <QDialog>

class QPushButton;

namespace espalier::widgets {

/// Starts a run, or goes on with one, on devices that are chosen now: at once, or when they are free.
class StartDialog : public QDialog {
    Q_OBJECT
public:
    struct Request {
        QString devices;
        bool queued = false;
    };
    /// `verb` is "Start" or "Resume"; `devices` and `config` are what the run was made with.
    StartDialog(const QString& runName, const QString& verb, const QString& devices, const Json& config, QWidget* parent = nullptr);
    void setMachine(const MachineView& machine);
    Request request() const;

private:
    void refresh();

    DevicePicker* m_picker;
    QPushButton* m_start;
    QPushButton* m_queue;
    bool m_queued = false;
};

} // namespace espalier::widgets
