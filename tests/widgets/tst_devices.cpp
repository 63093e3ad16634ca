// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/config/config.h"
#include "widgets/card.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/device_picker.h"
#include "widgets/library_model.h"
#include "widgets/queue_panel.h"
#include "widgets/run_header.h"
#include "widgets/setting_row.h"
#include "widgets/start_dialog.h"
#include "widgets/status_strip.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QCheckBox>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QRadioButton>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTest>
#include <QToolButton>

using namespace espalier;
using namespace espalier::widgets;

class TestDevices : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void everyDeviceSaysWhatItHasFree();
    void thePickerWritesTheSetting();
    void aMachineWithoutGpusSaysSo();
    void aChoiceSaysWhatItMeans();
    void theFormChoosesFromTheMachine();
    void runsStartOnOtherDevices();
    void theStatusShowsTheDevicesOfTheRun();
    void theQueueSaysWhyAndAsksForOrder();
    void aQueuedRunShowsItsPlace();
};

static MachineView machine(int gpus)
{
    MachineView view;
    view.cpu.name = QStringLiteral("AMD EPYC");
    view.cpu.cores = 16;
    view.cpu.totalBytes = 128'000'000'000;
    view.cpu.freeBytes = 96'000'000'000;
    view.cpu.load = 12;
    for (int i = 0; i < gpus; ++i) {
        GpuView gpu;
        gpu.index = i;
        gpu.name = QStringLiteral("NVIDIA H200");
        gpu.totalBytes = 140'000'000'000;
        gpu.freeBytes = i == 0 ? 79'000'000'000 : 139'000'000'000;
        gpu.load = i == 0 ? 97 : i;
        gpu.celsius = 60 + i;
        gpu.watts = 300.0 + i;
        view.gpus.push_back(gpu);
    }
    if (gpus > 0) {
        view.gpus[0].inUse = true;
        view.gpus[0].runs << QStringLiteral("dit-a");
    } else {
        view.whyNoGpu = QStringLiteral("No GPU can be used: NVIDIA's driver is not installed on this machine.");
    }
    return view;
}

template <class T>
static T* find(const QObject& in, const char* name)
{
    auto* found = in.findChild<T*>(QLatin1String(name));
    if (found == nullptr)
        qFatal("there is no %s", name);
    return found;
}

static Json configOf(std::int64_t batch)
{
    return config::write(*config::read(config::merge(config::findPreset("demo")->overlay, {{"training", {{"batch_size", batch}}}})));
}

void TestDevices::everyDeviceSaysWhatItHasFree()
{
    DevicePicker picker;
    picker.setMachine(machine(4));
    const auto* first = find<QCheckBox>(picker, "device.0");
    QCOMPARE(first->text(), QStringLiteral("GPU 0 · NVIDIA H200"));
    QVERIFY2(first->accessibleDescription().contains(QStringLiteral("97 % load · 60 °C · 300 W, used by dit-a")),
             qPrintable(first->accessibleDescription()));
    QCOMPARE(find<QLabel>(picker, "deviceUse.0")->text(), QStringLiteral("used by dit-a"));
    QCOMPARE(find<QLabel>(picker, "deviceUse.3")->text(), QStringLiteral("free"));
    // It changes while one looks, and nothing that was chosen is lost.
    QTest::mouseClick(find<QCheckBox>(picker, "device.2"), Qt::LeftButton, {}, QPoint(8, 8));
    auto later = machine(4);
    later.gpus[3].inUse = true;
    picker.setMachine(later);
    QCOMPARE(find<QLabel>(picker, "deviceUse.3")->text(), QStringLiteral("used by a run"));
    QCOMPARE(picker.devices(), QStringLiteral("2"));
    QVERIFY(find<QCheckBox>(picker, "device.2")->isChecked());
}

void TestDevices::thePickerWritesTheSetting()
{
    DevicePicker picker;
    picker.setMachine(machine(4));
    picker.setConfig(configOf(128));
    QSignalSpy chosen(&picker, &DevicePicker::chosen);
    const auto last = [&] { return chosen.isEmpty() ? QString() : chosen.back()[0].toString(); };
    QVERIFY(find<QRadioButton>(picker, "devicesAuto")->isChecked());
    find<QRadioButton>(picker, "devicesGpus")->click();
    QCOMPARE(last(), QStringLiteral("1")); // the first that is free
    find<QCheckBox>(picker, "device.3")->click();
    find<QCheckBox>(picker, "device.0")->click();
    QCOMPARE(last(), QStringLiteral("0,1,3")); // in order
    QVERIFY(find<QRadioButton>(picker, "devicesGpus")->isChecked());
    find<QCheckBox>(picker, "device.1")->click();
    QCOMPARE(last(), QStringLiteral("0,3"));
    find<QSpinBox>(picker, "devicesWorkers")->setValue(2);
    QCOMPARE(last(), QStringLiteral("cpu:2"));
    QVERIFY(find<QRadioButton>(picker, "devicesCpu")->isChecked() && !find<QCheckBox>(picker, "device.0")->isChecked());
    find<QRadioButton>(picker, "devicesAuto")->click();
    QCOMPARE(last(), QStringLiteral("auto"));
    // The text stays the truth, also where somebody gave ranks an order of their own, or none that can be read.
    picker.setDevices(QStringLiteral("3,1"));
    find<QCheckBox>(picker, "device.0")->click();
    QCOMPARE(last(), QStringLiteral("3,1,0"));
    picker.setDevices(QStringLiteral("gpu"));
    for (const char* name : {"devicesAuto", "devicesGpus", "devicesCpu"})
        QVERIFY2(!find<QRadioButton>(picker, name)->isChecked(), name);
    QVERIFY(find<QLabel>(picker, "devicesProblem")->text().contains(QStringLiteral("devices must be")));
}

void TestDevices::aMachineWithoutGpusSaysSo()
{
    DevicePicker picker;
    picker.setMachine(machine(0));
    QVERIFY(!find<QRadioButton>(picker, "devicesGpus")->isEnabled());
    QVERIFY(find<QRadioButton>(picker, "devicesGpus")->toolTip().contains(QStringLiteral("driver is not installed")));
    QVERIFY(!find<QLabel>(picker, "whyNoGpu")->isHidden());
    QVERIFY(picker.meaning().text.startsWith(QStringLiteral("The CPU, 16 cores")));
    QCOMPARE(statusWords(machine(0), ""), QStringLiteral("CPU  12 %  32.0 GB of 128 GB"));
    QVERIFY(statusDetail(machine(0), "").contains(QStringLiteral("not installed")));
}

void TestDevices::aChoiceSaysWhatItMeans()
{
    const auto four = machine(4);
    QCOMPARE(meaningOf("0,1", configOf(128), four).text, QStringLiteral("2 ranks on GPU 0 and 1: 64 of the 128 images of a batch each"));
    QCOMPARE(meaningOf("cpu:4", configOf(128), four).text,
             QStringLiteral("4 ranks on the CPU, 4 cores each: 32 of the 128 images of a batch each"));
    QCOMPARE(meaningOf("auto", configOf(128), four).text, QStringLiteral("GPU 0, NVIDIA H200: all 128 images of a batch"));
    const auto uneven = meaningOf("0,1,2", configOf(128), four);
    QVERIFY2(uneven.problem.contains(QStringLiteral("126 and 129")), qPrintable(uneven.problem));
    QCOMPARE(meaningOf("2,9", configOf(128), four).problem, QStringLiteral("There is no GPU 9: this machine has GPU 0 to 3."));
    QCOMPARE(meaningOf("0", configOf(128), machine(0)).problem, QStringLiteral("There is no GPU 0: this machine trains on its CPU."));
    QCOMPARE(ordinal(1) + ordinal(2) + ordinal(3) + ordinal(4), QStringLiteral("1st2nd3rd4th"));
    QCOMPARE(ordinal(11) + ordinal(12) + ordinal(13) + ordinal(21), QStringLiteral("11th12th13th21st"));
}

void TestDevices::theFormChoosesFromTheMachine()
{
    ConfigurationPage page;
    page.resize(1000, 700);
    page.editNew(configOf(128), {}, QStringLiteral("rose"));
    page.setMachine(machine(4));
    page.show();
    QSignalSpy watched(&page, &ConfigurationPage::devicesWatched);
    const auto* note = find<QLabel>(page, "note.devices");
    QVERIFY(note->text().contains(QStringLiteral("all 128 images")));
    find<QToolButton>(page, "browse.devices")->click();
    QCOMPARE(watched.size(), 1); // the numbers are read while somebody looks at them
    auto* popup = find<QWidget>(page, "devicePopup");
    QVERIFY(popup->isVisible());
    auto* picker = find<DevicePicker>(*popup, "devicePicker");
    find<QCheckBox>(*picker, "device.1")->click();
    find<QCheckBox>(*picker, "device.3")->click();
    QCOMPARE(page.model()->config()["devices"].get<std::string>(), std::string("1,3"));
    QCOMPARE(find<QLineEdit>(page, "line.devices")->text(), QStringLiteral("1,3"));
    QCOMPARE(note->text(), QStringLiteral("2 ranks on GPU 1 and 3: 64 of the 128 images of a batch each"));
    // A batch that does not divide is said at the field and stops the start.
    find<QCheckBox>(*picker, "device.0")->click();
    const auto* problem = find<QLabel>(page, "problem.devices");
    QVERIFY(problem->text().contains(QStringLiteral("126 and 129")) && !problem->isHidden() && note->isHidden());
    QVERIFY(!find<QPushButton>(page, "startRun")->isEnabled() && !find<QPushButton>(page, "queueRun")->isEnabled());
    find<QCheckBox>(*picker, "device.0")->click();
    QVERIFY(problem->isHidden());
    popup->close();
    QCOMPARE(watched.size(), 2);
    QCOMPARE(watched.back()[0].toBool(), false);
    // A GPU that is not here can be written, and started elsewhere.
    page.model()->setText(*config::findField("devices"), QStringLiteral("7"));
    QCOMPARE(page.whyNotStart(), QStringLiteral("There is no GPU 7: this machine has GPU 0 to 3."));
    QVERIFY(page.commandLine().contains(QStringLiteral("devices")));
    page.model()->setText(*config::findField("devices"), QStringLiteral("0"));
    QSignalSpy started(&page, &ConfigurationPage::startRequested);
    find<QPushButton>(page, "queueRun")->click();
    find<QPushButton>(page, "startRun")->click();
    QCOMPARE(started.size(), 2);
    QVERIFY(started[0][3].toBool() && !started[1][3].toBool());
    // Of a run that exists the field says what it was, not what it would mean here.
    page.showRun(QStringLiteral("oak"), configOf(128));
    QVERIFY(note->isHidden());
}

void TestDevices::runsStartOnOtherDevices()
{
    StartDialog dialog(QStringLiteral("rose"), QStringLiteral("Resume"), QStringLiteral("0"), configOf(128));
    dialog.setMachine(machine(2));
    QCOMPARE(dialog.windowTitle(), QStringLiteral("Resume rose on"));
    find<QCheckBox>(dialog, "device.1")->click();
    QCOMPARE(dialog.request().devices, QStringLiteral("0,1"));
    find<QCheckBox>(dialog, "device.0")->click();
    QSignalSpy accepted(&dialog, &QDialog::accepted);
    find<QPushButton>(dialog, "dialogQueue")->click();
    QCOMPARE(accepted.size(), 1);
    QCOMPARE(dialog.request().devices, QStringLiteral("1"));
    QVERIFY(dialog.request().queued);
    StartDialog uneven(QStringLiteral("rose"), QStringLiteral("Resume"), QStringLiteral("cpu:3"), configOf(128));
    uneven.setMachine(machine(2));
    QVERIFY(!find<QPushButton>(uneven, "dialogAccept")->isEnabled());
    QVERIFY(find<QPushButton>(uneven, "dialogAccept")->toolTip().contains(QStringLiteral("cannot be divided")));
}

void TestDevices::theStatusShowsTheDevicesOfTheRun()
{
    StatusStrip strip;
    const auto* right = find<NumberLabel>(strip, "statusMachine");
    strip.setMachine(machine(4));
    QCOMPARE(right->text(), QStringLiteral("4 GPUs  1–97 %  64.0 GB  63 °C  1\u2009206 W"));
    RunView run;
    run.folder = "/library/rose";
    run.state = runs::RunState::Training;
    run.devices = "2";
    strip.setRun(run);
    QCOMPARE(right->text(), QStringLiteral("GPU 2  2 %  1.0 GB  62 °C  302 W"));
    run.devices = "0,2";
    strip.setRun(run);
    QCOMPARE(right->text(), QStringLiteral("GPU 0  97 %  61.0 GB  60 °C  300 W     GPU 2  2 %  1.0 GB  62 °C  302 W"));
    QVERIFY(right->toolTip().contains(QStringLiteral("GPU 0 · NVIDIA H200")) && right->toolTip().contains(QStringLiteral("used by dit-a")));
    run.devices = "cpu:2";
    strip.setRun(run);
    QCOMPARE(right->text(), QStringLiteral("CPU  12 %  32.0 GB of 128 GB"));
    // At rest a run uses none: the machine is shown.
    run.state = runs::RunState::Stopped;
    strip.setRun(run);
    QVERIFY(right->text().startsWith(QStringLiteral("4 GPUs")));
}

static QueueView queueOf(const QStringList& names)
{
    QueueView queue;
    for (const auto& name : names)
        queue.entries.push_back({name.toStdString(), "/library/" + name.toStdString(), QStringLiteral("GPU 1"),
                                 QStringLiteral("GPU 1 is used by dit-a"), 0.0, false});
    return queue;
}

void TestDevices::theQueueSaysWhyAndAsksForOrder()
{
    QueuePanel panel;
    QAbstractItemModelTester tester(panel.model(), QAbstractItemModelTester::FailureReportingMode::QtTest);
    panel.resize(272, 300);
    panel.show();
    QVERIFY(QTest::qWaitForWindowActive(&panel));
    auto* list = find<QListView>(panel, "queueList");
    QVERIFY(list->isHidden() && find<QLabel>(panel, "queueNote")->isVisible());
    panel.setQueue(queueOf({QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")}));
    QVERIFY(list->isVisible() && find<QLabel>(panel, "queueNote")->isHidden());
    QCOMPARE(find<QLabel>(panel, "queueCount")->text(), QStringLiteral("3 waiting"));
    QVERIFY(list->model()->index(1, 0).data(Qt::AccessibleTextRole).toString().contains(QStringLiteral("2nd, b")));
    QVERIFY(list->model()->index(1, 0).data(Qt::ToolTipRole).toString().contains(QStringLiteral("GPU 1 is used by dit-a")));
    auto *up = find<QToolButton>(panel, "queueUp"), *down = find<QToolButton>(panel, "queueDown");
    QVERIFY(!up->isEnabled() && up->toolTip().contains(QStringLiteral("Choose a run")));

    QSignalSpy moved(&panel, &QueuePanel::moveRequested), removed(&panel, &QueuePanel::removeRequested),
        started(&panel, &QueuePanel::startRequested), selected(&panel, &QueuePanel::selectedRun);
    const QRect second = list->visualRect(list->model()->index(1, 0));
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, second.center());
    QCOMPARE(selected.value(0).value(0).toString(), QStringLiteral("/library/b"));
    up->click();
    QCOMPARE(moved.value(0), (QVariantList{QStringLiteral("b"), 1}));
    panel.setQueue(queueOf({QStringLiteral("b"), QStringLiteral("a"), QStringLiteral("c")}));
    QCOMPARE(list->currentIndex().row(), 0); // the run stays chosen
    QVERIFY(!up->isEnabled() && up->toolTip().contains(QStringLiteral("first already")));
    down->click();
    QCOMPARE(moved.value(1), (QVariantList{QStringLiteral("b"), 2}));
    QTest::keyClick(list, Qt::Key_Down, Qt::AltModifier);
    QCOMPARE(moved.size(), 3);
    // A view drags a row so.
    QVERIFY(list->model()->moveRow({}, 0, {}, 3));
    QCOMPARE(moved.value(3), (QVariantList{QStringLiteral("b"), 3}));
    QCOMPARE(list->model()->index(2, 0).data().toString(), QStringLiteral("b"));
    QVERIFY(list->model()->moveRow({}, 2, {}, 0));
    QCOMPARE(moved.value(4), (QVariantList{QStringLiteral("b"), 1}));
    QVERIFY(!list->model()->moveRow({}, 0, {}, 1)); // where it stands

    find<QToolButton>(panel, "queueStart")->click();
    QTest::keyClick(list, Qt::Key_Delete);
    QCOMPARE(started.value(0).value(0).toString(), QStringLiteral("b"));
    QCOMPARE(removed.value(0).value(0).toString(), QStringLiteral("b"));
    QueueView broken;
    broken.problem = QStringLiteral("queue.json is damaged. Remove it.");
    panel.setQueue(broken);
    QCOMPARE(find<QLabel>(panel, "queueNote")->text(), broken.problem);
}

void TestDevices::aQueuedRunShowsItsPlace()
{
    RunView run;
    run.folder = "/library/b";
    run.name = "b";
    run.state = runs::RunState::Queued;
    run.queuePlace = 2;
    run.queueWhy = QStringLiteral("GPU 1 is used by dit-a");
    RunHeader header;
    header.setRun(run);
    QCOMPARE(find<Chip>(header, "stateChip")->text(), QStringLiteral("Queued, 2nd"));
    QCOMPARE(find<Chip>(header, "stateChip")->toolTip(), run.queueWhy);

    LibraryModel model;
    runs::RunSummary summary;
    summary.folder = run.folder;
    summary.name = "b";
    summary.state = runs::RunState::Queued;
    model.apply({summary}, {});
    QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
    model.setQueue(queueOf({QStringLiteral("a"), QStringLiteral("b")}));
    QCOMPARE(changed.size(), 1);
    QCOMPARE(summaryNote(summary, model.index(0).data(LibraryModel::PlaceRole).toInt()), QStringLiteral("queued, 2nd"));
    model.setQueue(queueOf({QStringLiteral("b")}));
    QCOMPARE(model.index(0).data(LibraryModel::PlaceRole).toInt(), 1);
    model.setQueue({});
    QCOMPARE(model.index(0).data(LibraryModel::PlaceRole).toInt(), 0);
}

QTEST_MAIN(TestDevices)
#include "tst_devices.moc"
