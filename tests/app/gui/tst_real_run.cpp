// SPDX-License-Identifier: GPL-3.0-or-later
// The real window over the real trainer: start from the form, see loss and a grid arrive, pause, close and reopen, resume, export.
#include "app/gui/main_window.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "app/gui/tool_bar.h"
#include "core/config/presets.h"
#include "core/runs/lock.h"
#include "widgets/configuration_page.h"
#include "widgets/export_dialog.h"
#include "widgets/library_model.h"
#include "widgets/plot_view.h"
#include "widgets/theme.h"

#include <QAction>
#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QLineEdit>
#include <QMenu>
#include <QPushButton>
#include <QSettings>
#include <QTemporaryDir>
#include <QTest>

using namespace espalier;
using namespace espalier::gui;
using runs::RunState;

class TestRealRun : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void trainsFromTheFormToTheExport();

private:
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

void TestRealRun::trainsFromTheFormToTheExport()
{
    const auto cli = std::filesystem::path(
        QFileInfo(QCoreApplication::applicationDirPath() + QStringLiteral("/../espalier-cli")).absoluteFilePath().toStdString());
    if (!std::filesystem::exists(cli))
        QSKIP("espalier-cli is not built here");
    if (!std::filesystem::exists(cli.parent_path() / "espalier-worker") && !qEnvironmentVariableIsSet("ESPALIER_WORKER_BINARY"))
        QSKIP("espalier-worker is not built here");
    const QTemporaryDir folder;
    const std::filesystem::path library = folder.path().toStdString();
    const auto place = library / "smoke-1";
    {
        RunController controller(cli);
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

        RunController second(cli);
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

QTEST_MAIN(TestRealRun)
#include "tst_real_run.moc"
