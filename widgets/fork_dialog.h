// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/stage_words.h"

#include <QDialog>
#include <QSet>

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;

namespace espalier::widgets {

/// "Fork": a new run that has everything of another up to the end of a stage, and goes its own way from there.
class ForkDialog : public QDialog {
    Q_OBJECT

public:
    struct Request {
        QString name;
        int stage = 0; // the last one that both have, from 0
        bool start = true;
        QStringList arguments() const; // of espalier-cli fork, behind the run
    };

    /// `taken`: names of runs that there are.
    ForkDialog(const QString& runName, int stage, const QSet<QString>& taken, const StageNames& names = {}, QWidget* parent = nullptr);
    Request request() const;
    QString whyNot() const;

public Q_SLOTS:
    void accept() override;

private:
    void refresh();

    const QString m_runName;
    const int m_stage;
    const QSet<QString> m_taken;
    QLineEdit* m_name = nullptr;
    QCheckBox* m_start = nullptr;
    QLabel* m_command = nullptr;
    QLabel* m_why = nullptr;
    QPushButton* m_accept = nullptr;
};

} // namespace espalier::widgets
