// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"
#include "widgets/run_values.h"

#include <QWidget>

class QHBoxLayout;
class QLabel;
class QPushButton;

namespace espalier::widgets {

/// Above the lanes: the run's name, chips that say what it is, and its state. Below them, when something is wrong, the cause in one
/// sentence with what can be done about it.
class RunHeader : public QWidget {
    Q_OBJECT
public:
    explicit RunHeader(QWidget* parent = nullptr);
    void setRun(const RunView& run);
    /// A form of a run that does not exist yet.
    void setNew(const QString& title, const QString& hint);

Q_SIGNALS:
    void resumeRequested();
    void duplicateRequested();
    void logOpened();

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void setChips(const QStringList& texts);
    void showTrouble(const RunView& run);
    void fitChips();

    QLabel* m_title;
    QHBoxLayout* m_row;
    std::vector<Chip*> m_chips;
    Chip* m_state;
    QWidget* m_trouble;
    QLabel* m_cause;
    QPushButton* m_resume;
    QPushButton* m_duplicate;
    QPushButton* m_log;
};

/// "U-Net · 32²", "Garden · 32²", "plain", "fp32 · cpu:2": the chips of a configuration.
QStringList configChips(const Json& config, const std::string& devices);

} // namespace espalier::widgets
