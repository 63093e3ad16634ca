// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/configuration_model.h"

#include <QDialog>

#include <vector>

class QLabel;
class QPushButton;
class QVBoxLayout;

namespace espalier::widgets {

class SettingRow;

/// A dialog over a few settings of a run: the same rows, checks and sentences as in the form, starting from the run's values.
class SettingsDialog : public QDialog {
    Q_OBJECT

public:
    SettingsDialog(const QString& title, const QString& note, const Json& config, const std::vector<std::string>& paths,
                   const QString& acceptLabel, QWidget* parent = nullptr);

    /// Something outside of the settings that forbids it (a sentence), or "".
    void setBlocked(const QString& reason);
    QString whyNot() const;
    const Json& config() const { return m_model->config(); }
    ConfigurationModel* model() { return m_model; }

public Q_SLOTS:
    void accept() override;

protected:
    /// What is wrong beyond the fields; "" when nothing is.
    virtual QString extraProblem() const { return {}; }
    /// Rows that make no sense with the other values.
    virtual bool isRowShown(const std::string&) const { return true; }
    QVBoxLayout* above() const { return m_above; }
    void refresh();
    std::int64_t integer(const char* path) const;
    double number(const char* path) const;
    bool isOn(const char* path) const;
    QString text(const char* path) const;

private:
    ConfigurationModel* m_model;
    std::vector<SettingRow*> m_rows;
    QString m_blocked;
    QVBoxLayout* m_above = nullptr;
    QLabel* m_why = nullptr;
    QPushButton* m_accept = nullptr;
};

} // namespace espalier::widgets
