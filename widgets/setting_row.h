// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/config/field.h"
#include "widgets/configuration_model.h"

#include <QWidget>

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QToolButton;

namespace espalier::widgets {

/// One setting of the form: title and help on the left, editor, unit and way back on the right, what is wrong below.
class SettingRow : public QWidget {
    Q_OBJECT

public:
    struct State {
        QString text;
        ConfigurationModel::Origin origin = ConfigurationModel::Origin::Default;
        QString problem;
        QString note;     // what the value means here; shown where nothing is wrong
        QString compared; // the value of the other side of a comparison; shown when not null
        bool readOnly = false;
        bool operator==(const State&) const = default;
    };

    explicit SettingRow(const config::Field& field, QWidget* parent = nullptr);

    const config::Field& field() const { return m_field; }
    void setState(const State& state);
    const State& state() const { return m_state; }
    /// Whether every word of the search is in title, path, help or choices.
    bool matches(const QStringList& words) const;
    void focusEditor();
    /// Rows but the first of a section have a hairline above them.
    void setFirst(bool first);

Q_SIGNALS:
    void edited(const QString& text);
    void editingFinished();
    void revertRequested();
    void defaultRequested();
    /// The person wants to choose a file, a folder or devices for this setting.
    void browseRequested();

protected:
    void paintEvent(QPaintEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void buildLayout();
    QWidget* buildEditor();
    void connectSignals();
    void showText();
    void emitEdited(const QString& text);

    const config::Field& m_field;
    State m_state;
    QString m_haystack;
    QLabel* m_title = nullptr;
    QLabel* m_help = nullptr;
    QLabel* m_problem = nullptr;
    QLabel* m_note = nullptr;
    QLabel* m_value = nullptr;
    QLabel* m_compared = nullptr;
    QWidget* m_editor = nullptr;
    QLineEdit* m_line = nullptr;
    QComboBox* m_choice = nullptr;
    QCheckBox* m_switch = nullptr;
    QToolButton* m_browse = nullptr;
    QToolButton* m_revert = nullptr;
    bool m_emitting = false, m_first = false;
};

} // namespace espalier::widgets
