// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/log_model.h"

#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QListView;
class QPushButton;
class QSortFilterProxyModel;
class QStackedWidget;
class QToolButton;

namespace espalier::widgets {

class EmptyNote;
class LogFilter;

/// The page "Log": what a person would read. Follows the end until somebody scrolls up.
class LogPage : public QWidget {
    Q_OBJECT

public:
    explicit LogPage(QWidget* parent = nullptr);
    void append(const std::vector<LogLine>& lines);
    /// Another run: its lines come next.
    void clear();
    bool isFollowing() const { return m_following; }
    /// The chosen lines, or all that the filter shows, as text.
    QString text() const;
    LogModel* model() const { return m_model; }

public Q_SLOTS:
    void follow();

Q_SIGNALS:
    void openLogFileRequested();

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void buildLayout();
    void connectSignals();
    void applyFilter();
    void refresh();
    void noteScrolled(); // by a person, with keys, wheel or the bar

    LogModel* m_model;
    LogFilter* m_filter;
    bool m_following = true;
    QStackedWidget* m_stack = nullptr;
    EmptyNote* m_empty = nullptr;
    QListView* m_list = nullptr;
    QLineEdit* m_search = nullptr;
    QComboBox* m_level = nullptr;
    QLabel* m_count = nullptr;
    QToolButton* m_copy = nullptr;
    QToolButton* m_open = nullptr;
    QPushButton* m_follow = nullptr;
};

} // namespace espalier::widgets
