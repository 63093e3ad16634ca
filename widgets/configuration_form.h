// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/configuration_model.h"

#include <QScrollArea>

#include <map>
#include <string>
#include <utility>
#include <vector>

class QLabel;

namespace espalier::widgets {

class ScheduleEditor;
class SettingRow;

/// Every setting as a row, in sections. Rows are made once; searching and alternatives hide them.
class ConfigurationForm : public QScrollArea {
    Q_OBJECT

public:
    explicit ConfigurationForm(ConfigurationModel* model, QWidget* parent = nullptr);

    void setSearch(const QString& text);
    void setAdvancedShown(bool shown);
    void setChangedOnly(bool only);
    void setReadOnly(bool readOnly);
    bool isReadOnly() const { return m_readOnly; }
    /// Shows the values of another configuration beside these where they differ; null ends it.
    void setCompared(const Json& other);

    /// What is to be said at a setting beside its help, and what is wrong with it for reasons that lie outside of the configuration.
    void setNote(const std::string& plainPath, const QString& note, const QString& problem = {});

    /// Scrolls to a setting, shows it if it was hidden as advanced or by the search, and gives it the focus.
    void reveal(const std::string& path);
    int visibleRowCount() const { return m_visibleRows; }
    SettingRow* row(const std::string& plainPath) const;
    ScheduleEditor* schedule() const { return m_schedule; }

Q_SIGNALS:
    void browseRequested(const QString& path);
    /// reveal() had to widen what is shown.
    void filterCleared();
    void advancedNeeded();

private:
    struct Section {
        std::string path;
        QWidget* card;
        std::vector<SettingRow*> rows;
    };

    void buildLayout();
    void connectRow(SettingRow* row);
    void refresh();
    void applyFilter();
    bool isShown(const SettingRow& row) const;

    ConfigurationModel* m_model;
    std::vector<Section> m_sections;
    ScheduleEditor* m_schedule = nullptr;
    QLabel* m_nothing = nullptr;
    std::map<std::string, std::pair<QString, QString>> m_notes; // note and problem by path
    QStringList m_words;
    Json m_compared;
    bool m_advanced = false, m_changedOnly = false, m_readOnly = false;
    int m_visibleRows = 0;
};

} // namespace espalier::widgets
