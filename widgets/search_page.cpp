// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/search_page.h"

#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/search_plot.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QClipboard>
#include <QComboBox>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

SearchPage::SearchPage(QWidget* parent) : QWidget(parent), m_model(new SearchModel(this)), m_sorted(new QSortFilterProxyModel(this))
{
    setObjectName(QStringLiteral("searchPage"));
    setAccessibleName(tr("Search"));
    m_sorted->setSourceModel(m_model);
    m_sorted->setSortRole(kRawRole);
    buildLayout();
    setSearches({});
}

void SearchPage::buildLayout()
{
    m_card = new Card(tr("Search"), this);
    m_choice = new QComboBox(m_card);
    m_choice->setObjectName(QStringLiteral("searchChoice"));
    m_choice->setAccessibleName(tr("Which search"));
    auto* copy = headerButton(QStringLiteral("copySearchCsv"), tr("Copy as CSV"), QStringLiteral("copy"), m_card);
    m_card->header()->addWidget(m_choice);
    m_card->header()->addWidget(copy);
    m_plot = new SearchPlot(m_card);
    m_card->body()->addWidget(m_plot, 1);

    auto* tableCard = new Card(tr("Candidates"), this);
    tableCard->layout()->setContentsMargins(1, 10, 1, 4); // rows reach from hairline to hairline
    tableCard->header()->setContentsMargins(12, 0, 12, 0);
    m_table = new QTableView(tableCard);
    m_table->setObjectName(QStringLiteral("searchTable"));
    m_table->setAccessibleName(tr("Candidates"));
    m_table->setModel(m_sorted);
    styleTable(m_table);
    m_table->sortByColumn(SearchModel::Rank, Qt::AscendingOrder);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setSectionResizeMode(SearchModel::Chosen, QHeaderView::Stretch);
    tableCard->body()->addWidget(m_table, 1);
    m_note = dimLabel(QString(), tableCard);
    m_note->setObjectName(QStringLiteral("searchNote"));
    m_note->setWordWrap(true);
    m_note->setContentsMargins(12, 4, 12, 8);
    tableCard->body()->addWidget(m_note);

    auto* content = new QWidget(this);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap);
    column->addWidget(m_card, 2);
    column->addWidget(tableCard, 3);
    auto* empty = new EmptyNote(
        tr("No search yet"),
        tr("Before a stage, the candidates for its size are measured. What they scored, and which was chosen, appears here."), this);
    empty->setObjectName(QStringLiteral("searchEmpty"));
    m_stack = new QStackedWidget(this);
    m_stack->addWidget(empty);
    m_stack->addWidget(content);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(m_stack);

    const auto toClipboard = [this] { QGuiApplication::clipboard()->setText(tableCsv(*m_sorted)); };
    connect(copy, &QToolButton::clicked, this, toClipboard);
    onCopyKey(m_table, toClipboard);
    connect(m_choice, &QComboBox::activated, this, &SearchPage::refresh);
}

void SearchPage::setSearches(const std::vector<SearchView>& searches)
{
    const int shown = shownIndex();
    const bool last = m_choice->currentIndex() + 1 == m_choice->count();
    m_searches = searches;
    m_choice->clear();
    for (const SearchView& search : m_searches)
        m_choice->addItem(tr("For stage %1").arg(search.index + 1), search.index);
    m_choice->setCurrentIndex(last || shown < 0 ? m_choice->count() - 1 : std::max(0, m_choice->findData(shown)));
    m_choice->setEnabled(m_choice->count() > 1);
    refresh();
}

void SearchPage::showSearch(int index)
{
    if (const int place = m_choice->findData(index); place >= 0) {
        m_choice->setCurrentIndex(place);
        refresh();
    }
}

int SearchPage::shownIndex() const
{
    return m_choice->currentIndex() >= 0 ? m_choice->currentData().toInt() : -1;
}

void SearchPage::refresh()
{
    const int place = m_choice->currentIndex();
    m_stack->setCurrentIndex(place < 0 ? 0 : 1);
    const SearchView search = place < 0 ? SearchView{} : m_searches[static_cast<std::size_t>(place)];
    m_model->setSearch(search);
    for (int column = 0; column < SearchModel::kColumns; ++column)
        m_table->setColumnHidden(column, !m_model->hasColumn(column));
    m_plot->setSearch(search);
    m_card->setTitle(search.results.complete ? tr("Search for stage %1").arg(search.index + 1)
                                             : tr("Search for stage %1, still measuring").arg(search.index + 1));
    QString said = tr("Scored without training; the smallest weighted sum of ranks is chosen.");
    if (search.results.trained) // where slower ones have no lower loss, time has no weight
        said =
            search.results.exponent > 0.0
                ? tr("Sub-networks of a supernet that trained for a short while; loss × time^%1, least is best.")
                      .arg(search.results.exponent, 0, 'g', 3)
                : tr("Sub-networks of a supernet that trained for a short while. More time brought no lower loss here, so the loss alone "
                     "decides.");
    said += QLatin1Char(' ') + (search.measured
                                    ? tr("Times were measured on this machine: they are kept with the run and never measured again, and "
                                         "a new search may choose otherwise.")
                                    : tr("Costs are counted operations: a new search finds the same."));
    m_note->setText(said);
}

} // namespace espalier::widgets
