// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/library_model.h"

#include <QWidget>

class QLabel;
class QLineEdit;
class QListView;
class QStackedLayout;
class QToolButton;

namespace espalier::widgets {

class EmptyNote;

/// The library at the left: filter, order, and every run found.
class LibraryPanel : public QWidget {
    Q_OBJECT
public:
    explicit LibraryPanel(LibraryModel* model, QWidget* parent = nullptr);

    /// Selects a run without saying so; nothing when it is not there.
    void select(const std::filesystem::path& folder);
    std::filesystem::path selected() const;
    LibraryFilter::Order order() const { return m_filter->order(); }
    void setOrder(LibraryFilter::Order order);
    void focusFilter();
    void focusRuns();
    /// What stands below the runs.
    void addSection(QWidget* section);

Q_SIGNALS:
    void selectedRun(const QString& folder);
    void openFolderRequested(const QString& folder);
    void duplicateRequested(const QString& folder);
    void renameRequested(const QString& folder);
    void archiveRequested(const QString& folder);
    void trashRequested(const QString& folder);
    void chooseLibraryRequested();

private:
    void buildLayout();
    void connectSignals();
    void countRuns();
    void showMenu(const QPoint& at);

    LibraryModel* m_model;
    LibraryFilter* m_filter;
    QListView* m_list;
    QLineEdit* m_words;
    QToolButton* m_sort;
    QLabel* m_count;
    EmptyNote* m_empty;
    QStackedLayout* m_stack;
    bool m_quiet = false;
};

} // namespace espalier::widgets
