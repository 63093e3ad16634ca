// SPDX-License-Identifier: GPL-3.0-or-later
// What each stage of a run took and brought, and how stages are named.
#include "core/config/config.h"
#include "core/config/presets.h"
#include "tests/widgets/page_fixtures.h"
#include "widgets/evaluation_page.h"
#include "widgets/export_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/format.h"
#include "widgets/grid_card.h"
#include "widgets/image_provider.h"
#include "widgets/log_model.h"
#include "widgets/plan_summary.h"
#include "widgets/stage_outcome_model.h"
#include "widgets/stage_times.h"
#include "widgets/stage_words.h"
#include "widgets/stages_view.h"
#include "widgets/table_parts.h"
#include "widgets/target_view.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QSignalSpy>
#include <QTableView>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>

#include <limits>

using namespace espalier;
using namespace espalier::widgets;

class TestStages : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void stagesAreCountedFromOneAndSaidAsTheCommandLineDoes();
    void outcomesComeFromPlanAndEvents();
    void supernetsBelongToTheirStage();
    void otherRecipesAreNotCompared();
    void modelIsAnItemModel();
    void pageOffersTheStagesOfRunsThatGrow();
    void gridOfTheChosenStageIsShown();
    void dialogsNameStagesBothWays();
    void logTellsAboutStages();
    void assembledStagesStandSideBySide();
    void phasesSayTheirLengths();
};

namespace {

/// A transformer in three stages; the first took 30 seconds and 4 of searching, the second trains.
plan::Plan grownPlan(const char* kind = "stages")
{
    Json config = config::merge(config::findPreset("demo")->overlay, {{"model", {{"kind", "dit"}, {"depth", 12}}},
                                                                      {"data", {{"side", 32}}},
                                                                      {"samples", {{"sampler", {{"guidance", 1.0}}}}},
                                                                      {"evaluation", {{"sampler", {{"guidance", 1.0}}}}},
                                                                      {"training", {{"steps", 900}, {"seconds", 0}}}});
    config["schedule"] = {{"kind", kind}, {"stages", 3}};
    if (std::string_view(kind) == "stages")
        config["schedule"] = {{"kind", kind}, {"stages", 3}, {"depth", {6, 8, 12}}, {"side", {16, 24, 32}}};
    auto plan = plannedOf(*config::read(config));
    if (!plan)
        qFatal("%s", plan.error().message.c_str());
    return *std::move(plan);
}

runs::Progress inTheSecond()
{
    runs::Progress now;
    now.step = 400;
    now.images = 40'000.0;
    now.seconds = 52.0;
    now.imagesPerSecond = 500.0;
    return now;
}

runs::EvaluationEntry measured(std::int64_t step, int stage, double value, const char* recipe = "FD-1k, EMA")
{
    runs::EvaluationEntry entry;
    entry.evaluated.step = step;
    entry.evaluated.stage = stage;
    entry.evaluated.weights = "ema";
    entry.evaluated.metric = "fd";
    entry.evaluated.value = value;
    entry.evaluated.recipe = {{"name", recipe}};
    entry.evaluated.seconds = 2.0;
    return entry;
}

StageOutcomes outcomes()
{
    auto plan = grownPlan();
    plan.ledger.push_back(plan::stageFinished("stage-00", {300, 30'000, 30.0, 3e12, 4.0}));
    return stageOutcomes(plan, inTheSecond(), {}, {measured(100, 0, 40.0), measured(300, 0, 30.0), measured(400, 1, 35.0)});
}

} // namespace

void TestStages::stagesAreCountedFromOneAndSaidAsTheCommandLineDoes()
{
    QCOMPARE(stageTitle(0), QStringLiteral("Stage 1"));
    QCOMPARE(stageOnCommandLine(0), QStringLiteral("On the command line: --at-stage 0"));
    int first = 0;
    QCOMPARE(countedFromOne(QStringLiteral("Forked from oak at the end of stage 0."), &first),
             QStringLiteral("Forked from oak at the end of stage 1."));
    QCOMPARE(first, 0);
    QCOMPARE(countedFromOne(QStringLiteral("stage stage-01 is smaller than stage 0"), &first),
             QStringLiteral("stage 2 is smaller than stage 1"));
    QCOMPARE(first, 1);
    const QString untouched = QStringLiteral("--at-stage 0 of 4 stages, samples/stage-00/step-10, Stages 3");
    QCOMPARE(countedFromOne(untouched, &first), untouched);
    QCOMPARE(first, -1);
}

void TestStages::outcomesComeFromPlanAndEvents()
{
    const auto all = outcomes();
    QCOMPARE(all.stages.size(), std::size_t{3});
    const auto& [one, two, three] = std::tie(all.stages[0], all.stages[1], all.stages[2]);
    QVERIFY(one.ended && two.started && !two.ended && !three.started);
    QCOMPARE(one.steps, 300);
    QCOMPARE(one.training, 30.0);
    QCOMPARE(one.searching, std::optional(4.0));
    QVERIFY(!one.forecast); // nobody knew the pace
    QCOMPARE(one.evaluating, 4.0);
    QCOMPARE(one.last->value, 30.0);
    QCOMPARE(one.best->value, 30.0);
    QCOMPARE(one.shape, QStringLiteral("6 blocks · 16²"));
    QCOMPARE(two.steps, 100); // so far
    QCOMPARE(two.training, 22.0);
    QVERIFY(two.forecast.has_value());
    QVERIFY(!two.searching.has_value());
    QCOMPARE(two.best->value, 35.0);
    QCOMPARE(three.steps, 300); // to come
    QCOMPARE(three.training, 0.0);
    QVERIFY(three.forecast.has_value());
    QVERIFY(!three.best.has_value());

    plan::Plan plain = grownPlan();
    plain.stages.resize(1);
    QVERIFY(stageOutcomes(plain, {}, {}, {}).stages.empty());
}

void TestStages::supernetsBelongToTheirStage()
{
    auto plan = grownPlan("autoprog");
    QVERIFY(plan.stages.front().role == plan::Stage::Role::Supernet);
    plan.ledger.push_back(plan::stageFinished(plan.stages[0].id, {50, 5'000, 5.0, 1e12, 3.0}));
    plan.ledger.push_back(plan::stageFinished(plan.stages[1].id, {300, 30'000, 30.0, 3e12, 3.0}));
    const auto all = stageOutcomes(plan, inTheSecond(), {}, {});
    QCOMPARE(all.stages.size(), std::size_t{3});
    QCOMPARE(all.stages[0].steps, 300);
    QCOMPARE(all.stages[0].training, 30.0);
    QCOMPARE(all.stages[0].searching, std::optional(3.0));
    QVERIFY(all.stages[1].started && !all.stages[1].ended);
}

void TestStages::otherRecipesAreNotCompared()
{
    auto plan = grownPlan();
    plan.ledger.push_back(plan::stageFinished("stage-00", {300, 30'000, 30.0, 3e12, 0.0}));
    const auto all = stageOutcomes(plan, inTheSecond(), {},
                                   {measured(100, 0, 40.0), measured(300, 0, 31.0), measured(300, 0, 12.0, "FD-50k, EMA"),
                                    measured(400, 1, std::numeric_limits<double>::quiet_NaN())});
    QCOMPARE(all.recipe, QStringLiteral("FD-1k, EMA"));
    QCOMPARE(all.stages[0].best->value, 31.0);
    QVERIFY(!all.stages[1].best.has_value());
}

void TestStages::modelIsAnItemModel()
{
    StageOutcomeModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
    model.setOutcomes(outcomes());
    model.setOutcomes(outcomes());
    QCOMPARE(resets.size(), 1); // the chosen row stays
    QCOMPARE(model.rowCount(), 3);
    QVERIFY(model.index(0, StageOutcomeModel::Best).data(kBestRole).toBool());
    QVERIFY(!model.index(1, StageOutcomeModel::Best).data(kBestRole).toBool());
    QCOMPARE(model.headerData(StageOutcomeModel::Best, Qt::Horizontal).toString(), QStringLiteral("Best FD"));
    QCOMPARE(model.index(2, StageOutcomeModel::Stage).data().toString(), QStringLiteral("Stage 3 · to come"));
    QVERIFY(model.index(0, StageOutcomeModel::Stage).data(Qt::ToolTipRole).toString().contains(QStringLiteral("--at-stage 0")));
    QVERIFY(!model.hasColumn(StageOutcomeModel::Trains)); // the same in all
    QVERIFY(!model.hasColumn(StageOutcomeModel::Sampling));
    QVERIFY(model.hasColumn(StageOutcomeModel::Searching));
    model.setOutcomes({});
    QCOMPARE(model.rowCount(), 0);
}

void TestStages::pageOffersTheStagesOfRunsThatGrow()
{
    ImageProvider images;
    EvaluationPage page(&images);
    page.resize(980, 560);
    page.show();
    auto* button = page.findChild<QToolButton*>(QStringLiteral("evaluationByStages"));
    QVERIFY(!button->isVisible());
    page.setStages(QStringLiteral("/oak"), outcomes());
    QVERIFY(button->isVisible());
    button->click();
    QVERIFY(page.showsStages() && page.stages()->isVisible());
    QCOMPARE(page.stages()->chosen(), 1); // the one that trains
    QSignalSpy opened(&page, &EvaluationPage::stageOpened);
    auto* times = page.findChild<StageTimes*>();
    QTest::mouseClick(times, Qt::LeftButton, {}, times->rowOf(0).center().toPoint());
    QCOMPARE(page.stages()->chosen(), 0);
    page.setStages(QStringLiteral("/oak"), outcomes());
    QCOMPARE(page.stages()->chosen(), 0);
    auto* table = page.findChild<QTableView*>(QStringLiteral("stagesTable"));
    Q_EMIT table->activated(table->currentIndex());
    QCOMPARE(opened.size(), 1);
    QCOMPARE(opened[0][0].toInt(), 0);
    QVERIFY(page.stages()->csv().contains(QStringLiteral("Stage,Shape")));
    page.setStages(QStringLiteral("/plain"), {});
    QVERIFY(!button->isVisible() && !page.stages()->isVisible());
}

void TestStages::gridOfTheChosenStageIsShown()
{
    const QTemporaryDir folder;
    const auto samples = fixtures::writeSamples(folder.path(), 6, 4, 2, 16); // the last third of them in stage 1
    auto plan = grownPlan();
    plan.ledger.push_back(plan::stageFinished("stage-00", {300, 30'000, 30.0, 3e12, 0.0}));
    const auto all = stageOutcomes(plan, inTheSecond(), samples, {});
    QVERIFY(all.stages[0].grid && all.stages[1].grid);
    QVERIFY(all.stages[0].grid->drawn.weights.starts_with("ema"));
    ImageProvider images;
    StagesView view(&images);
    view.resize(980, 560);
    view.show();
    view.setOutcomes(folder.path(), all, true);
    auto* card = view.findChild<GridCard*>(QStringLiteral("stageGrid"));
    auto* picture = card->findChild<GridPicture*>();
    QTRY_VERIFY(picture->isVisible());
    const QImage second = picture->grab().toImage();
    view.choose(0);
    QTRY_VERIFY(picture->isVisible() && picture->grab().toImage() != second);
    view.choose(2); // it has drawn nothing yet
    QVERIFY(!picture->isVisible());
}

void TestStages::dialogsNameStagesBothWays()
{
    ForkDialog fork(QStringLiteral("oak"), 0, {});
    QVERIFY(fork.windowTitle().contains(QStringLiteral("after stage 1")));
    QCOMPARE(fork.findChild<QLabel*>(QStringLiteral("forkCommand"))->text(),
             QStringLiteral("espalier-cli fork oak --at-stage 0 --name oak-stage-1"));
    ExportDialog exported(QStringLiteral("oak"), {100, 300, 400}, 300, {0.99}, {"safetensors"}, QStringLiteral("/tmp"));
    exported.setStageEnds({{300, 0}});
    const auto* step = exported.findChild<QComboBox*>(QStringLiteral("exportStep"));
    QCOMPARE(step->currentText(), QStringLiteral("Step 300 · end of stage 1"));
    QVERIFY(step->currentData(Qt::ToolTipRole).toString().contains(QStringLiteral("--at-stage 0")));
    QCOMPARE(exported.request().step, 300);
}

void TestStages::logTellsAboutStages()
{
    QCOMPARE(logLineOf(runs::makeEvent(runs::StageStarted{1, "stage-01", 300}, 1.0))->text, QStringLiteral("Stage 2 begins at step 300"));
    QVERIFY(logLineOf(runs::makeEvent(runs::Searched{1, "x", "r24_l8", 300, 4.0}, 1.0))
                ->text.startsWith(QStringLiteral("Stage 2 will be r24_l8")));
    QVERIFY(logLineOf(runs::makeEvent(runs::Forked{"id", "oak", 0, 300}, 1.0))->text.contains(QStringLiteral("at the end of stage 1")));
    QVERIFY(logLineOf(runs::makeEvent(runs::StateChanged{runs::RunState::Paused, "Forked from oak at the end of stage 0."}, 1.0))
                ->text.contains(QStringLiteral("stage 1")));
}

namespace {

/// A meta model of 60 steps, four modules of 40 and the whole of 40 again.
Json assembledConfig(const Json& phases)
{
    auto overlay = config::merge(config::findPreset("vit-assembled-garden")->overlay, {{"training", {{"steps", 0}, {"seconds", 0}}}});
    overlay["schedule"] = config::merge({{"kind", "assembled"}, {"modules", 4}}, phases);
    return overlay;
}

Json steps(int meta, int module, int whole)
{
    return {{"pt", {{"steps", meta}}}, {"mt", {{"steps", module}}}, {"ft", {{"steps", whole}}}};
}

QString lengthOf(const Json& run)
{
    for (const auto& line : planSummary(run, {}))
        if (line.title == QStringLiteral("Length"))
            return line.text;
    return {};
}

} // namespace

void TestStages::assembledStagesStandSideBySide()
{
    auto plan = plannedOf(*config::read(assembledConfig(steps(60, 40, 40))));
    if (!plan)
        QFAIL(plan.error().message.c_str());
    const auto views = stageViews(*plan);
    QCOMPARE(views.size(), std::size_t{6});
    QCOMPARE(views[0].title, QStringLiteral("Meta model"));
    QCOMPARE(views[0].counted, QStringLiteral("4 blocks, all train"));
    QCOMPARE(views[1].title, QStringLiteral("Module 1 of 4"));
    QCOMPARE(views[4].title, QStringLiteral("Module 4 of 4"));
    QCOMPARE(views[4].counted, QStringLiteral("5 blocks, 2 train"));
    QCOMPARE(views[4].lane, 3);
    QCOMPARE(views[4].lanes, 4);
    QCOMPARE(views[5].title, QStringLiteral("Assembled"));
    QCOMPARE(views[5].lanes, 1);
    // The modules of a U-Net are its levels.
    auto levels = config::merge(config::findPreset("garden-assembled")->overlay, {{"training", {{"steps", 0}, {"seconds", 0}}}});
    levels["schedule"] = config::merge({{"kind", "assembled"}}, steps(60, 40, 40));
    levels["model"]["num_res_blocks"] = 2;
    const auto ofLevels = plannedOf(*config::read(levels));
    if (!ofLevels)
        QFAIL(ofLevels.error().message.c_str());
    const auto unets = stageViews(*ofLevels);
    QVERIFY2(unets.front().counted.endsWith(QStringLiteral(" levels × 1, all train")), qPrintable(unets.front().counted));
    QVERIFY2(unets[1].counted.contains(QStringLiteral(" levels × 2+1")), qPrintable(unets[1].counted));
    QVERIFY2(unets.back().counted.endsWith(QStringLiteral(" levels × 2, all train")), qPrintable(unets.back().counted));
    QVERIFY2(targetView(*ofLevels).words.endsWith(QStringLiteral(" levels, a module each")), qPrintable(targetView(*ofLevels).words));

    plan->ledger.push_back(plan::stageFinished("meta", {60, 3840, 30.0, 3e12}));
    plan->ledger.push_back(plan::stageFinished("module-0", {100, 6400, 50.0, 5e12}));
    runs::Progress now, second;
    now.step = 74;
    second.step = 76;
    second.images = 4864.0;
    second.seconds = 38.0;
    second.imagesPerSecond = 128.0;
    const auto spans = stageSpans(*plan, now, {{"module-1", second}});
    for (std::size_t place = 1; place <= 4; ++place) {
        QCOMPARE(spans[place].from.steps, 60.0);
        QCOMPARE(spans[place].to.steps, 100.0);
        QCOMPARE(spans[place].joined.steps, 100.0); // the longest, not all in a row
        QCOMPARE(spans[place].joined.images, 3840.0 + 4 * 2560.0);
    }
    QVERIFY(spans[1].ended && spans[2].started && !spans[2].ended && !spans[3].started && !spans[5].started);
    QCOMPARE(spans[5].from.steps, 100.0);
    QCOMPARE(spans[5].to.steps, 140.0);
    QVERIFY(spans[5].from.seconds > 50.0 + 3 * 15.0); // they train in turn

    const auto all = stageOutcomes(*plan, now, {}, {}, 1, {{"module-1", second}});
    QCOMPARE(all.stages.size(), std::size_t{6});
    QCOMPARE(all.stages[2].title, QStringLiteral("Module 2 of 4"));
    QCOMPARE(all.stages[2].steps, 16);
    QCOMPARE(all.stages[2].training, 8.0);
    StageOutcomeModel model;
    model.setOutcomes(all);
    QCOMPARE(model.index(3, StageOutcomeModel::Stage).data().toString(), QStringLiteral("Module 3 of 4 · to come"));
    QCOMPARE(logLineOf(runs::makeEvent(runs::StageStarted{3, "module-2", 60}, 1.0))->text, QStringLiteral("Module 3 begins at step 60"));
}

void TestStages::phasesSayTheirLengths()
{
    QCOMPARE(lengthOf(assembledConfig(steps(60, 40, 40))), QStringLiteral("60 + 40 × 4 + 40 steps"));
    const Json both{
        {"pt", {{"steps", 60}, {"seconds", 100}}}, {"mt", {{"steps", 40}, {"seconds", 30}}}, {"ft", {{"steps", 40}, {"seconds", 80}}}};
    QCOMPARE(
        lengthOf(assembledConfig(both)),
        QStringLiteral("60 + 40 × 4 + 40 steps or %1 + %2 × 4 + %3, whichever comes first").arg(duration(100), duration(30), duration(80)));
    const Json mixed{{"pt", {{"steps", 60}}}, {"mt", {{"seconds", 30}}}, {"ft", {{"steps", 40}}}};
    QCOMPARE(lengthOf(assembledConfig(mixed)), QStringLiteral("60 steps + %1 × 4 + 40 steps").arg(duration(30)));
}

QTEST_MAIN(TestStages)
#include "tst_stages.moc"
