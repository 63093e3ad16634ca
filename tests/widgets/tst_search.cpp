// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/search_model.h"
#include "widgets/search_page.h"
#include "widgets/search_plot.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QTableView>
#include <QTest>

#include <limits>

using namespace espalier;
using namespace espalier::widgets;

class TestSearch : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void candidatesAreRanked();
    void kindsHaveTheirOwnColumns();
    void tableSortsByNumbers();
    void pageSaysWhetherItCanBeRepeated();
    void theOneLookedAtStays();
};

static SearchView voted(int index)
{
    SearchView search{index, true, {}};
    search.results.complete = true;
    search.results.candidates = {
        {.name = "r16_l1", .seconds = 0.004, .ntk = -900, .zico = 41.5, .timeRank = 1, .ntkRank = 3, .zicoRank = 2, .total = 3.5},
        {.name = "r16_l2",
         .seconds = 0.012,
         .ntk = -800,
         .zico = 52.0,
         .timeRank = 2,
         .ntkRank = 2,
         .zicoRank = 1,
         .total = 3.0,
         .chosen = true},
        {.name = "r24_l2", .seconds = 0.1, .ntk = -700, .zico = 33.0, .timeRank = 3, .ntkRank = 1, .zicoRank = 3, .total = 5.0}};
    return search;
}

static SearchView trained(int index)
{
    SearchView search{index, false, {}};
    search.results.trained = true;
    search.results.exponent = 0.07;
    search.results.candidates = {{.name = "r16_l6", .seconds = 2e9, .loss = 1.9, .total = 1.9},
                                 {.name = "r32_l9", .seconds = 8e9, .loss = 1.6, .total = std::numeric_limits<double>::quiet_NaN()}};
    return search;
}

void TestSearch::candidatesAreRanked()
{
    SearchModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    model.setSearch(voted(1));
    QCOMPARE(model.rowCount(), 3);
    QCOMPARE(model.rankOf(0), 2);
    QCOMPARE(model.rankOf(1), 1);
    QCOMPARE(model.index(1, SearchModel::Chosen).data().toString(), QStringLiteral("✓ chosen"));
    QVERIFY(model.index(1, SearchModel::Rank).data(kBestRole).toBool());
    QCOMPARE(model.index(0, SearchModel::Cost).data().toString(), QStringLiteral("4.000 ms  (1)"));
    model.setSearch(trained(0));
    QCOMPARE(model.rankOf(1), 2); // what is no number is worst
    QVERIFY(model.index(0, SearchModel::Cost).data().toString().endsWith(QStringLiteral("FLOP")));
}

void TestSearch::kindsHaveTheirOwnColumns()
{
    SearchPage page;
    auto* table = page.findChild<QTableView*>(QStringLiteral("searchTable"));
    page.setSearches({voted(1)});
    QVERIFY(table->isColumnHidden(SearchModel::Loss));
    QVERIFY(!table->isColumnHidden(SearchModel::Ntk));
    page.setSearches({trained(1)});
    QVERIFY(!table->isColumnHidden(SearchModel::Loss));
    QVERIFY(table->isColumnHidden(SearchModel::Zico));
}

void TestSearch::tableSortsByNumbers()
{
    SearchPage page;
    page.setSearches({voted(1)});
    auto* table = page.findChild<QTableView*>(QStringLiteral("searchTable"));
    QCOMPARE(table->model()->index(0, 0).data().toString(), QStringLiteral("r16_l2")); // the best first
    table->sortByColumn(SearchModel::Cost, Qt::DescendingOrder);
    QCOMPARE(table->model()->index(0, 0).data().toString(), QStringLiteral("r24_l2")); // 100 ms, though "4" is the greater letter
}

void TestSearch::pageSaysWhetherItCanBeRepeated()
{
    SearchPage page;
    page.setSearches({voted(1)});
    const auto* note = page.findChild<QLabel*>(QStringLiteral("searchNote"));
    QVERIFY(note->text().contains(QStringLiteral("may choose otherwise")));
    page.setSearches({trained(1)});
    QVERIFY(note->text().contains(QStringLiteral("finds the same")));
    page.resize(800, 500);
    page.show();
    QVERIFY(!page.findChild<SearchPlot*>()->grab().isNull());
}

void TestSearch::theOneLookedAtStays()
{
    SearchPage page;
    QCOMPARE(page.shownIndex(), -1);
    page.setSearches({voted(0), voted(1)});
    QCOMPARE(page.shownIndex(), 1); // the newest
    page.setSearches({voted(0), voted(1), voted(2)});
    QCOMPARE(page.shownIndex(), 2);
    page.showSearch(0);
    page.setSearches({voted(0), voted(1), voted(2), voted(3)});
    QCOMPARE(page.shownIndex(), 0);
}

QTEST_MAIN(TestSearch)
#include "tst_search.moc"
