// SPDX-License-Identifier: GPL-3.0-or-later
// The queue and the devices through the real window: with the real command line, a worker that trains nothing and a driver that has GPUs.
#include "app/gui/main_window.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "app/gui/tool_bar.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/control.h"
#include "core/runs/lock.h"
#include "core/runs/queue.h"
#include "widgets/card.h"
#include "widgets/configuration_page.h"
#include "widgets/queue_panel.h"
#include "widgets/setting_row.h"
#include "widgets/start_dialog.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QCheckBox>
#include <QDialog>
#include <QElapsedTimer>
#include <QFileInfo>
#include <QLabel>
#include <QListView>
#include <QProcess>
#include <QPushButton>
#include <QSettings>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>

using namespace espalier;
using namespace espalier::gui;
using runs::RunState;

class TestQueue : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();
    void runsAreQueuedReorderedStartedAndRemoved();
    void aQueuedRunSurvivesAClosedWindow();
    void aRunGoesOnOnOtherDevices();
    void aDamagedQueueIsSaid();

private:
    static std::filesystem::path cli();
    int call(const QStringList& arguments) const;
    std::filesystem::path folder(const char* name) const { return m_library / name; }
    static RunState stateOf(const std::filesystem::path& run) { return runs::summarize(run).state; }
    QStringList order() const;
    static bool newRun(MainWindow& window, const char* name, const char* devices, bool queued);

    template <class Condition>
    bool eventually(Condition condition, int seconds = 60)
    {
        QElapsedTimer clock;
        clock.start();
        while (!condition() && clock.elapsed() < seconds * 1000)
            QTest::qWait(20);
        return condition();
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::filesystem::path m_library;
};

std::filesystem::path TestQueue::cli()
{
    return QFileInfo(QCoreApplication::applicationDirPath() + QStringLiteral("/../espalier-cli")).absoluteFilePath().toStdString();
}

void TestQueue::initTestCase()
{
    QApplication::setOrganizationName(QStringLiteral("espalier-test"));
    QApplication::setApplicationName(QStringLiteral("tst_queue"));
    QSettings().clear();
    QSettings().setValue(QStringLiteral("hints/runs_go_on"), true);
    widgets::applyTheme(*qApp, widgets::Scheme::Light);
}

void TestQueue::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    m_library = m_folder->filePath(QStringLiteral("library")).toStdString();
    std::filesystem::create_directories(m_library);
    qputenv("ESPALIER_LIBRARY", QByteArray::fromStdString(m_library.string()));
    qputenv("ESPALIER_DEVICE_LOCKS", m_folder->filePath(QStringLiteral("devices")).toLocal8Bit());
}

/// No process may outlive the test.
void TestQueue::cleanup()
{
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(m_library))
        if (runs::isRunFolder(entry.path()))
            all.push_back(entry.path());
    QVERIFY(eventually([&] {
        bool any = false;
        for (const auto& run : all) {
            const bool held = runs::isLocked(runs::RunFolder(run));
            if (held)
                (void)runs::sendWish(runs::RunFolder(run), runs::WishKind::Stop, Json::object());
            any = any || held;
        }
        if (any)
            QTest::qWait(300);
        return !any;
    }));
    m_folder.reset();
}

int TestQueue::call(const QStringList& arguments) const
{
    QProcess process;
    process.start(QString::fromStdString(cli().string()), arguments);
    process.waitForFinished(60'000);
    return process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1;
}

QStringList TestQueue::order() const
{
    QStringList names;
    if (const auto tickets = runs::Queue(m_library).tickets())
        for (const auto& ticket : *tickets)
            names << QString::fromStdString(ticket.run.filename().string());
    return names;
}

bool TestQueue::newRun(MainWindow& window, const char* name, const char* devices, bool queued)
{
    window.newRun(QStringLiteral("smoke"));
    auto* form = window.runPage()->configuration();
    form->model()->setText(*config::findField("training.steps"), QStringLiteral("100000"));
    form->model()->setText(*config::findField("devices"), QString::fromLatin1(devices));
    auto* field = form->findChild<QLineEdit*>(QStringLiteral("runName"));
    field->selectAll();
    QTest::keyClicks(field, QString::fromLatin1(name));
    auto* button = form->findChild<QPushButton*>(queued ? QStringLiteral("queueRun") : QStringLiteral("startRun"));
    if (!button->isEnabled())
        qWarning("%s", qPrintable(form->whyNotStart()));
    const bool may = button->isEnabled();
    button->click();
    return may;
}

void TestQueue::runsAreQueuedReorderedStartedAndRemoved()
{
    RunController controller(cli());
    MainWindow window(&controller, m_library);
    window.resize(1280, 800);
    window.show();
    const auto& view = window.runPage()->run();
    QVERIFY2(newRun(window, "first", "0", false), "the form would not start it");
    QVERIFY2(eventually([&] { return view.folder == folder("first") && view.state == RunState::Training; }), "it never trained");
    auto* status = window.findChild<widgets::NumberLabel*>(QStringLiteral("statusMachine"));
    QVERIFY2(
        eventually([&] { return status->text().contains(QStringLiteral("97 %")) && status->text().contains(QStringLiteral("64 °C")); }),
        qPrintable(status->text()));

    QVERIFY(newRun(window, "second", "0", true));
    QVERIFY2(eventually([&] { return view.folder == folder("second") && view.state == RunState::Queued; }), "it does not wait");
    QVERIFY(newRun(window, "third", "0,1", true));
    auto* chip = window.findChild<widgets::Chip*>(QStringLiteral("stateChip"));
    QVERIFY2(eventually([&] { return view.folder == folder("third") && chip->text() == QStringLiteral("Queued, 2nd"); }),
             qPrintable(chip->text()));
    QCOMPARE(chip->toolTip(), QStringLiteral("GPU 0 is used by first"));
    auto* panel = window.findChild<widgets::QueuePanel*>();
    auto* list = panel->findChild<QListView*>(QStringLiteral("queueList"));
    QCOMPARE(list->model()->rowCount(), 2);
    QVERIFY(list->model()->index(1, 0).data(Qt::ToolTipRole).toString().contains(QStringLiteral("GPU 0 and GPU 1")));

    // Reordered here: the file says so, and so does the window.
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualRect(list->model()->index(1, 0)).center());
    panel->findChild<QToolButton*>(QStringLiteral("queueUp"))->click();
    QVERIFY(eventually([&] { return order() == QStringList{QStringLiteral("third"), QStringLiteral("second")}; }, 5));
    QVERIFY(eventually([&] { return chip->text() == QStringLiteral("Queued, 1st"); }, 5));
    // Reordered by the command line: the window shows it within a second or so.
    QCOMPARE(call({QStringLiteral("queue"), QStringLiteral("move"), QStringLiteral("second"), QStringLiteral("--to"), QStringLiteral("1")}),
             0);
    QElapsedTimer clock;
    clock.start();
    QVERIFY(eventually([&] { return chip->text() == QStringLiteral("Queued, 2nd"); }, 5));
    QVERIFY2(clock.elapsed() < 2000, qPrintable(QString::number(clock.elapsed())));

    // Started without waiting, beside the run that has its device.
    QVERIFY(panel->model()->entry(list->currentIndex().row()) != nullptr);
    QCOMPARE(list->currentIndex().data().toString(), QStringLiteral("third"));
    panel->findChild<QToolButton*>(QStringLiteral("queueStart"))->click();
    QVERIFY2(eventually([&] { return stateOf(folder("third")) == RunState::Training; }), "it did not start");
    QCOMPARE(stateOf(folder("first")), RunState::Training);
    QVERIFY(eventually([&] { return list->model()->rowCount() == 1 && chip->text() == QStringLiteral("Training"); }, 10));

    // Removed: it does not start.
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualRect(list->model()->index(0, 0)).center());
    QVERIFY(eventually([&] { return view.folder == folder("second"); }, 5));
    panel->findChild<QToolButton*>(QStringLiteral("queueRemove"))->click();
    QVERIFY(eventually([&] { return stateOf(folder("second")) == RunState::Stopped; }, 10));
    QVERIFY(eventually([&] { return list->isHidden() && chip->text() == QStringLiteral("Stopped"); }, 10));
    QVERIFY(window.close());
}

void TestQueue::aQueuedRunSurvivesAClosedWindow()
{
    {
        RunController controller(cli());
        MainWindow window(&controller, m_library);
        window.show();
        QVERIFY(newRun(window, "first", "1", true)); // free: it starts at once
        QVERIFY(eventually([&] { return stateOf(folder("first")) == RunState::Training; }));
        QVERIFY(newRun(window, "second", "1", true));
        QVERIFY(eventually([&] { return stateOf(folder("second")) == RunState::Queued; }));
        QVERIFY(window.close());
    }
    QCOMPARE(order(), QStringList{QStringLiteral("second")});
    {
        RunController controller(cli());
        MainWindow window(&controller, m_library);
        window.show();
        auto* panel = window.findChild<widgets::QueuePanel*>();
        QVERIFY(eventually([&] { return panel->model()->rowCount() == 1; }, 10));
        QVERIFY(panel->model()->entry(0)->run == folder("second"));
    }
    QCOMPARE(call({QStringLiteral("control"), QString::fromStdString(folder("first").string()), QStringLiteral("stop"),
                   QStringLiteral("--wait")}),
             0);
    QVERIFY2(eventually([&] { return stateOf(folder("second")) == RunState::Training; }), "nobody started it");
}

void TestQueue::aRunGoesOnOnOtherDevices()
{
    RunController controller(cli());
    MainWindow window(&controller, m_library);
    window.show();
    const auto& view = window.runPage()->run();
    QVERIFY(newRun(window, "rose", "0", false));
    QVERIFY(eventually([&] { return view.folder == folder("rose") && view.state == RunState::Training && view.progress.step > 0; }));
    auto* more = window.toolBar();
    const auto startOn = more->startActions().at(1);
    QVERIFY(!startOn->isEnabled() && !startOn->toolTip().isEmpty());
    more->action(runs::Action::Pause)->trigger();
    QVERIFY(eventually([&] { return view.state == RunState::Paused; }));
    QVERIFY(eventually([&] { return startOn->isEnabled(); }, 5));
    QCOMPARE(startOn->text(), QStringLiteral("Resume on other devices…"));
    startOn->trigger();
    auto* dialog = window.findChild<widgets::StartDialog*>();
    QVERIFY(dialog != nullptr);
    auto* second = dialog->findChild<QCheckBox*>(QStringLiteral("device.1"));
    QVERIFY(second != nullptr);
    second->click();
    dialog->findChild<QCheckBox*>(QStringLiteral("device.0"))->click();
    QCOMPARE(dialog->request().devices, QStringLiteral("1"));
    dialog->findChild<QPushButton*>(QStringLiteral("dialogAccept"))->click();
    QVERIFY2(eventually([&] { return view.state == RunState::Training && view.devices == "cuda:1"; }), view.devices.c_str());
    QVERIFY(eventually([&] { return view.config.is_object() && view.config["devices"] == "1"; }, 10));
    QVERIFY(window.close());
}

void TestQueue::aDamagedQueueIsSaid()
{
    RunController controller(cli());
    MainWindow window(&controller, m_library);
    window.show();
    auto* note = window.findChild<QLabel*>(QStringLiteral("queueNote"));
    QVERIFY(eventually([&] { return note->isVisible() && note->text().contains(QStringLiteral("Nobody waits")); }, 5));
    QVERIFY(writeFileAtomically(m_library / "queue.json", "{\"tickets\": 5}"));
    QVERIFY(eventually([&] { return note->text().contains(QStringLiteral("queue.json is damaged")); }, 5));
    std::filesystem::remove(m_library / "queue.json");
    QVERIFY(eventually([&] { return note->text().contains(QStringLiteral("Nobody waits")); }, 5));
}

QTEST_MAIN(TestQueue)
#include "tst_queue.moc"
