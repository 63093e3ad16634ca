// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/search_model.h"

#include <QWidget>

#include <vector>

class QComboBox;
class QLabel;
class QSortFilterProxyModel;
class QStackedWidget;
class QTableView;

namespace espalier::widgets {

class Card;
class EmptyNote;
class SearchPlot;

/// The page "Search": what each search of a run measured of its candidates, and which it chose.
class SearchPage : public QWidget {
    Q_OBJECT

public:
    explicit SearchPage(QWidget* parent = nullptr);

    /// All searches so far. The one that is looked at stays; a new one is shown when the last was.
    void setSearches(const std::vector<SearchView>& searches);
    void showSearch(int index);
    int shownIndex() const;
    SearchModel* model() const { return m_model; }

private:
    void buildLayout();
    void refresh();

    std::vector<SearchView> m_searches;
    SearchModel* m_model;
    QSortFilterProxyModel* m_sorted;
    QStackedWidget* m_stack = nullptr;
    Card* m_card = nullptr;
    QComboBox* m_choice = nullptr;
    QTableView* m_table = nullptr;
    SearchPlot* m_plot = nullptr;
    QLabel* m_note = nullptr;
};

} // namespace espalier::widgets
