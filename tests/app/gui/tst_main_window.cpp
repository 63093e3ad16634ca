// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/curve_views.h"
#include "app/gui/launcher.h"
#include "app/gui/main_window.h"
#include "app/gui/pace.h"
#include "app/gui/plan_reader.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "app/gui/tool_bar.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/events.h"
#include "core/runs/lock.h"
#include "tests/widgets/fake_library.h"
#include "widgets/evaluation_page.h"
#include "widgets/foreign_dialog.h"
#include "widgets/format.h"
#include "widgets/library_model.h"
#include "widgets/plot_view.h"
#include "widgets/sample_dialog.h"
#include "widgets/search_page.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_outcome_model.h"
#include "widgets/stages_view.h"
#include "widgets/theme.h"

#include <QAbstractItemView>
#include <QAbstractSpinBox>
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSettings>
#include <QSignalSpy>
#include <QSlider>
#include <QStackedWidget>
#include <QTabBar>
#include <QTabWidget>
#include <QTemporaryDir>
#include <QTest>
#include <QUrl>

#include <array>
#include <cmath>
#include <fstream>

using namespace espalier;
using namespace espalier::gui;
using runs::RunState;

class TestMainWindow : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void init() { QSettings().clear(); }
    void firstStartOffersTheDemo();
    void showsTheRunsOfTheLibrary();
    void buttonsFollowTheState_data();
    void buttonsFollowTheState();
    void newPointsAppearByThemselves();
    void runsStartedElsewhereAppear();
    void closesInEveryState();
    void launchSaysWhenTheProgramIsMissing();
    void detachedProgramsOutliveUs();
    void everyControlHasAName();
    void runsAreComparedWithOthers();
    void jobsTellHowTheyEnded();
    void failedJobsAreShown();
    void droppedCheckpointsAreExplained();
    void paceComesFromARunLikeThis();
    void axesMapStepsThereAndBack();
    void runsThatGrowShowTheirStages();
    void assembledRunsHaveALaneForEachModule();

private:
    std::filesystem::path fresh();
    std::unique_ptr<QTemporaryDir> m_folder;
    int m_count = 0;
};

void TestMainWindow::initTestCase()
{
    QApplication::setOrganizationName(QStringLiteral("espalier-test"));
    QApplication::setApplicationName(QStringLiteral("tst_main_window"));
    widgets::applyTheme(*qApp, widgets::Scheme::Light);
    m_folder = std::make_unique<QTemporaryDir>();
}

std::filesystem::path TestMainWindow::fresh()
{
    const auto folder = std::filesystem::path(m_folder->path().toStdString()) / std::to_string(m_count++);
    std::filesystem::create_directories(folder);
    return folder;
}

void TestMainWindow::firstStartOffersTheDemo()
{
    RunController controller("/no/such/program");
    MainWindow window(&controller, fresh());
    QSignalSpy shown(&window, &MainWindow::libraryShown);
    window.show();
    QVERIFY(shown.wait(3000));
    auto* demo = window.findChild<QPushButton*>(QStringLiteral("firstDemo"));
    QVERIFY(demo != nullptr && demo->isVisible());
    QVERIFY(window.findChild<QPushButton*>(QStringLiteral("firstOpen"))->isVisible());
    QVERIFY(!window.toolBar()->action(runs::Action::Pause)->isEnabled());
    QVERIFY(!window.toolBar()->action(runs::Action::Pause)->toolTip().isEmpty());
}

void TestMainWindow::showsTheRunsOfTheLibrary()
{
    const auto library = fresh();
    testing::makeRun(library, {.name = "rose", .state = RunState::Finished, .ofSteps = 400, .step = 400});
    testing::makeRun(library,
                     {.name = "oak", .state = RunState::Failed, .step = 300, .failure = "The disk is full. Make room and resume."});
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    QTRY_COMPARE(window.library()->rowCount(), 2);
    window.openRun(library / "rose");
    QTRY_COMPARE(window.findChild<QLabel*>(QStringLiteral("runTitle"))->text(), QStringLiteral("rose"));
    auto* plot = window.findChild<widgets::PlotView*>(QStringLiteral("curvePlot"));
    QTRY_VERIFY(plot->graphCount() == 2 && plot->graph(0)->dataCount() > 100);
    QVERIFY(plot->graph(0)->dataCount() <= 2 * plot->plotPixels() + 2);
    window.openRun(library / "oak");
    auto* cause = window.findChild<QLabel*>(QStringLiteral("troubleCause"));
    QTRY_VERIFY(cause->isVisible() && cause->text().contains(QStringLiteral("disk is full")));
}

void TestMainWindow::buttonsFollowTheState_data()
{
    QTest::addColumn<int>("state");
    QTest::addColumn<bool>("start");
    QTest::addColumn<bool>("pause");
    QTest::addColumn<QString>("startText");
    QTest::newRow("new") << static_cast<int>(RunState::New) << true << false << "Start";
    QTest::newRow("training") << static_cast<int>(RunState::Training) << false << true << "Start";
    QTest::newRow("paused") << static_cast<int>(RunState::Paused) << true << false << "Resume";
    QTest::newRow("finished") << static_cast<int>(RunState::Finished) << false << false << "Start";
    QTest::newRow("failed") << static_cast<int>(RunState::Failed) << true << false << "Resume";
}

void TestMainWindow::buttonsFollowTheState()
{
    QFETCH(int, state);
    QFETCH(bool, start);
    QFETCH(bool, pause);
    QFETCH(QString, startText);
    ToolBar tools;
    tools.setRun(static_cast<RunState>(state), true);
    QCOMPARE(tools.action(runs::Action::Start)->isEnabled(), start);
    QCOMPARE(tools.action(runs::Action::Pause)->isEnabled(), pause);
    QCOMPARE(tools.action(runs::Action::Start)->text(), startText);
    for (const auto action : {runs::Action::Start, runs::Action::Pause, runs::Action::Stop, runs::Action::Checkpoint})
        QVERIFY(!tools.action(action)->toolTip().isEmpty());
}

void TestMainWindow::newPointsAppearByThemselves()
{
    const auto library = fresh();
    const auto folder = testing::makeRun(
        library,
        {.name = "rose", .state = RunState::Training, .ofSteps = 1000, .step = 100, .evaluations = 0, .grids = 0, .checkpoints = 0});
    auto lock = runs::RunLock::acquire(folder, std::chrono::seconds(1));
    QVERIFY(bool(lock));
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    auto* plot = window.findChild<widgets::PlotView*>(QStringLiteral("curvePlot"));
    QTRY_VERIFY(plot->graphCount() == 2 && plot->graph(0)->dataCount() > 50);
    // The trainer writes one more point; it is drawn within 300 ms of reaching the file.
    std::ofstream file(folder.scalarsFile(1, runs::tags::kLoss), std::ios::binary | std::ios::app);
    const runs::ScalarPoint point{500, runs::wallTime(), 0.1};
    QElapsedTimer clock;
    clock.start();
    file.write(reinterpret_cast<const char*>(&point), sizeof point);
    file.flush();
    QTRY_VERIFY_WITH_TIMEOUT(plot->graph(0)->dataCount() > 0 && (plot->graph(0)->data()->constEnd() - 1)->key == 500, 5000);
    qInfo("a new point was drawn after %lld ms", static_cast<long long>(clock.elapsed()));
}

void TestMainWindow::runsStartedElsewhereAppear()
{
    const auto library = fresh();
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    QSignalSpy shown(&window, &MainWindow::libraryShown);
    window.show();
    QVERIFY(shown.wait(3000));
    QElapsedTimer clock;
    clock.start();
    testing::makeRun(library, {.name = "terminal", .state = RunState::Stopped, .step = 100, .grids = 0});
    QTRY_COMPARE_WITH_TIMEOUT(window.library()->rowCount(), 1, 5000);
    qInfo("a run made elsewhere was shown after %lld ms", static_cast<long long>(clock.elapsed()));
    QTRY_VERIFY(window.findChild<QStackedWidget*>(QStringLiteral("centre"))->currentWidget() == window.runPage());
    std::filesystem::remove_all(library / "terminal");
    QTRY_COMPARE_WITH_TIMEOUT(window.library()->rowCount(), 0, 5000);
}

void TestMainWindow::closesInEveryState()
{
    QSettings().setValue(QStringLiteral("hints/runs_go_on"), true);
    const auto library = fresh();
    for (int state = 0; state <= static_cast<int>(RunState::Lost); ++state)
        testing::makeRun(library, {.name = "run-" + std::to_string(state),
                                   .state = static_cast<RunState>(state),
                                   .step = 60,
                                   .evaluations = 1,
                                   .grids = 0,
                                   .failure = "It failed."});
    for (int state = 0; state <= static_cast<int>(RunState::Lost); ++state) {
        RunController controller("/no/such/program");
        MainWindow window(&controller, library);
        window.show();
        QTRY_VERIFY(window.library()->rowCount() > 0);
        window.openRun(library / ("run-" + std::to_string(state)));
        QTest::qWait(state % 3 * 20); // some while the engine still reads
        QVERIFY(window.close());
    }
}

void TestMainWindow::launchSaysWhenTheProgramIsMissing()
{
    const auto library = fresh();
    const auto folder = testing::makeRun(library, {.name = "rose", .state = RunState::New});
    RunController controller("/no/such/program");
    QSignalSpy said(&controller, &RunController::said);
    controller.openLibrary(library);
    controller.resume(folder.root());
    QVERIFY(said.wait(5000));
    const auto sentence = said.first().at(0).value<Said>();
    QVERIFY(sentence.text.contains(QStringLiteral("/no/such/program")));
    QVERIFY(sentence.trouble);
}

void TestMainWindow::detachedProgramsOutliveUs()
{
    const auto folder = fresh();
    const auto log = folder / "launch.log";
    const auto done =
        launchDetached({"/bin/sh", "-c", "echo hello; ps -o ppid= -p $$; echo oops >&2; touch " + (folder / "done").string()}, log);
    QVERIFY(bool(done));
    QTRY_VERIFY(std::filesystem::exists(folder / "done"));
    QVERIFY(tailOf(log, 1) == "oops");
    const auto finished = runAndWait({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, {});
    QVERIFY(bool(finished));
    QCOMPARE(finished->exitCode, 3);
    QCOMPARE(finished->output, std::string("out\n"));
    QCOMPARE(finished->errors, std::string("err\n"));
    QVERIFY(!runAndWait({"/no/such/program"}, {}));
}

void TestMainWindow::everyControlHasAName()
{
    const auto library = fresh();
    testing::makeRun(library, {.name = "rose", .state = RunState::Stopped, .step = 60, .grids = 1});
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    QTRY_VERIFY(window.runPage()->run().valid());
    QStringList nameless;
    for (const bool form : {false, true}) {
        if (form)
            window.newRun(QStringLiteral("demo"));
        for (const auto* widget : window.findChildren<QWidget*>()) {
            const QByteArray kind = widget->metaObject()->className();
            const bool control = qobject_cast<const QAbstractButton*>(widget) || qobject_cast<const QLineEdit*>(widget) ||
                                 qobject_cast<const QComboBox*>(widget) || qobject_cast<const QSlider*>(widget) ||
                                 qobject_cast<const QAbstractItemView*>(widget);
            const auto* owner = widget->parentWidget();
            const bool partOfOther = qobject_cast<const QComboBox*>(owner) || qobject_cast<const QAbstractSpinBox*>(owner) ||
                                     qobject_cast<const QLineEdit*>(owner) || qobject_cast<const QTabBar*>(owner) ||
                                     qobject_cast<const QAbstractItemView*>(owner) ||
                                     (owner != nullptr && owner->inherits("QComboBoxPrivateContainer")) ||
                                     widget->objectName().startsWith(QLatin1String("qt_"));
            if (!control || partOfOther)
                continue;
            const auto* button = qobject_cast<const QAbstractButton*>(widget);
            if (button != nullptr && button->isHidden() && button->text().isEmpty())
                continue; // gets its words when it is needed
            const bool named = !widget->accessibleName().isEmpty() || (button != nullptr && !button->text().isEmpty());
            if (!named || widget->objectName().isEmpty())
                nameless << QString::fromLatin1(kind) + QLatin1Char(' ') + widget->objectName() + QLatin1String(" in ") +
                                (owner != nullptr ? owner->objectName() : QString());
        }
    }
    nameless.removeDuplicates();
    QVERIFY2(nameless.isEmpty(), qPrintable(nameless.join(QLatin1String("; "))));
}

void TestMainWindow::runsAreComparedWithOthers()
{
    const auto library = fresh();
    testing::makeRun(library, {.name = "rose", .state = RunState::Stopped, .ofSteps = 500, .step = 60, .grids = 0});
    testing::makeRun(library, {.name = "oak", .state = RunState::Stopped, .ofSteps = 900, .step = 60, .grids = 0});
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    window.openRun(library / "rose");
    QTRY_COMPARE(window.runPage()->run().name, std::string("rose"));
    auto* other = window.findChild<QComboBox*>(QStringLiteral("compareWith"));
    const int oak = other->findText(QStringLiteral("oak"));
    QVERIFY(oak > 0);
    QSignalSpy read(&controller, &RunController::configRead);
    other->setCurrentIndex(oak);
    Q_EMIT other->activated(oak);
    QVERIFY(read.wait(3000));
    const auto answer = read.first().first().value<ConfigRead>();
    QCOMPARE(answer.config["training"]["steps"].get<int>(), 900);
}

void TestMainWindow::jobsTellHowTheyEnded()
{
    const auto log = fresh() / "launch.log";
    auto end = launchWatched({"/bin/sh", "-c", "echo 'it'\\''s so' \"$0\" >&2; exit 7", "a b"}, log);
    QVERIFY(bool(end));
    std::optional<int> code;
    QTRY_VERIFY(code || (code = end->exitCode()));
    QCOMPARE(*code, 7);
    QCOMPARE(tailOf(log, 1), std::string("it's so a b"));
    QVERIFY(!end->exitCode()); // said once
    QVERIFY(!launchWatched({"/no/such/program"}, log));
    QCOMPARE(sentenceOf("espalier-cli: No such checkpoint.", 1), QStringLiteral("No such checkpoint."));
    QVERIFY(sentenceOf("", 137).contains(QStringLiteral("signal 9")));
}

void TestMainWindow::failedJobsAreShown()
{
    const auto library = fresh(), tools = fresh();
    const auto cli = tools / "espalier-cli";
    std::ofstream(cli) << "#!/bin/sh\necho 'espalier-cli: The disk is full.' >&2\nexit 1\n";
    std::filesystem::permissions(cli, std::filesystem::perms::owner_all);
    const auto folder = testing::makeRun(library, {.name = "rose", .state = RunState::Stopped, .step = 60, .grids = 0});
    RunController controller(cli);
    MainWindow window(&controller, library);
    window.show();
    QTRY_VERIFY(window.runPage()->run().valid());
    auto* notice = window.findChild<QWidget*>(QStringLiteral("notice"));
    QVERIFY(!notice->isVisible());
    controller.startJob(folder.root(), {QStringLiteral("sample")}, QStringLiteral("Drawing…"), QStringLiteral("Drawn."),
                        QStringLiteral("No samples were drawn."));
    QTRY_VERIFY(notice->isVisible());
    QCOMPARE(window.findChild<QLabel*>(QStringLiteral("noticeText"))->text(), QStringLiteral("No samples were drawn. The disk is full."));
    QVERIFY(window.findChild<QPushButton*>(QStringLiteral("noticeLog"))->isVisible());
    controller.runTool({QStringLiteral("export")}, QStringLiteral("Exported."), QStringLiteral("The export failed."));
    QTRY_COMPARE(window.findChild<QLabel*>(QStringLiteral("noticeText"))->text(), QStringLiteral("The export failed. The disk is full."));
    QTest::keyClick(&window, Qt::Key_Escape);
    QTest::keyClick(&window, Qt::Key_Escape);
    QVERIFY(!notice->isVisible());
}

void TestMainWindow::droppedCheckpointsAreExplained()
{
    const auto tools = fresh();
    const auto cli = tools / "espalier-cli", file = tools / "dit.pt";
    // What inspect says of a checkpoint; the words of every other call are kept.
    std::ofstream(cli)
        << "#!/bin/sh\ncase $1 in inspect) echo '{\"kind\": \"pytorch\", \"weights\": [\"ema\"], \"model\": {\"name\": \"DiT-S/2 at 32²\","
           " \"kind\": \"dit\", \"channels\": 3}, \"settings\": {\"model\": {\"kind\": \"dit\"}}}';;"
           " *) echo \"$@\" > \"$0.words\";; esac\n";
    std::filesystem::permissions(cli, std::filesystem::perms::owner_all);
    std::ofstream(file) << "weights";
    RunController controller(cli);
    MainWindow window(&controller, fresh());
    window.show();
    const auto drop = [&](const QList<QUrl>& urls) {
        QMimeData dropped;
        dropped.setUrls(urls);
        QDragEnterEvent enter(QPoint(200, 200), Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(&window, &enter);
        if (!enter.isAccepted())
            return false;
        QDropEvent event(QPointF(200, 200), Qt::CopyAction, &dropped, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(&window, &event);
        return event.isAccepted();
    };
    const auto url = QUrl::fromLocalFile(widgets::qstr(file.string()));
    QVERIFY(!drop({url, url}));
    QVERIFY(!drop({QUrl(QStringLiteral("ftp://somewhere/dit.pt"))}));
    QVERIFY(drop({url}));
    QTRY_VERIFY(window.findChild<widgets::ForeignDialog*>() != nullptr);
    auto* dialog = window.findChild<widgets::ForeignDialog*>();
    QCOMPARE(dialog->path(), widgets::qstr(file.string()));
    QCOMPARE(dialog->findChild<QLabel*>(QStringLiteral("foreignModel"))->text(), QStringLiteral("DiT-S/2 at 32²"));
    dialog->findChild<QPushButton*>(QStringLiteral("foreignSample"))->click();
    QTRY_VERIFY(window.findChild<widgets::SampleDialog*>() != nullptr);
    window.findChild<widgets::SampleDialog*>()->accept();
    const auto words = std::filesystem::path(cli.string() + ".words");
    QTRY_VERIFY(std::filesystem::exists(words));
    QTRY_VERIFY(readFile(words).value().find("sample --checkpoint " + file.string() + " --out ") == 0);
}

void TestMainWindow::paceComesFromARunLikeThis()
{
    const auto library = fresh();
    testing::makeRun(library,
                     {.name = "rose", .state = RunState::Finished, .ofSteps = 400, .step = 400, .grids = 0, .secondsPerStep = 0.5});
    runs::Library runs(library);
    runs.scan();
    const auto text = readFile(library / "rose" / "config.json");
    QVERIFY(bool(text));
    auto config = config::read(Json::parse(*text)["config"]);
    QVERIFY(bool(config));
    PaceFinder finder;
    const auto pace = finder.find(*config, runs.runs(), {});
    QVERIFY(pace.has_value());
    QCOMPARE(pace->run, QStringLiteral("rose"));
    QVERIFY2(std::abs(pace->imagesPerSecond - 128 / 0.5) < 5, qPrintable(QString::number(pace->imagesPerSecond)));
    config->training.batchSize *= 2;
    QVERIFY(!finder.find(*config, runs.runs(), {})); // another batch has another speed
    config->training.batchSize /= 2;
    QVERIFY(!finder.find(*config, runs.runs(), {"elsewhere", {}}));
    config->devices = "cpu:2";
    QVERIFY(!finder.find(*config, runs.runs(), {}));
}

void TestMainWindow::axesMapStepsThereAndBack()
{
    const auto library = fresh();
    const auto folder = testing::makeRun(library, {.name = "rose", .state = RunState::Stopped, .ofSteps = 2000, .step = 1000, .grids = 0});
    runs::RunFollower follower(folder.root());
    follower.poll();
    for (const auto kind : {widgets::XAxis::Step, widgets::XAxis::Images, widgets::XAxis::TrainingTime, widgets::XAxis::WallTime}) {
        const AxisMap map(kind, follower);
        for (const double step : {1.0, 17.0, 500.0, 999.5, 1500.0})
            QVERIFY2(std::abs(map.stepOf(map.at(step)) - step) < 0.02 * step + 1.1, qPrintable(QString::number(step)));
        widgets::PlotQuery query{.axis = kind, .pixels = 200, .tags = {"loss/train"}};
        const auto data = answer(follower, query);
        QVERIFY(data.full1 > data.now && data.now > 0);
        QVERIFY(data.curves.front().envelope.points.size() <= 402);
        QVERIFY(!data.blocks.empty());
    }
    const AxisMap images(widgets::XAxis::Images, follower);
    QCOMPARE(images.at(500), 500.0 * 128);
}

void TestMainWindow::runsThatGrowShowTheirStages()
{
    const auto library = fresh();
    auto growing = testing::growingDit();
    growing.state = RunState::Paused;
    testing::makeRun(library, growing);
    testing::makeRun(library, {.name = "plain", .state = RunState::Finished, .ofSteps = 400, .step = 400, .grids = 0});
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    QTRY_COMPARE(window.library()->rowCount(), 2);
    window.openRun(library / growing.name);
    auto* page = window.runPage();
    auto* lanes = page->lanes();
    QTRY_VERIFY(lanes->accessibleDescription().contains(QStringLiteral("Stage 4")));
    const QString blocks = lanes->accessibleDescription();
    QVERIFY2(blocks.contains(QStringLiteral("Search for stage 2: chose ")), qPrintable(blocks)); // the first two searches are done
    QVERIFY2(blocks.contains(QStringLiteral("forecast")), qPrintable(blocks));                   // the last stage is to come
    // A mark in the lanes leads to its search.
    auto* tabs = page->findChild<QTabWidget*>(QStringLiteral("pages"));
    QVERIFY(tabs->isTabVisible(RunPage::Search));
    Q_EMIT lanes->searchClicked(1);
    QCOMPARE(page->page(), RunPage::Search);
    QCOMPARE(page->search()->shownIndex(), 1);
    // A stage in the evaluation leads to its samples.
    auto* evaluation = page->evaluation();
    page->showPage(RunPage::Evaluation);
    evaluation->showByStage(true);
    QVERIFY(evaluation->showsStages());
    QCOMPARE(evaluation->stages()->model()->rowCount(), 4);
    QCOMPARE(evaluation->stages()->chosen(), 2);
    Q_EMIT evaluation->stageOpened(1);
    QCOMPARE(page->page(), RunPage::Samples);
    QCOMPARE(lanes->selected(), 1);
    window.openRun(library / "plain");
    QTRY_COMPARE(window.findChild<QLabel*>(QStringLiteral("runTitle"))->text(), QStringLiteral("plain"));
    QTRY_VERIFY(!evaluation->showsStages());
    QVERIFY(!tabs->isTabVisible(RunPage::Search));
}

void TestMainWindow::assembledRunsHaveALaneForEachModule()
{
    const auto library = fresh();
    auto half = testing::assembledVit();
    half.state = RunState::Paused;
    testing::makeRun(library, half);
    const auto whole = testing::assembledVit(4, true);
    testing::makeRun(library, whole);
    for (const auto axis : {widgets::XAxis::Step, widgets::XAxis::Images, widgets::XAxis::TrainingTime, widgets::XAxis::WallTime}) {
        runs::RunFollower follower(library / half.name);
        follower.poll();
        PlanReader plan(follower.folder());
        plan.poll();
        widgets::PlotQuery query;
        query.axis = axis;
        const auto blocks = answer(follower, query, plan.plan().get()).blocks;
        QCOMPARE(blocks.size(), std::size_t{6});
        QCOMPARE(blocks[0].title, std::string("Meta model"));
        const std::array states{RunState::Finished, RunState::Finished, RunState::Paused, RunState::New};
        const std::array parts{1.0, 1.0, 0.4, 0.0};
        for (std::size_t k = 0; k < 4; ++k) {
            const auto& block = blocks[k + 1];
            QCOMPARE(block.title, "Module " + std::to_string(k + 1) + " of 4");
            QCOMPARE(block.lane, static_cast<int>(k));
            QCOMPARE(block.lanes, 4);
            QCOMPARE(block.state, states[k]);
            QVERIFY(std::abs(block.x0 - blocks[0].x1) < 1e-6 * block.x0 && block.x1 > block.x0);
            QVERIFY(std::abs(block.x1 - blocks[5].x0) < 1e-6 * block.x1);
            const double filled = (*block.reached - block.x0) / (block.x1 - block.x0);
            QVERIFY2(std::abs(filled - parts[k]) < 0.01, qPrintable(QString::number(filled)));
        }
        QVERIFY(blocks[3].started && !blocks[3].ended && !blocks[4].started && !blocks[5].started);
        const QString steps = widgets::number(1596) + QStringLiteral(" of ") + widgets::number(4000) + QStringLiteral(" steps");
        for (const auto& said : {std::string("loss 0.1"), steps.toStdString(), std::string("on cpu:2"), std::string("Paused")})
            QVERIFY2(blocks[3].tip.find(said) != std::string::npos, blocks[3].tip.c_str());
    }
    RunController controller("/no/such/program");
    MainWindow window(&controller, library);
    window.show();
    QTRY_COMPARE(window.library()->rowCount(), 2);
    window.openRun(library / whole.name);
    QTRY_VERIFY(window.runPage()->lanes()->accessibleDescription().contains(QStringLiteral("Module 4 of 4: ")));
    auto* evaluation = window.runPage()->evaluation();
    window.runPage()->showPage(RunPage::Evaluation);
    evaluation->showByStage(true);
    QTRY_COMPARE(evaluation->stages()->model()->rowCount(), 6);
    QCOMPARE(evaluation->stages()->model()->index(1, 0).data().toString(), QStringLiteral("Module 1 of 4"));
}

QTEST_MAIN(TestMainWindow)
#include "tst_main_window.moc"
