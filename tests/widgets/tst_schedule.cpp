// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/config/presets.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/schedule_drawing.h"
#include "widgets/schedule_editor.h"
#include "widgets/setting_row.h"
#include "widgets/stage_table_model.h"
#include "widgets/stage_view.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>

using namespace espalier;
using namespace espalier::widgets;

class TestSchedule : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void tableIsAnItemModel();
    void columnsOfOtherModelsAreHidden();
    void firstValueFillsItsColumn();
    void stagesComeAndGoWithOneUndo();
    void lengthKindKeepsTheWhole();
    void planFollowsTheTable();
    void shrinkingIsSaidAtTheRow();
    void wrongPlanCannotBeStarted();
    void searchesOfAutoProgAreDrawn();
    void tableSettingsAreFoundBySearching();
    void narrowTableLeavesOutWhatDoesNotGrow();
    void spansMixWhatWasWithWhatWillBe();
};

/// The demo, with a transformer of 12 blocks that grows in three stages.
static Json growing(const char* kind = "stages")
{
    Json config = config::merge(config::findPreset("demo")->overlay, {{"model", {{"kind", "dit"}, {"depth", 12}}},
                                                                      {"data", {{"side", 32}}},
                                                                      {"samples", {{"sampler", {{"guidance", 1.0}}}}},
                                                                      {"evaluation", {{"sampler", {{"guidance", 1.0}}}}},
                                                                      {"training", {{"steps", 900}, {"seconds", 0}}}});
    config["schedule"] = {{"kind", kind}};
    if (std::string_view(kind) == "stages")
        config["schedule"] = {{"kind", kind}, {"stages", 3}, {"depth", {6, 8, 12}}, {"side", {16, 24, 32}}};
    return config;
}

void TestSchedule::tableIsAnItemModel()
{
    ConfigurationModel config;
    StageTableModel table(&config);
    const QAbstractItemModelTester tester(&table, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QCOMPARE(table.rowCount(), 0); // a plain schedule
    config.load(growing());
    QCOMPARE(table.rowCount(), 3);
    QCOMPARE(table.index(1, StageTableModel::Depth).data().toString(), QStringLiteral("8"));
    QCOMPARE(table.index(1, StageTableModel::Trainable).data().toString(), QStringLiteral("all"));
    table.addStage();
    table.removeStage();
    config.load(Json::object());
    QCOMPARE(table.rowCount(), 0);
}

void TestSchedule::columnsOfOtherModelsAreHidden()
{
    ConfigurationPage page;
    page.resize(1900, 900); // room for all
    page.show();
    page.editNew(growing());
    auto* view = page.findChild<QTableView*>(QStringLiteral("stageTable"));
    QVERIFY(view);
    QVERIFY(!view->isColumnHidden(StageTableModel::Depth));
    QVERIFY(view->isColumnHidden(StageTableModel::Levels));
    QVERIFY(view->isColumnHidden(StageTableModel::Drop)); // a DiT drops nothing
    Json unet = config::findPreset("demo")->overlay;
    unet["schedule"] = {{"kind", "stages"}, {"stages", 2}};
    page.editNew(unet);
    QVERIFY(view->isColumnHidden(StageTableModel::Depth));
    QVERIFY(!view->isColumnHidden(StageTableModel::Levels));
    QTRY_VERIFY(!view->isColumnHidden(StageTableModel::Drop));
}

void TestSchedule::firstValueFillsItsColumn()
{
    ConfigurationModel config;
    config.load(growing());
    StageTableModel table(&config);
    QVERIFY(table.setData(table.index(0, StageTableModel::Rate), QStringLiteral("0.5")));
    QCOMPARE(config.config()["schedule"]["learning_rate"], Json({0.5, 1.0, 1.0}));
    QVERIFY(table.setData(table.index(0, StageTableModel::Trainable), QStringLiteral("blocks:0-1+head")));
    QCOMPARE(config.config()["schedule"]["trainable"], Json("blocks:0-1+head; all; all"));
    QVERIFY(table.setData(table.index(2, StageTableModel::Rate), QString()));
    QCOMPARE(config.config()["schedule"]["learning_rate"], Json::array()); // left to the model again
    QVERIFY(table.setData(table.index(0, StageTableModel::Depth), QStringLiteral("many")));
    QVERIFY(!config.problems().empty());
    QCOMPARE(config.config()["schedule"]["depth"], Json({6, 8, 12}));
}

void TestSchedule::stagesComeAndGoWithOneUndo()
{
    ConfigurationModel config;
    config.load(growing());
    StageTableModel table(&config);
    table.addStage();
    QCOMPARE(table.rowCount(), 4);
    QCOMPARE(config.config()["schedule"]["depth"], Json({6, 8, 12, 12}));
    QVERIFY(config.problems().empty());
    config.undoStack()->undo();
    QCOMPARE(table.rowCount(), 3);
    QCOMPARE(config.config()["schedule"]["depth"], Json({6, 8, 12}));
    table.removeStage(); // the last stays the whole model
    QCOMPARE(config.config()["schedule"]["depth"], Json({6, 12}));
    QCOMPARE(config.config()["schedule"]["side"], Json({16, 32}));
}

void TestSchedule::lengthKindKeepsTheWhole()
{
    ConfigurationModel config;
    config.load(growing());
    StageTableModel table(&config);
    QCOMPARE(table.lengthKind(), QStringLiteral("share"));
    table.setLengthKind(QStringLiteral("steps"));
    QCOMPARE(table.lengthKind(), QStringLiteral("steps"));
    QCOMPARE(config.config()["schedule"]["steps"], Json({300, 300, 300}));
    table.setLengthKind(QStringLiteral("share"));
    QCOMPARE(config.config()["schedule"]["steps"], Json::array());
}

void TestSchedule::planFollowsTheTable()
{
    ConfigurationPage page;
    page.editNew(growing());
    auto* editor = page.form()->schedule();
    QTRY_VERIFY(editor->plan().has_value());
    QCOMPARE(editor->drawing()->bars().size(), std::size_t{3});
    QCOMPARE(editor->drawing()->bars()[0].depth, 0.5);
    QCOMPARE(editor->drawing()->bars()[0].side, 0.5);
    QCOMPARE(editor->drawing()->bars()[0].growth, QStringLiteral("6 blocks · 16²"));
    const QString before = editor->table()->index(0, StageTableModel::Work).data().toString();
    QVERIFY(!before.isEmpty());
    QVERIFY(page.findChild<QLabel*>(QStringLiteral("scheduleTotal"))->text().contains(QStringLiteral("% of training")));
    editor->table()->setData(editor->table()->index(0, StageTableModel::Depth), QStringLiteral("4"));
    QTRY_COMPARE(editor->drawing()->bars()[0].growth, QStringLiteral("4 blocks · 16²"));
    QVERIFY(editor->table()->index(0, StageTableModel::Work).data().toString() != before);
}

void TestSchedule::shrinkingIsSaidAtTheRow()
{
    ConfigurationPage page;
    page.editNew(growing());
    auto* editor = page.form()->schedule();
    editor->table()->setData(editor->table()->index(1, StageTableModel::Depth), QStringLiteral("4"));
    QTRY_VERIFY(editor->planProblem().has_value());
    const auto* said = page.findChild<QLabel*>(QStringLiteral("scheduleProblem"));
    QVERIFY(!said->isHidden());
    QVERIFY2(said->text().contains(QStringLiteral("stage 2")), qPrintable(said->text())); // as the rows are counted
    QVERIFY(editor->table()->index(1, StageTableModel::Depth).data(Qt::UserRole + 3).toBool());
    QVERIFY(!editor->table()->index(0, StageTableModel::Depth).data(Qt::UserRole + 3).toBool());
    page.model()->undoStack()->undo();
    QTRY_VERIFY(!editor->planProblem().has_value());
    QVERIFY(said->isHidden());
}

void TestSchedule::wrongPlanCannotBeStarted()
{
    ConfigurationPage page;
    page.editNew(growing());
    QTRY_VERIFY(page.form()->schedule()->plan().has_value());
    QCOMPARE(page.whyNotStart(), QString());
    auto* table = page.form()->schedule()->table();
    table->setData(table->index(0, StageTableModel::Side), QStringLiteral("17")); // no multiple of the patches
    QTRY_VERIFY(!page.whyNotStart().isEmpty());
    QVERIFY(!page.findChild<QPushButton*>(QStringLiteral("startRun"))->isEnabled());
}

void TestSchedule::searchesOfAutoProgAreDrawn()
{
    ConfigurationPage page;
    page.editNew(growing("autoprog-zero"));
    auto* editor = page.form()->schedule();
    QTRY_VERIFY(editor->plan().has_value());
    const auto& zero = editor->drawing()->bars();
    QCOMPARE(zero.size(), std::size_t{4});
    QVERIFY(zero[1].searched);
    QVERIFY(!zero.back().searched); // the last is the whole model
    QVERIFY(zero[0].trained < 1.0);
    QVERIFY(page.findChild<QTableView*>(QStringLiteral("stageTable"))->isHidden());
    QVERIFY(!page.form()->row("search.cost")->isHidden());
    page.editNew(growing("autoprog"));
    QTRY_VERIFY(editor->drawing()->bars().size() > 4); // supernets train
    QVERIFY(editor->drawing()->bars()[0].search);
    page.editNew(growing("plain"));
    QTRY_VERIFY(editor->isHidden());
    QVERIFY(page.form()->row("search.cost")->isHidden());
}

void TestSchedule::tableSettingsAreFoundBySearching()
{
    ConfigurationPage page;
    page.editNew(growing());
    QVERIFY(page.form()->row("schedule.depth")->isHidden());
    page.form()->setSearch(QStringLiteral("schedule.depth"));
    QVERIFY(!page.form()->row("schedule.depth")->isHidden());
    page.form()->setSearch(QString());
    page.form()->reveal("schedule.side");
    const auto* view = page.findChild<QTableView*>(QStringLiteral("stageTable"));
    QCOMPARE(view->currentIndex().column(), static_cast<int>(StageTableModel::Side));
}

void TestSchedule::narrowTableLeavesOutWhatDoesNotGrow()
{
    ConfigurationModel config;
    Json many = growing();
    many["model"] = {{"kind", "vit"}, {"depth", 12}};
    config.load(many);
    ScheduleEditor editor(&config);
    QVERIFY(editor.setShown(true));
    const auto* view = editor.findChild<QTableView*>(QStringLiteral("stageTable"));
    auto* all = editor.findChild<QPushButton*>(QStringLiteral("allStageColumns"));
    const auto used = [&] {
        int wide = 0;
        for (int column = 0; column < StageTableModel::kColumns; ++column)
            wide += view->isColumnHidden(column) ? 0 : view->columnWidth(column);
        return wide;
    };
    editor.resize(1400, 400);
    editor.show();
    QVERIFY(QTest::qWaitForWindowExposed(&editor));
    QVERIFY(!view->isColumnHidden(StageTableModel::Erase));
    QVERIFY(all->isHidden()); // everything is there
    editor.resize(640, 400);
    QTRY_VERIFY(view->isColumnHidden(StageTableModel::Erase));
    QVERIFY(!view->isColumnHidden(StageTableModel::Time));
    QVERIFY2(used() <= view->viewport()->width(), qPrintable(QString::number(used())));
    QVERIFY(!all->isHidden() && all->toolTip().contains(QStringLiteral("Erase")));
    editor.table()->setData(editor.table()->index(0, StageTableModel::Rate), QStringLiteral("0.5"));
    QVERIFY(!view->isColumnHidden(StageTableModel::Rate)); // it grows now
    all->click();
    QVERIFY(!view->isColumnHidden(StageTableModel::Erase));
    all->click();
    editor.focusSetting("schedule.erase_prob");
    QVERIFY(!view->isColumnHidden(StageTableModel::Erase));
}

void TestSchedule::spansMixWhatWasWithWhatWillBe()
{
    const auto run = config::read(growing());
    QVERIFY(bool(run));
    auto plan = plannedOf(*run);
    QVERIFY(bool(plan));
    runs::Progress now;
    auto spans = stageSpans(*plan, now);
    QCOMPARE(spans.size(), std::size_t{3});
    QCOMPARE(spans[2].to.steps, 900.0);
    QVERIFY(!spans[0].started);
    plan->ledger.push_back(plan::stageFinished("stage-00", {300, 300 * run->training.batchSize, 30.0, 3e12, 0.0}));
    now.step = 400;
    now.images = 400.0 * static_cast<double>(run->training.batchSize);
    now.seconds = 45.0;
    spans = stageSpans(*plan, now);
    QVERIFY(spans[0].ended);
    QCOMPARE(spans[0].to.seconds, 30.0);
    QVERIFY(spans[1].started && !spans[1].ended);
    QVERIFY(spans[1].forecastSeconds.has_value()); // from the pace of the first
    QVERIFY(spans[2].to.seconds > spans[1].to.seconds);
    QVERIFY(!spans[2].started);
    QVERIFY(plainSeconds(*plan, spans).has_value());
}

QTEST_MAIN(TestSchedule)
#include "tst_schedule.moc"
