// SPDX-License-Identifier: GPL-3.0-or-later
// What the window shows of runs whose modules are trained apart: which module is where, what it is called, its curve, and such a run
// against one trained end to end.
#include "core/config/config.h"
#include "core/config/presets.h"
#include "widgets/checkpoint_model.h"
#include "widgets/compare_model.h"
#include "widgets/compare_view.h"
#include "widgets/curve_legend.h"
#include "widgets/export_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/grid_settings.h"
#include "widgets/module_picture.h"
#include "widgets/plan_summary.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_outcome_model.h"
#include "widgets/stage_words.h"
#include "widgets/target_view.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QComboBox>
#include <QHeaderView>
#include <QLabel>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>
#include <QToolButton>

using namespace espalier;
using namespace espalier::widgets;

class TestModules : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void everyPlaceNamesAModuleTheSame();
    void sentencesOfTheCoreCountModulesFromOne();
    void targetIsWhatThePlanSays();
    void targetOfADitKeepsTheConditionOfTheMetaModel();
    void modulesOfFilesAreNamed();
    void modulesFareAsTheirBranchesSay();
    void pictureFindsAModule();
    void pictureIsNotColourAlone();
    void lanesStartAndPauseTheirModules();
    void hybridsAreNoResultsOfTheWhole();
    void legendHidesCurves();
    void equalDeviceTimeIsNotEqualWallClock();
    void whyRunsCannotBeComparedIsSaid();
};

namespace {

Json configOf(Json overlay, Json schedule = Json::object())
{
    overlay = config::merge(overlay, {{"training", {{"steps", 0}, {"seconds", 0}}}});
    overlay["schedule"] = config::merge(
        {{"kind", "assembled"}, {"modules", 4}, {"pt", {{"steps", 60}}}, {"mt", {{"steps", 40}}}, {"ft", {{"steps", 40}}}}, schedule);
    return overlay;
}

plan::Plan planOf(const Json& json)
{
    const auto config = config::read(json);
    if (!config)
        qFatal("%s", config.error().message.c_str());
    auto plan = plannedOf(*config);
    if (!plan)
        qFatal("%s", plan.error().message.c_str());
    return *std::move(plan);
}

/// A ViT of 8 blocks in four modules.
plan::Plan vitPlan(Json schedule = Json::object())
{
    return planOf(configOf(config::merge(config::findPreset("vit-assembled-garden")->overlay, {{"model", {{"depth", 8}}}}), schedule));
}

runs::BranchStatus status(int module, runs::RunState state, double fraction, std::string why = {})
{
    runs::BranchStatus status;
    status.name = "module-" + std::to_string(module);
    status.module = module;
    status.state = state;
    status.fraction = fraction;
    status.why = std::move(why);
    return status;
}

/// The first has ended, the second trains, the third failed, the fourth waits.
std::vector<runs::BranchStatus> statuses()
{
    using enum runs::RunState;
    return {status(0, Finished, 1.0), status(1, Training, 0.63), status(2, Failed, 0.2, "module-2: its loss is not finite."),
            status(3, New, 0.0)};
}

TargetView underWay()
{
    const auto branches = statuses();
    runs::Progress progress;
    const TargetState state{runs::RunState::Training, &progress, &branches};
    return targetView(vitPlan(), &state);
}

plan::ComparedRun comparedRun(const std::string& name, std::initializer_list<plan::ComparedPoint> points)
{
    return {name, {{"top1", "Top-1 of 200", points}}, points.end()[-1].spent, false};
}

} // namespace

void TestModules::everyPlaceNamesAModuleTheSame()
{
    const auto plan = vitPlan();
    const StageNames names(&plan);
    QVERIFY(names.named());
    const QStringList all{QStringLiteral("Meta model"),    QStringLiteral("Module 1 of 4"), QStringLiteral("Module 2 of 4"),
                          QStringLiteral("Module 3 of 4"), QStringLiteral("Module 4 of 4"), QStringLiteral("Assembled")};
    for (int i = 0; i < all.size(); ++i)
        QCOMPARE(names.of(i), all[i]);
    QCOMPARE(StageNames().of(1), QStringLiteral("Stage 2"));

    runs::CheckpointEntry entry;
    entry.step = 60;
    entry.stage = 2;
    CheckpointModel checkpoints;
    const QAbstractItemModelTester tester(&checkpoints);
    checkpoints.setStageNames(names);
    checkpoints.setEntries({entry}, {});
    QCOMPARE(checkpoints.index(0, CheckpointModel::Stage).data().toString(), QStringLiteral("module 2 of 4"));

    runs::SampleEntry sample;
    sample.drawn.stage = 5;
    QCOMPARE(GridSettings::linesOf(sample, names)[1].text, QStringLiteral("Assembled"));
    const ForkDialog fork(QStringLiteral("oak"), 0, {}, names);
    QCOMPARE(fork.windowTitle(), QStringLiteral("Fork oak after meta model"));
    ExportDialog exported(QStringLiteral("oak"), {60}, 60, {0.99}, {"safetensors"}, QStringLiteral("/tmp"));
    exported.setStageEnds({{60, 0}}, names);
    QCOMPARE(exported.findChild<QComboBox*>(QStringLiteral("exportStep"))->currentText(), QStringLiteral("Step 60 · end of meta model"));
}

void TestModules::sentencesOfTheCoreCountModulesFromOne()
{
    QCOMPARE(countedFromOne(QStringLiteral("module-2 failed, the other stages go on without it: module-2: NaN.")),
             QStringLiteral("Module 3 failed, the other stages go on without it: module 3: NaN."));
    QCOMPARE(countedFromOne(QStringLiteral("It lies in branches/module-2/log.txt.")),
             QStringLiteral("It lies in branches/module-2/log.txt."));
    QCOMPARE(countedFromOne(QStringLiteral("Say --module 2.")), QStringLiteral("Say --module 2."));
}

void TestModules::targetIsWhatThePlanSays()
{
    const auto target = targetView(vitPlan());
    QVERIFY(!target.known);
    QCOMPARE(target.words, QStringLiteral("8 blocks in 4 modules"));
    QCOMPARE(target.meta, QStringLiteral("trained here"));
    QCOMPARE(target.cells.size(), std::size_t{10}); // embed, 8 blocks, head
    QCOMPARE(target.cells.front().module, 0);
    QCOMPARE(target.cells.back().module, 3);
    for (int block = 0; block < 8; ++block)
        QCOMPARE(target.cells[static_cast<std::size_t>(block + 1)].module, block / 2);
    const auto& second = target.modules[1];
    QCOMPARE(second.stage, 2);
    QCOMPARE(second.trains, QStringLiteral("40 steps"));
    QCOMPARE(second.hybrid.size(), std::size_t{7}); // embed, 1 + 2 + 1 + 1 blocks, head
    for (std::size_t i = 0; i < second.hybrid.size(); ++i)
        QCOMPARE(second.hybrid[i].trains, i == 2 || i == 3); // its two blocks alone
    QVERIFY(target.modules[0].hybrid[0].trains);             // with all that comes before the blocks
    QVERIFY(targetView(planOf(config::findPreset("demo")->overlay)).modules.empty());
    // One module alone: the others are the meta model's.
    const auto alone = targetView(vitPlan({{"phase", "MT"}, {"module", 2}, {"meta_from", "meta-run"}}));
    QCOMPARE(alone.modules.size(), std::size_t{4});
    QCOMPARE(alone.modules[0].from, TargetModule::From::Meta);
    QCOMPARE(alone.modules[2].from, TargetModule::From::Trained);
    QCOMPARE(alone.meta, QStringLiteral("from meta-run"));
}

void TestModules::targetOfADitKeepsTheConditionOfTheMetaModel()
{
    const auto target = targetView(
        planOf(configOf(config::merge(config::findPreset("demo")->overlay, {{"model", {{"kind", "dit"}, {"depth", 8}}},
                                                                            {"samples", {{"sampler", {{"guidance", 1.0}}}}},
                                                                            {"evaluation", {{"sampler", {{"guidance", 1.0}}}}}}))));
    QCOMPARE(target.cells.front().part, QStringLiteral("embed"));
    QCOMPARE(target.cells.front().module, -1);
    QVERIFY(!target.modules[0].hybrid.front().trains);
}

void TestModules::modulesOfFilesAreNamed()
{
    const auto target = targetView(vitPlan({{"module_files", ";elsewhere/module-b;;"}}));
    QCOMPARE(target.modules[1].from, TargetModule::From::File);
    QCOMPARE(target.modules[1].source, QStringLiteral("from module-b"));
    QCOMPARE(target.modules[1].stage, -1);
    QCOMPARE(target.modules[2].from, TargetModule::From::Trained);
    QCOMPARE(target.modules[2].stage, 2); // meta, module-0, module-2
}

void TestModules::modulesFareAsTheirBranchesSay()
{
    const auto target = underWay();
    QVERIFY(target.known);
    QCOMPARE(fareOf(target.modules[0]), QStringLiteral("trained"));
    QCOMPARE(fareOf(target.modules[1]), QStringLiteral("Training · 63 %"));
    QCOMPARE(fareOf(target.modules[2]), QStringLiteral("Failed · 20 %"));
    QVERIFY(target.modules[2].why.startsWith(QStringLiteral("Module 3: its loss")));
    QCOMPARE(fareOf(target.modules[3]), QStringLiteral("waits"));
    auto plan = vitPlan(); // what the ledger knows has ended, whatever a branch says
    plan.ledger.push_back(plan::stageFinished("meta", {60, 3840, 30.0, 3e12}));
    plan.ledger.push_back(plan::stageFinished("module-3", {100, 6400, 50.0, 5e12}));
    const auto branches = statuses();
    const TargetState state{runs::RunState::Training, nullptr, &branches};
    QCOMPARE(targetView(plan, &state).modules[3].state, runs::RunState::Finished);
}

void TestModules::pictureFindsAModule()
{
    ModulePicture picture;
    picture.setTarget(underWay());
    picture.resize(900, picture.sizeHint().height());
    picture.show();
    QSignalSpy pointed(&picture, &ModulePicture::pointed), chosen(&picture, &ModulePicture::chosen);
    QCOMPARE(picture.shown(), 1); // the one that trains
    const auto third = picture.areasOf(2);
    QCOMPARE(third.size(), std::size_t{1});
    QTest::mouseMove(&picture, third[0].center().toPoint());
    QTRY_COMPARE(picture.shown(), 2);
    QCOMPARE(pointed.last().first().toInt(), 3); // meta, module-0, module-1, module-2
    QTest::mouseClick(&picture, Qt::LeftButton, {}, third[0].center().toPoint());
    QCOMPARE(chosen.last().first().toInt(), 3);
    QTest::keyClick(&picture, Qt::Key_Right);
    QTest::keyClick(&picture, Qt::Key_Return);
    QCOMPARE(chosen.last().first().toInt(), 4);
    picture.setSelected(-1);
    QVERIFY(picture.accessibleDescription().contains(QStringLiteral("Module 2 of 4: Training · 63 %")));
    for (int module = 0; module < 4; ++module) // side by side, from the input to the output
        QVERIFY(module == 0 || picture.areasOf(module)[0].left() >= picture.areasOf(module - 1)[0].right() - 1);
}

void TestModules::pictureIsNotColourAlone()
{
    const auto grey = [](const TargetView& target) {
        ModulePicture picture;
        picture.setTarget(target);
        picture.resize(900, picture.sizeHint().height());
        return picture.grab().toImage().convertToFormat(QImage::Format_Grayscale8);
    };
    auto target = underWay();
    const QImage before = grey(target);
    target.modules[3].state = runs::RunState::Paused;
    QVERIFY(grey(target) != before);
    auto more = underWay();
    more.modules[1].fraction = 0.9;
    QVERIFY(grey(more) != before);
}

void TestModules::lanesStartAndPauseTheirModules()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 450);
    StageLanes lanes(&axis);
    std::vector<BlockView> blocks{{0, "Meta model", "", 0, 400, true, true}};
    for (int k = 0; k < 2; ++k) {
        BlockView block{k + 1, moduleTitle(k, 2).toStdString(), "loss 1.2 · GPU 0", 400, 800, true, false};
        block.lane = k;
        block.lanes = 2;
        block.control = ModuleControl{k, "module-" + std::to_string(k), k == 1, k == 0 ? std::string("module-0 is saving.") : ""};
        blocks.push_back(block);
    }
    lanes.setBlocks(blocks);
    lanes.resize(1300, lanes.sizeHint().height());
    lanes.setSpan(64, 1064);
    lanes.show();
    auto* first = lanes.findChild<QToolButton*>(QStringLiteral("lane.module-0"));
    auto* second = lanes.findChild<QToolButton*>(QStringLiteral("lane.module-1"));
    QVERIFY(first != nullptr && second != nullptr);
    QVERIFY(!first->isEnabled());
    QCOMPARE(first->toolTip(), QStringLiteral("Module 1 is saving."));
    QCOMPARE(first->accessibleName(), QStringLiteral("Pause module 1 of 2"));
    QVERIFY(second->isEnabled());
    QCOMPARE(second->accessibleName(), QStringLiteral("Start module 2 of 2"));
    QVERIFY(second->geometry().left() >= 1064 && second->y() > first->y());
    QSignalSpy asked(&lanes, &StageLanes::moduleRequested);
    QTest::mouseClick(second, Qt::LeftButton);
    QCOMPARE(asked.size(), 1);
    const auto control = asked[0][0].value<ModuleControl>();
    QCOMPARE(control.module, 1);
    QVERIFY(control.starts);
    blocks.resize(1);
    lanes.setBlocks(blocks);
    QTRY_VERIFY(lanes.findChild<QToolButton*>(QStringLiteral("lane.module-1")) == nullptr);
}

void TestModules::hybridsAreNoResultsOfTheWhole()
{
    const auto plan = vitPlan();
    const auto measured = [](int stage, std::int64_t step, double value) {
        runs::EvaluationEntry entry;
        entry.evaluated = {.step = step, .stage = stage, .weights = "ema", .metric = "top1", .value = value, .recipe = {{"name", "Top-1"}}};
        return entry;
    };
    StageOutcomeModel model;
    const QAbstractItemModelTester tester(&model);
    model.setOutcomes(stageOutcomes(plan, {}, {}, {measured(0, 60, 40.0), measured(2, 90, 95.0), measured(5, 140, 70.0)}));
    const auto best = [&](int row) { return model.index(row, StageOutcomeModel::Best).data().toString(); };
    QVERIFY2(best(2).contains(QStringLiteral("95")) && best(2).endsWith(QStringLiteral("hybrid")), qPrintable(best(2)));
    QVERIFY(!best(5).contains(QStringLiteral("hybrid")));
    QVERIFY(
        model.index(2, StageOutcomeModel::Best).data(Qt::ToolTipRole).toString().contains(QStringLiteral("meta model with this module")));
}

void TestModules::legendHidesCurves()
{
    std::vector<CurveView> curves(3);
    for (std::size_t i = 0; i < curves.size(); ++i) {
        curves[i].tag = "loss/train";
        curves[i].envelope.rawPoints = 10;
        if (i > 0) {
            curves[i].module = static_cast<int>(i) - 1;
            curves[i].branch = "module-" + std::to_string(i - 1);
        }
    }
    CurveLegend legend;
    legend.setCurves({curves[0]});
    QVERIFY(legend.isHidden());
    QCOMPARE(legend.shown({curves[0]})[0].name, QStringLiteral("Loss"));
    legend.setCurves(curves);
    QVERIFY(!legend.isHidden());
    auto all = legend.shown(curves);
    QCOMPARE(all.size(), std::size_t{3});
    QCOMPARE(all[1].name, QStringLiteral("Module 1"));
    QVERIFY(all[0].colour != all[1].colour && all[1].colour != all[2].colour);
    QSignalSpy changed(&legend, &CurveLegend::changed);
    legend.findChild<QToolButton*>(QStringLiteral("curve.module-0"))->click();
    QCOMPARE(changed.size(), 1);
    all = legend.shown(curves);
    QCOMPARE(all.size(), std::size_t{2});
    QCOMPARE(all[1].name, QStringLiteral("Module 2"));
}

void TestModules::equalDeviceTimeIsNotEqualWallClock()
{
    CompareView view;
    view.resize(980, 560);
    view.setOthers({{QStringLiteral("/l/plain"), QStringLiteral("plain")}, {QStringLiteral("/l/oak"), QStringLiteral("oak")}});
    view.setRun(QStringLiteral("/l/plain"));
    view.show();
    QSignalSpy wanted(&view, &CompareView::runsWanted);
    view.choose(QStringLiteral("/l/oak"));
    QCOMPARE(wanted.last().first().toStringList(), (QStringList{QStringLiteral("/l/plain"), QStringLiteral("/l/oak")}));
    const QAbstractItemModelTester tester(view.model());
    view.setRuns({comparedRun("plain", {{60, 10.0, 600, {60, 60}}, {180, 45.0, 1800, {180, 180}}}),
                  comparedRun("oak", {{120, 30.0, 1600, {160, 120}}, {140, 50.0, 1800, {180, 140}}})});
    QCOMPARE(view.model()->rowCount(), 2);
    const auto text = [&](int row, int column) { return view.model()->index(row, column).data().toString(); };
    QVERIFY2(text(0, CompareModel::AtEqual).startsWith(QStringLiteral("10")), qPrintable(text(0, CompareModel::AtEqual)));
    QCOMPARE(text(1, CompareModel::SpeedUp), QStringLiteral("× 1.29"));
    const auto* titles = view.findChild<QTableView*>(QStringLiteral("compareTable"))->horizontalHeader();
    for (int column = 0; column < CompareModel::kColumns; ++column) // none is cut
        QTRY_VERIFY(titles->sectionSize(column) >=
                    QFontMetrics(titles->font()).horizontalAdvance(view.model()->headerData(column, Qt::Horizontal).toString()));
    view.setEqual(plan::Equal::DeviceTime);
    QVERIFY(text(0, CompareModel::AtEqual).startsWith(QStringLiteral("45")));
    QVERIFY(text(1, CompareModel::AtEqual).startsWith(QStringLiteral("50")));
    QCOMPARE(text(1, CompareModel::SpeedUp), QStringLiteral("× 1.00"));
    auto* baseline = view.findChild<QComboBox*>(QStringLiteral("compareBaseline"));
    QCOMPARE(baseline->count(), 2);
    baseline->setCurrentIndex(1);
    Q_EMIT baseline->activated(1);
    QCOMPARE(wanted.last().first().toStringList().first(), QStringLiteral("/l/oak"));
}

void TestModules::whyRunsCannotBeComparedIsSaid()
{
    CompareView view;
    view.setOthers({{QStringLiteral("/l/plain"), QStringLiteral("plain")}, {QStringLiteral("/l/oak"), QStringLiteral("oak")}});
    view.setRun(QStringLiteral("/l/plain"));
    view.show();
    view.choose(QStringLiteral("/l/oak"));
    view.setRuns({comparedRun("plain", {{60, 10.0, 600, {60, 60}}}), {.name = "oak"}});
    bool said = false;
    for (const auto* label : view.findChild<QWidget*>(QStringLiteral("compareEmpty"))->findChildren<QLabel*>())
        said = said || label->text().contains(QStringLiteral("oak has measured nothing"));
    QVERIFY(said);
    view.setRun(QStringLiteral("/l/oak")); // another run begins with nothing chosen
    QCOMPARE(view.model()->rowCount(), 0);
}

QTEST_MAIN(TestModules)
#include "tst_modules.moc"
