// SPDX-License-Identifier: GPL-3.0-or-later
// Draws the pages with invented data into pictures to look at: page_shots FOLDER [PAGE].

#include "tests/widgets/page_fixtures.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/checkpoints_page.h"
#include "widgets/evaluation_page.h"
#include "widgets/export_dialog.h"
#include "widgets/foreign_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/log_page.h"
#include "widgets/sample_dialog.h"
#include "widgets/samples_page.h"
#include "widgets/schedule_editor.h"
#include "widgets/start_dialog.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QDir>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>

#include <functional>
#include <memory>
#include <vector>

using namespace espalier;
using namespace espalier::widgets;

namespace {

struct Page {
    QString name;
    std::function<std::unique_ptr<QWidget>()> make;
};

std::unique_ptr<QWidget> newRun()
{
    auto page = std::make_unique<ConfigurationPage>();
    page->setLibraryFolder(QStringLiteral("~/espalier"));
    page->editNew(Json::object(), QStringLiteral("garden"));
    page->model()->setText(*config::findField("training.steps"), QStringLiteral("8000"));
    return page;
}

/// Scrolled to the schedule.
std::unique_ptr<QWidget> scheduled(Json schedule)
{
    auto page = std::make_unique<ConfigurationPage>();
    page->editNew(
        config::merge(config::findPreset("demo")->overlay,
                      {{"model", {{"kind", "vit"}, {"depth", 12}}}, {"data", {{"side", 32}}}, {"schedule", std::move(schedule)}}));
    page->form()->setSearch(QString());
    QTimer::singleShot(200, page.get(), [shown = page.get()] { shown->form()->ensureWidgetVisible(shown->form()->schedule(), 0, 60); });
    return page;
}

std::unique_ptr<QWidget> stagesRun()
{
    return scheduled(
        {{"kind", "stages"}, {"stages", 4}, {"depth", {6, 8, 10, 12}}, {"side", {16, 20, 24, 32}}, {"trainable", "head; all; all; all"}});
}

std::unique_ptr<QWidget> shrinkingRun()
{
    return scheduled({{"kind", "stages"}, {"stages", 3}, {"depth", {6, 4, 12}}});
}

std::unique_ptr<QWidget> autoprogRun()
{
    return scheduled({{"kind", "autoprog"}});
}

std::unique_ptr<QWidget> wrongRun()
{
    auto page = std::make_unique<ConfigurationPage>();
    page->editNew(Json::object(), QStringLiteral("ddpm-cifar10"));
    page->model()->setText(*config::findField("data.side"), QStringLiteral("4"));
    page->model()->setText(*config::findField("training.batch_size"), QStringLiteral("many"));
    page->model()->setText(*config::findField("training.beta2"), QStringLiteral("7"));
    return page;
}

std::unique_ptr<QWidget> oldRun()
{
    auto page = std::make_unique<ConfigurationPage>();
    page->showRun(QStringLiteral("garden-1"), config::findPreset("garden")->overlay);
    page->form()->setCompared(config::findPreset("demo")->overlay);
    return page;
}

const QTemporaryDir& sampleFolder()
{
    static const QTemporaryDir folder;
    return folder;
}

const std::vector<runs::SampleEntry>& samples()
{
    static const auto all = fixtures::writeSamples(sampleFolder().path(), 40);
    return all;
}

ImageProvider& provider()
{
    static ImageProvider all;
    return all;
}

std::unique_ptr<SamplesPage> samplesPage()
{
    auto page = std::make_unique<SamplesPage>(&provider());
    page->setSamples(sampleFolder().path(), samples());
    return page;
}

std::unique_ptr<QWidget> sampleGrids()
{
    auto page = samplesPage();
    page->showStep(12000);
    return page;
}

std::unique_ptr<QWidget> samplePair()
{
    auto page = samplesPage();
    page->showStep(5000);
    page->setComparing(true);
    page->showStep(20000);
    return page;
}

std::unique_ptr<QWidget> sampleCell()
{
    auto page = samplesPage();
    page->followCell(7);
    return page;
}

std::unique_ptr<QWidget> noSamples()
{
    auto page = std::make_unique<SamplesPage>(&provider());
    page->setExpectation(QStringLiteral("The first grid comes at step 500."), {});
    return page;
}

std::unique_ptr<QWidget> evaluationPage()
{
    auto page = std::make_unique<EvaluationPage>(&provider());
    page->setEvaluations(fixtures::evaluations(12));
    return page;
}

std::unique_ptr<QWidget> checkpointsPage()
{
    auto page = std::make_unique<CheckpointsPage>();
    page->setCheckpoints(fixtures::checkpoints(9), {});
    page->setCheck(9000, {CheckpointCheck::Good, {}});
    page->setCheck(8000, {CheckpointCheck::Damaged, QStringLiteral("model.safetensors is 12 bytes short.")});
    return page;
}

std::unique_ptr<QWidget> logPage()
{
    auto page = std::make_unique<LogPage>();
    std::vector<LogLine> lines;
    for (int i = 0; i < 14; ++i)
        lines.push_back({1795465812.0 + 31 * i,
                         i % 6 == 5   ? LogLevel::Warning
                         : i % 4 == 3 ? LogLevel::Debug
                                      : LogLevel::Info,
                         i % 6 == 5   ? QStringLiteral("2 images could not be decoded and are skipped; the first is cat/0017.jpg")
                         : i % 4 == 3 ? QStringLiteral("loader: 4 batches ahead")
                         : i % 2      ? QStringLiteral("Checkpoint of step %1 saved").arg(1000 * i)
                                      : QStringLiteral("Grid of 36 images drawn with EMA 0.9999 in 4.2 s"),
                         {}});
    lines.push_back(
        {1795466812.0, LogLevel::Error, QStringLiteral("Worker 1 was killed at step 12 400: out of memory"), explainFailure("memory")});
    lines.push_back({1795466815.0, LogLevel::Info, QStringLiteral("Attempt 2 goes on from step 12 000"), {}});
    page->append(lines);
    return page;
}

/// A dialog as a child, so that it can be drawn into the page's place.
template <class T>
std::unique_ptr<QWidget> asWidget(std::unique_ptr<T> dialog)
{
    dialog->setWindowFlags(Qt::Widget);
    return dialog;
}

std::unique_ptr<QWidget> sampleDialog()
{
    return asWidget(std::make_unique<SampleDialog>(Json::object(), 12000));
}

std::unique_ptr<QWidget> latentSampleDialog()
{
    Json config = config::findPreset("dit-xl2-256")->overlay;
    config["samples"]["sampler"]["kind"] = "ddpm";
    config["samples"]["sampler"]["timestep_respacing"] = "10,15,20";
    return asWidget(std::make_unique<SampleDialog>(config, 12000));
}

std::unique_ptr<QWidget> forkDialog()
{
    return asWidget(std::make_unique<ForkDialog>(QStringLiteral("vit-autoprog"), 1, QSet<QString>()));
}

std::unique_ptr<QWidget> foreignDialog()
{
    const Json said{{"kind", "pytorch"},
                    {"layout", "dit"},
                    {"weights", {"ema", "raw"}},
                    {"model",
                     {{"kind", "dit"},
                      {"name", "DiT-XL/2 at 32²"},
                      {"classes", 1000},
                      {"channels", 4},
                      {"parameters", 675129632},
                      {"shape", {{"model", {{"kind", "dit"}}}}}}},
                    {"settings", {{"model", {{"kind", "dit"}, {"num_classes", 1000}}}}}};
    return asWidget(std::make_unique<ForeignDialog>(QStringLiteral("/models/0400000.pt"), said, QStringLiteral("/models/samples")));
}

std::unique_ptr<QWidget> evaluateDialog()
{
    auto dialog = std::make_unique<EvaluateDialog>(Json{{"evaluation", {{"metric", "fid"}}}}, -1);
    return asWidget(std::move(dialog));
}

std::unique_ptr<QWidget> exportDialog()
{
    return asWidget(
        std::make_unique<ExportDialog>(QStringLiteral("garden-1"), std::vector<std::int64_t>{1000, 2000}, 2000, std::vector<double>{0.9999},
                                       std::vector<std::string>{"safetensors", "pt", "dit", "diffusers"}, QStringLiteral("~/exports")));
}

MachineView machineWith(int gpus)
{
    MachineView machine;
    machine.cpu.name = QStringLiteral("AMD EPYC 9654 96-Core Processor");
    machine.cpu.cores = 96;
    machine.cpu.totalBytes = 1'540'000'000'000;
    machine.cpu.freeBytes = 1'310'000'000'000;
    machine.cpu.load = 7;
    if (gpus == 0)
        machine.whyNoGpu = QStringLiteral("No GPU can be used: NVIDIA's driver is not installed on this machine.");
    for (int i = 0; i < gpus; ++i) {
        GpuView gpu;
        gpu.index = i;
        gpu.name = QStringLiteral("NVIDIA H100 80GB HBM3");
        gpu.totalBytes = 85'000'000'000;
        gpu.inUse = i % 3 == 0;
        gpu.freeBytes = gpu.inUse ? 19'000'000'000 : 84'500'000'000;
        gpu.load = gpu.inUse ? 97 : 0;
        gpu.celsius = gpu.inUse ? 66 + i : 36;
        gpu.watts = gpu.inUse ? 612 : 71;
        if (i == 0)
            gpu.runs << QStringLiteral("flowers-xl2-a-long-name-of-a-run") << QStringLiteral("oak");
        machine.gpus.push_back(gpu);
    }
    return machine;
}

std::unique_ptr<QWidget> startDialog(int gpus, const char* devices)
{
    auto dialog = std::make_unique<StartDialog>(QStringLiteral("garden-1"), QStringLiteral("Resume"), QLatin1String(devices),
                                                config::findPreset("garden")->overlay);
    dialog->setMachine(machineWith(gpus));
    return asWidget(std::move(dialog));
}

std::unique_ptr<QWidget> fourGpus()
{
    return startDialog(4, "0,1");
}

std::unique_ptr<QWidget> eightGpus()
{
    return startDialog(8, "0,1,2,3,4");
}

std::unique_ptr<QWidget> noGpus()
{
    return startDialog(0, "cpu:2");
}

/// The field of the devices with what it means.
std::unique_ptr<QWidget> devicesField(const char* devices)
{
    auto page = std::make_unique<ConfigurationPage>();
    page->editNew(Json::object(), QStringLiteral("garden"));
    page->setMachine(machineWith(4));
    page->model()->setText(*config::findField("devices"), QLatin1String(devices));
    page->form()->setSearch(QStringLiteral("devices"));
    return page;
}

std::unique_ptr<QWidget> devicesRight()
{
    return devicesField("0,1");
}

std::unique_ptr<QWidget> devicesWrong()
{
    return devicesField("0,1,2");
}

const std::vector<Page>& pages()
{
    static const std::vector<Page> all{{"configuration-new", newRun},
                                       {"configuration-wrong", wrongRun},
                                       {"configuration-run", oldRun},
                                       {"samples-grid", sampleGrids},
                                       {"schedule-stages", stagesRun},
                                       {"schedule-shrinks", shrinkingRun},
                                       {"schedule-autoprog", autoprogRun},
                                       {"samples-pair", samplePair},
                                       {"samples-cell", sampleCell},
                                       {"samples-empty", noSamples},
                                       {"evaluation", evaluationPage},
                                       {"checkpoints", checkpointsPage},
                                       {"log", logPage},
                                       {"dialog-sample", sampleDialog},
                                       {"dialog-evaluate", evaluateDialog},
                                       {"dialog-export", exportDialog},
                                       {"dialog-sample-latent", latentSampleDialog},
                                       {"dialog-fork", forkDialog},
                                       {"dialog-foreign", foreignDialog},
                                       {"dialog-start-4", fourGpus},
                                       {"dialog-start-8", eightGpus},
                                       {"dialog-start-0", noGpus},
                                       {"devices-right", devicesRight},
                                       {"devices-wrong", devicesWrong}};
    return all;
}

} // namespace

int main(int argc, char** argv)
{
    QApplication app(argc, argv);
    if (argc < 2)
        return 2;
    const QDir folder(QString::fromLocal8Bit(argv[1]));
    folder.mkpath(QStringLiteral("."));
    for (const Scheme scheme : {Scheme::Light, Scheme::Dark}) {
        applyTheme(app, scheme);
        for (const Page& page : pages()) {
            if (argc > 2 && !page.name.contains(QString::fromLocal8Bit(argv[2])))
                continue;
            // The place that the main window leaves to a page at 1280×800.
            QWidget frame;
            frame.setAttribute(Qt::WA_DontShowOnScreen);
            const auto shown = page.make();
            shown->setParent(&frame);
            const QSize size = qEnvironmentVariableIsSet("PAGE_SIZE") ? QSize(qEnvironmentVariable("PAGE_SIZE").section('x', 0, 0).toInt(),
                                                                              qEnvironmentVariable("PAGE_SIZE").section('x', 1, 1).toInt())
                                                                      : QSize(1008, 560);
            frame.resize(size);
            QRect place = QRect(QPoint(), size).adjusted(16, 12, -16, -12);
            if (page.name.startsWith(QLatin1String("dialog")))
                place.setSize(shown->sizeHint().expandedTo(QSize(560, 0)));
            shown->setGeometry(place);
            frame.show();
            QTest::qWait(400);
            frame.grab().save(folder.filePath(page.name + (scheme == Scheme::Dark ? "-dark.png" : "-light.png")));
        }
    }
    return 0;
}
