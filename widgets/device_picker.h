// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/devices.h"
#include "widgets/device_words.h"

#include <QWidget>

#include <vector>

class QButtonGroup;
class QCheckBox;
class QLabel;
class QProgressBar;
class QRadioButton;
class QSpinBox;
class QVBoxLayout;

namespace espalier::widgets {

/// Every device of the machine with what it has free and who uses it, to choose from. Writes the setting "devices": "auto", "0,1",
/// "cpu:2". Below it stands what the choice means.
class DevicePicker : public QWidget {
    Q_OBJECT
public:
    explicit DevicePicker(QWidget* parent = nullptr);

    /// Numbers change in place; nothing that was chosen is lost.
    void setMachine(const MachineView& machine);
    /// The setting as it stands; one that cannot be read chooses nothing.
    void setDevices(const QString& text);
    QString devices() const { return m_text; }
    /// Of the run that will train on them: for what the choice means.
    void setConfig(const Json& config);
    DeviceMeaning meaning() const;

Q_SIGNALS:
    void chosen(const QString& devices);

private:
    struct Row {
        QWidget* row;
        QCheckBox* tick;
        QProgressBar* memory;
        QLabel* facts;
        QLabel* use;
    };
    void buildLayout();
    void makeRows();
    void refresh();
    void showChoice();
    void choose(const config::DeviceAsk& ask);
    void tick(int index, bool on);
    void chooseGpus();

    MachineView m_machine;
    Json m_config;
    QString m_text = QStringLiteral("auto");
    std::vector<Row> m_rows; // of m_machine.gpus
    QButtonGroup* m_group;
    QRadioButton* m_auto;
    QLabel* m_autoMeans;
    QRadioButton* m_gpus;
    QLabel* m_whyNoGpu;
    QVBoxLayout* m_gpuRows;
    QRadioButton* m_cpu;
    QSpinBox* m_workers;
    QLabel* m_cpuFacts;
    QLabel* m_meaning;
    QLabel* m_problem;
};

} // namespace espalier::widgets
