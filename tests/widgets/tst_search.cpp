// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/plan/search_results.h"
#include "core/plan/strategy.h"
#include "widgets/card.h"
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
    void emptyPageSaysWhatWillAppear();
    void planThatGrowsBringsItsSearches();
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

void TestSearch::emptyPageSaysWhatWillAppear()
{
    SearchPage page;
    page.show();
    auto* empty = page.findChild<EmptyNote*>(QStringLiteral("searchEmpty"));
    QVERIFY(empty->isVisible());
    QString said;
    for (const auto* label : empty->findChildren<QLabel*>())
        said += label->text() + QLatin1Char(' ');
    QVERIFY2(said.contains(QStringLiteral("candidates for its size are measured")), qPrintable(said));
    page.setSearches({voted(1)});
    QVERIFY(!empty->isVisible());
    page.setSearches({});
    QVERIFY(empty->isVisible());
}

/// What its strategy asks for is answered until two searches are done: what a run writes into plan.json.
void TestSearch::planThatGrowsBringsItsSearches()
{
    auto config = config::read(config::merge(config::findPreset("dit-autoprog-zero-garden")->overlay, Json::object()));
    QVERIFY(bool(config));
    const auto strategy = plan::makeStrategy(*config, {.images = 5000});
    auto plan = strategy->begin();
    QVERIFY(bool(plan));
    SearchModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    SearchPage page;
    auto* table = page.findChild<QTableView*>(QStringLiteral("searchTable"));
    const auto searches = [&] {
        std::vector<SearchView> all;
        for (const auto& stage : plan->stages)
            if (auto found = plan::searchResults(*plan, stage, *config))
                all.push_back({stage.index, true, *std::move(found)});
        return all;
    };
    QVERIFY(searches().empty());
    plan::Progress done;
    for (std::size_t wanted = 1; wanted <= 2; ++wanted) {
        while (searches().size() < wanted || !searches().back().results.complete) {
            const auto ready = strategy->ready(*plan);
            QVERIFY(!ready.empty());
            if (const auto* train = std::get_if<plan::TrainStage>(&ready.front())) {
                done.steps += 100;
                done.images += 1600;
                done.seconds += 10.0;
                *plan = strategy->apply(*plan, plan::stageFinished(train->stage, done));
            } else {
                const auto& score = std::get<plan::ZeroShot>(ready.front());
                plan::Measurement answer{score.id, {}, true};
                double cost = 1.0;
                for ([[maybe_unused]] const auto& candidate : plan::findStage(*plan, score.stage)->window) {
                    answer.table.push_back({-100.0 * cost, 50.0 - cost, 0.01 * cost}); // the first is best in everything
                    cost += 1.0;
                }
                *plan = strategy->apply(*plan, answer);
            }
        }
        const auto found = searches();
        QCOMPARE(found.size(), wanted);
        model.setSearch(found.back());
        page.setSearches(found);
        QCOMPARE(page.shownIndex(), found.back().index);
        QCOMPARE(table->model()->rowCount(), static_cast<int>(found.back().results.candidates.size()));
        const auto best = table->model()->index(0, 0);
        QCOMPARE(best.siblingAtColumn(SearchModel::Rank).data().toString(), QStringLiteral("1"));
        QVERIFY(!best.siblingAtColumn(SearchModel::Chosen).data().toString().isEmpty());
        QVERIFY(best.data(kBestRole).toBool());
        if (table->model()->rowCount() > 1) {
            table->sortByColumn(SearchModel::Chosen, Qt::DescendingOrder);
            QVERIFY(table->model()->index(0, SearchModel::Chosen).data().toString().isEmpty());
            table->sortByColumn(SearchModel::Rank, Qt::AscendingOrder);
        }
    }
}

QTEST_MAIN(TestSearch)
#include "tst_search.moc"
