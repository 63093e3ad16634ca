// SPDX-License-Identifier: GPL-3.0-or-later
// The real window over the real trainer: start from the form, see loss and a grid arrive, pause, close and reopen, resume, export.
#include "app/gui/main_window.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "app/gui/tool_bar.h"
#include "core/config/presets.h"
#include "core/runs/lock.h"
#include "widgets/configuration_page.h"
#include "widgets/evaluation_page.h"
#include "widgets/export_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/library_model.h"
#include "widgets/plot_view.h"
#include "widgets/samples_page.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_outcome_model.h"
#include "widgets/stages_view.h"
#include "widgets/theme.h"

#include <QAbstractButton>
#include <QAction>
#include <QApplication>
#include <QContextMenuEvent>
#include <QDir>
#include <QElapsedTimer>
#include <QLineEdit>
#include <QMenu>
#include <QProcess>
#include <QPushButton>
#include <QSettings>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>

using namespace espalier;
using namespace espalier::gui;
using runs::RunState;

class TestRealRun : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void trainsFromTheFormToTheExport();
    void forksAndExportsAtAStage();
    void aLaneIsPausedAndStarted();

private:
    static std::filesystem::path cli();
    /// What is missing for a real run; empty: nothing.
    static QString whatIsMissing();
    static QByteArray output(const QStringList& arguments, int* code = nullptr);
    /// Opens the menu of a stage in the lanes and takes an entry.
    static bool takeFromStageMenu(widgets::StageLanes& lanes, int stage, const QString& entry);

    /// Looks at the newest state of the run until it is as wished; long, since machines differ by a lot.
    template <class Condition>
    bool eventually(Condition condition, int seconds = 240)
    {
        QElapsedTimer clock;
        clock.start();
        while (!condition() && clock.elapsed() < seconds * 1000)
            QTest::qWait(20);
        return condition();
    }
};

void TestRealRun::initTestCase()
{
    QApplication::setOrganizationName(QStringLiteral("espalier-test"));
    QApplication::setApplicationName(QStringLiteral("tst_real_run"));
    QSettings().clear();
    QSettings().setValue(QStringLiteral("hints/runs_go_on"), true);
    widgets::applyTheme(*qApp, widgets::Scheme::Light);
}

std::filesystem::path TestRealRun::cli()
{
    return QFileInfo(QCoreApplication::applicationDirPath() + QStringLiteral("/../espalier-cli")).absoluteFilePath().toStdString();
}

QString TestRealRun::whatIsMissing()
{
    if (!std::filesystem::exists(cli()))
        return QStringLiteral("espalier-cli is not built here");
    if (!std::filesystem::exists(cli().parent_path() / "espalier-worker") && !qEnvironmentVariableIsSet("ESPALIER_WORKER_BINARY"))
        return QStringLiteral("espalier-worker is not built here");
    return {};
}

QByteArray TestRealRun::output(const QStringList& arguments, int* code)
{
    QProcess process;
    process.start(QString::fromStdString(cli().string()), arguments);
    process.waitForFinished(300'000);
    if (code != nullptr)
        *code = process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1;
    return process.readAllStandardOutput();
}

bool TestRealRun::takeFromStageMenu(widgets::StageLanes& lanes, int stage, const QString& entry)
{
    bool taken = false;
    lanes.setSelected(stage);
    QTimer::singleShot(0, &lanes, [&] { // the menu has an event loop of its own
        auto* menu = qobject_cast<QMenu*>(QApplication::activePopupWidget());
        if (menu == nullptr)
            return;
        for (auto* action : menu->actions())
            if (action->text() == entry && action->isEnabled()) {
                taken = true;
                menu->close();
                action->trigger();
                return;
            }
        menu->close();
    });
    QContextMenuEvent event(QContextMenuEvent::Keyboard, lanes.rect().center(), lanes.mapToGlobal(lanes.rect().center()));
    QApplication::sendEvent(&lanes, &event);
    return taken;
}

void TestRealRun::trainsFromTheFormToTheExport()
{
    if (const QString missing = whatIsMissing(); !missing.isEmpty())
        QSKIP(qPrintable(missing));
    const QTemporaryDir folder;
    const std::filesystem::path library = folder.path().toStdString();
    const auto place = library / "smoke-1";
    {
        RunController controller(cli());
        MainWindow window(&controller, library);
        window.show();
        const auto& view = window.runPage()->run();
        window.newRun(QStringLiteral("smoke"));
        auto* form = window.runPage()->configuration();
        QVERIFY2(form->whyNotStart().isEmpty(), qPrintable(form->whyNotStart()));
        form->model()->setText(*config::findField("training.steps"), QStringLiteral("4000")); // long enough to be paused
        auto* start = window.toolBar()->action(runs::Action::Start);
        QVERIFY(start->isEnabled());
        start->trigger();

        QVERIFY2(eventually([&] { return view.valid() && view.state == RunState::Training; }), "it never trained");
        auto* plot = window.findChild<widgets::PlotView*>(QStringLiteral("curvePlot"));
        QVERIFY2(eventually([&] { return plot->graphCount() == 2 && plot->graph(0)->dataCount() > 0; }), "no loss arrived");
        QVERIFY2(eventually([&] { return !view.samples->empty(); }), "no grid arrived");
        const auto* samples = window.findChild<widgets::SamplesPage*>();
        QVERIFY2(eventually([&] { return samples->shownCount() > 0 && samples->currentStep() > 0; }), "the grid is not shown");
        QVERIFY(!start->isEnabled());
        auto* pause = window.toolBar()->action(runs::Action::Pause);
        QVERIFY(pause->isEnabled());
        pause->trigger();
        QVERIFY2(eventually([&] { return view.state == RunState::Paused; }), qPrintable(widgets::qstr(runs::stateText(view.state))));
        QVERIFY(start->isEnabled());
        QCOMPARE(start->text(), QStringLiteral("Resume"));
        QVERIFY(!view.checkpoints->empty());
        const auto pausedAt = view.checkpoints->back().step;
        const auto run = view.folder;

        start->trigger();
        QVERIFY2(eventually([&] { return view.state == RunState::Training && view.progress.step > pausedAt; }), "it did not go on");
        QVERIFY(window.close()); // the run goes on

        RunController second(cli());
        MainWindow again(&second, library);
        again.show();
        const auto& reopened = again.runPage()->run();
        QVERIFY2(eventually([&] { return reopened.folder == run && reopened.state == RunState::Training; }),
                 "the running run was not found again");
        again.toolBar()->action(runs::Action::Stop)->trigger();
        QVERIFY2(eventually([&] { return reopened.state == RunState::Stopped; }), "it did not stop");
        QVERIFY(eventually([&] { return !runs::isLocked(runs::RunFolder(run)); }));

        QVERIFY(QMetaObject::invokeMethod(again.toolBar()->exportMenu(), "aboutToShow"));
        again.toolBar()->exportMenu()->actions().first()->trigger(); // the checkpoint
        auto* dialog = again.findChild<widgets::ExportDialog*>();
        QVERIFY(dialog != nullptr);
        const QString file = folder.filePath(QStringLiteral("out.safetensors"));
        auto* field = dialog->findChild<QLineEdit*>();
        QVERIFY(field != nullptr);
        field->setText(file);
        QTest::keyClicks(field, QStringLiteral(" "));
        field->backspace();
        QVERIFY2(dialog->whyNot().isEmpty(), qPrintable(dialog->whyNot()));
        dialog->accept();
        QVERIFY2(eventually([&] { return QFileInfo(file).size() > 1000; }, 60), "nothing was exported");
        QVERIFY(again.close());
    }
}

/// A run in two stages, of one and of two blocks, is forked at their boundary, and its first stage is exported as the network of one block.
void TestRealRun::forksAndExportsAtAStage()
{
    if (const QString missing = whatIsMissing(); !missing.isEmpty())
        QSKIP(qPrintable(missing));
    const QTemporaryDir folder;
    const std::filesystem::path library = folder.path().toStdString();
    int code = -1;
    QStringList train{QStringLiteral("train"),
                      QStringLiteral("--preset"),
                      QStringLiteral("vit-garden"),
                      QStringLiteral("--run"),
                      folder.filePath(QStringLiteral("oak")),
                      QStringLiteral("--quiet")};
    for (const char* setting : {"model.depth=2", "model.hidden_size=32", "model.num_heads=2", "training.steps=12", "training.batch_size=8",
                                "training.warmup_steps=0", "evaluation.every=6", "evaluation.images=32", "checkpoints.every=0",
                                "schedule.kind=stages", "schedule.stages=2", "schedule.depth=1,2", "schedule.side=12,24"})
        train << QStringLiteral("--set") << QString::fromLatin1(setting);
    output(train, &code);
    QCOMPARE(code, 0);

    RunController controller(cli());
    MainWindow window(&controller, library);
    window.show();
    auto* page = window.runPage();
    const auto& view = page->run();
    QVERIFY(eventually([&] { return view.valid() && view.state == RunState::Finished && view.plan; }));
    QVERIFY(eventually([&] { return page->lanes()->accessibleDescription().contains(QStringLiteral("Stage 2")); }));
    const auto boundary = plan::endOf(*view.plan, view.plan->stages.front().id);
    QVERIFY(boundary && boundary->steps == 6);
    const auto& stages = page->evaluation()->stages()->model()->stages();
    QCOMPARE(stages.size(), std::size_t{2});
    QVERIFY(stages[0].ended && stages[0].steps == 6 && stages[0].training > 0.0 && stages[0].best);
    QVERIFY(stages[1].ended && stages[1].forecast.has_value() && stages[1].evaluating > 0.0);

    // The network of the first stage, as the file of the sub-model that it is.
    QVERIFY(takeFromStageMenu(*page->lanes(), 0, QStringLiteral("Export this stage…")));
    auto* exporting = window.findChild<widgets::ExportDialog*>();
    QVERIFY(exporting != nullptr);
    QCOMPARE(exporting->request().step, 6);
    const QString file = folder.filePath(QStringLiteral("stage.safetensors"));
    auto* field = exporting->findChild<QLineEdit*>(QStringLiteral("exportFile"));
    field->clear();
    QTest::keyClicks(field, file);
    exporting->accept();
    QVERIFY2(eventually([&] { return QFileInfo(file).size() > 1000; }, 60), "nothing was exported");
    const auto inspected =
        Json::parse(output({QStringLiteral("inspect"), file, QStringLiteral("--json")}, &code).toStdString(), nullptr, false);
    QCOMPARE(code, 0);
    QVERIFY2(inspected.dump().find("\"depth\":1,") != std::string::npos || inspected.dump().find("\"depth\":1}") != std::string::npos,
             inspected.dump(1).c_str());

    // A new run that has the first stage and trains the second itself.
    QVERIFY(takeFromStageMenu(*page->lanes(), 0, QStringLiteral("Fork here…")));
    auto* forking = window.findChild<widgets::ForkDialog*>();
    QVERIFY(forking != nullptr);
    QCOMPARE(forking->request().name, QStringLiteral("oak-stage-1"));
    QVERIFY(forking->request().start);
    forking->accept();
    const auto forked = library / "oak-stage-1";
    QVERIFY2(eventually([&] { return window.library()->rowCount() == 2; }, 60), "no new run in the list");
    QVERIFY2(eventually([&] { return view.folder == forked && view.plan; }, 60), "the new run was not opened");
    const auto reused = plan::endOf(*view.plan, view.plan->stages.front().id);
    QVERIFY(reused && reused->steps == 6 && reused->seconds == boundary->seconds); // taken over, not trained again
    QVERIFY(eventually([&] { return view.state == RunState::Finished; }));
    QCOMPARE(view.progress.step, 12);
    QVERIFY(eventually([&] { return !runs::isLocked(runs::RunFolder(forked)); }));
    QVERIFY(window.close());
}

/// Two modules train side by side; the button behind a lane pauses its module while the other goes on, and starts it again.
void TestRealRun::aLaneIsPausedAndStarted()
{
    if (const QString missing = whatIsMissing(); !missing.isEmpty())
        QSKIP(qPrintable(missing));
    const QTemporaryDir folder;
    QStringList train{QStringLiteral("train"),
                      QStringLiteral("--preset"),
                      QStringLiteral("vit-garden"),
                      QStringLiteral("--run"),
                      folder.filePath(QStringLiteral("ash")),
                      QStringLiteral("--devices"),
                      QStringLiteral("cpu:2"),
                      QStringLiteral("--quiet")};
    for (const char* setting :
         {"model.depth=2", "model.hidden_size=32", "model.num_heads=2", "training.batch_size=8", "training.warmup_steps=0",
          "training.seconds=0", "training.threads=1", "evaluation.every=0", "checkpoints.every=0", "schedule.kind=assembled",
          "schedule.modules=2", "schedule.pt.steps=4", "schedule.mt.steps=2000", "schedule.ft.steps=4"})
        train << QStringLiteral("--set") << QString::fromLatin1(setting);
    QProcess training;
    training.start(QString::fromStdString(cli().string()), train);
    QVERIFY(training.waitForStarted());
    QVERIFY(eventually([&] { return QFileInfo::exists(folder.filePath(QStringLiteral("ash/branches"))); }));

    RunController controller(cli());
    MainWindow window(&controller, folder.path().toStdString());
    window.show();
    const auto& view = window.runPage()->run();
    const auto stands = [&](std::size_t module, RunState state) {
        return module < view.branchStatus.size() && view.branchStatus[module].state == state;
    };
    QVERIFY2(eventually([&] { return stands(0, RunState::Training) && stands(1, RunState::Training); }), "no two modules train");
    const auto button = [&] { return window.findChild<QAbstractButton*>(QStringLiteral("lane.module-1")); };
    QVERIFY(eventually([&] { return button() != nullptr && button()->isVisible() && button()->isEnabled(); }, 20));
    QVERIFY2(button()->accessibleName().startsWith(QStringLiteral("Pause")), qPrintable(button()->accessibleName()));
    button()->click();
    QVERIFY2(eventually([&] { return stands(1, RunState::Paused) && view.branchStatus[1].held; }, 60), "the module was not paused");
    QVERIFY(stands(0, RunState::Training)); // alone
    QVERIFY(eventually([&] { return button()->accessibleName().startsWith(QStringLiteral("Start")) && button()->isEnabled(); }, 20));
    button()->click();
    QVERIFY2(eventually([&] { return stands(1, RunState::Training); }, 60), "the module was not started");
    QVERIFY2(eventually([&] { return view.state == RunState::Finished; }), qPrintable(widgets::qstr(runs::stateText(view.state))));
    QVERIFY(stands(0, RunState::Finished) && stands(1, RunState::Finished));
    QCOMPARE(view.branchStatus[0].attempt, 1);
    QCOMPARE(view.branchStatus[1].attempt, 2); // it went on from where it was paused
    QVERIFY(eventually([&] { return training.state() == QProcess::NotRunning; }, 20));
    QCOMPARE(training.exitCode(), 0);
    QVERIFY(window.close());
}

QTEST_MAIN(TestRealRun)
#include "tst_real_run.moc"
