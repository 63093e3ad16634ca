// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/run_actions.h"

#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "core/config/config.h"
#include "core/runs/run_folder.h"
#include "core/shapes/layouts.h"
#include "widgets/export_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/format.h"
#include "widgets/library_model.h"
#include "widgets/sample_dialog.h"
#include "widgets/stage_view.h"
#include "widgets/start_dialog.h"

#include <QDir>
#include <QFileInfo>
#include <QInputDialog>
#include <QMessageBox>
#include <QPushButton>

namespace espalier::gui {

using namespace widgets;

namespace {

std::int64_t newestStep(const RunView& run)
{
    return run.checkpoints->empty() ? -1 : run.checkpoints->back().step;
}

} // namespace

RunActions::RunActions(RunController* controller, QWidget* window) : QObject(window), m_controller(controller), m_window(window) {}

void RunActions::wish(const RunView& run, runs::WishKind kind, const Json& options, const QString& said)
{
    m_controller->requestWish(run.folder, kind, options);
    Q_EMIT message(said);
}

void RunActions::act(runs::Action action, const RunView& run)
{
    if (!run.valid())
        return;
    const QString name = qstr(run.name);
    switch (action) {
    case runs::Action::Start:
        Q_EMIT message(QStringLiteral("Starting %1…").arg(name));
        return m_controller->resume(run.folder);
    case runs::Action::Pause:
        return wish(run, runs::WishKind::Pause, Json::object(), QStringLiteral("Asked %1 to pause. It saves first.").arg(name));
    case runs::Action::Stop:
        return wish(run, runs::WishKind::Stop, Json::object(), QStringLiteral("Asked %1 to stop. It saves first.").arg(name));
    case runs::Action::Checkpoint:
        return wish(run, runs::WishKind::Checkpoint, Json::object(), QStringLiteral("Asked for a checkpoint."));
    case runs::Action::Sample:
        return askSample(run, -1);
    case runs::Action::Evaluate:
        return askEvaluate(run);
    case runs::Action::Export:
        return askExport(run, -1);
    }
}

void RunActions::actOnModule(const ModuleControl& module, const RunView& run)
{
    if (!run.valid())
        return;
    const QString name = inSentence(moduleTitle(module.module));
    if (runs::isLive(run.state)) // whose answer is told when it comes
        return wish(run, module.starts ? runs::WishKind::Start : runs::WishKind::Pause, {{"module", module.module}},
                    module.starts ? QStringLiteral("Asked %1 to start.").arg(name)
                                  : QStringLiteral("Asked %1 to pause. It saves first.").arg(name));
    m_controller->holdModule(run.folder, module.branch, !module.starts);
    Q_EMIT message(module.starts ? QStringLiteral("When the run starts, %1 trains again.").arg(name)
                                 : QStringLiteral("When the run starts, %1 is left out until it is started.").arg(name));
}

void RunActions::startWhenFree(const RunView& run)
{
    Q_EMIT message(QStringLiteral("%1 starts when its devices are free.").arg(qstr(run.name)));
    m_controller->resume(run.folder, {.queued = true});
}

void RunActions::setMachine(const MachineView& machine)
{
    m_machine = machine;
    if (m_startDialog)
        m_startDialog->setMachine(machine);
}

void RunActions::askStart(const RunView& run)
{
    const Json config = run.config.is_object() ? run.config : Json::object();
    const auto asked = config.find("devices");
    const QString devices = asked != config.end() && asked->is_string() ? qstr(asked->get<std::string>()) : QStringLiteral("auto");
    auto* dialog = new StartDialog(qstr(run.name), qstr(runs::actionTitle(runs::Action::Start, run.state)), devices, config, m_window);
    m_startDialog = dialog;
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setMachine(m_machine);
    m_controller->watchDevices(true);
    connect(dialog, &QDialog::finished, this, [this] { m_controller->watchDevices(false); });
    connect(dialog, &QDialog::accepted, this, [this, dialog, run] {
        const auto request = dialog->request();
        Q_EMIT message(request.queued ? QStringLiteral("%1 starts when its devices are free.").arg(qstr(run.name))
                                      : QStringLiteral("Starting %1…").arg(qstr(run.name)));
        m_controller->resume(run.folder, {request.queued, request.devices.toStdString()});
    });
    dialog->open();
}

void RunActions::serve(RunPage* page, const LibraryModel* library)
{
    connect(page, &RunPage::sampleFromRequested, this, [this, page](qint64 step) { askSample(page->run(), step); });
    connect(page, &RunPage::forkRequested, this, [this, page, library](int stage) {
        QSet<QString> taken;
        for (const auto& run : library->runs())
            taken.insert(qstr(run.name));
        askFork(page->run(), stage, taken);
    });
    connect(page, &RunPage::moduleRequested, this, [this, page](const ModuleControl& module) { actOnModule(module, page->run()); });
    connect(page, &RunPage::exportRequested, this, [this, page](qint64 step) { askExport(page->run(), step); });
    connect(page, &RunPage::keepRequested, this,
            [this, page](qint64 step, bool keep) { m_controller->keepCheckpoint(page->run().folder, step, keep); });
    connect(page, &RunPage::verifyRequested, this, [this, page](qint64 step) { m_controller->verifyCheckpoint(page->run().folder, step); });
    connect(page, &RunPage::deleteRequested, this, [this, page](qint64 step) { m_controller->deleteCheckpoint(page->run().folder, step); });
}

void RunActions::askSample(const RunView& run, std::int64_t step)
{
    const bool live = runs::isLive(run.state);
    auto* dialog =
        new SampleDialog(run.config.is_object() ? run.config : Json::object(), live ? -1 : std::max(step, newestStep(run)), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, run, live] {
        const auto request = dialog->request();
        if (live)
            return wish(run, runs::WishKind::Sample, request.wishOptions(), QStringLiteral("Asked for samples."));
        const QString from = qstr(runs::RunFolder(run.folder).checkpointFolder(request.step).string());
        m_controller->startJob(run.folder,
                               QStringList{QStringLiteral("sample"), QStringLiteral("--checkpoint"), from} + request.arguments(),
                               QStringLiteral("Drawing samples from step %1…").arg(number(request.step)),
                               QStringLiteral("The samples of step %1 are drawn.").arg(number(request.step)),
                               QStringLiteral("No samples of %1 were drawn.").arg(qstr(run.name)));
    });
    dialog->open();
}

void RunActions::askEvaluate(const RunView& run)
{
    const bool live = runs::isLive(run.state);
    auto* dialog = new EvaluateDialog(run.config.is_object() ? run.config : Json::object(), live ? -1 : newestStep(run), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, run, live] {
        const auto request = dialog->request();
        if (live)
            return wish(run, runs::WishKind::Evaluate, request.wishOptions(), QStringLiteral("Asked for an evaluation."));
        const QString from = qstr(runs::RunFolder(run.folder).checkpointFolder(request.step).string());
        m_controller->startJob(
            run.folder, QStringList{QStringLiteral("evaluate"), QStringLiteral("--checkpoint"), from} + request.arguments(),
            QStringLiteral("Evaluating step %1…").arg(number(request.step)),
            QStringLiteral("Step %1 is evaluated.").arg(number(request.step)), QStringLiteral("%1 was not evaluated.").arg(qstr(run.name)));
    });
    dialog->open();
}

void RunActions::askExport(const RunView& run, std::int64_t step)
{
    std::vector<std::int64_t> steps;
    for (const auto& checkpoint : *run.checkpoints)
        steps.push_back(checkpoint.step);
    std::vector<double> decays;
    std::vector<std::string> layouts{"safetensors", "pt"};
    if (const auto config = config::read(run.config.is_object() ? run.config : Json::object())) {
        decays = config->training.ema.decays;
        layouts.clear();
        for (const auto layout : shapes::layoutsFor(shapes::shapeOf(*config)))
            layouts.emplace_back(shapes::nameOf(layout));
    }
    auto* dialog = new ExportDialog(qstr(run.name), steps, step, decays, layouts, QDir::homePath(), m_window);
    if (run.plan)
        dialog->setStageEnds(stageEnds(*run.plan), StageNames(run.plan.get()));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, run] {
        const auto request = dialog->request();
        const QString from = qstr(runs::RunFolder(run.folder).checkpointFolder(request.step < 0 ? newestStep(run) : request.step).string());
        Q_EMIT message(QStringLiteral("Exporting…"));
        m_controller->runTool(QStringList{QStringLiteral("export"), QStringLiteral("--checkpoint"), from} + request.arguments(),
                              QStringLiteral("Exported to %1.").arg(request.file), QStringLiteral("The export failed."));
    });
    dialog->open();
}

void RunActions::askFork(const RunView& run, int stage, const QSet<QString>& taken)
{
    auto* dialog = new ForkDialog(qstr(run.name), stage, taken, StageNames(run.plan.get()), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, run] {
        const auto request = dialog->request();
        Q_EMIT message(QStringLiteral("Forking %1…").arg(qstr(run.name)));
        m_controller->fork(run.folder, request.arguments(), request.name, request.start);
    });
    dialog->open();
}

void RunActions::askRename(const QString& folder)
{
    const QString before = QFileInfo(folder).fileName();
    bool ok = false;
    const QString name =
        QInputDialog::getText(m_window, QStringLiteral("Rename run"), QStringLiteral("New name"), QLineEdit::Normal, before, &ok);
    if (ok && !name.trimmed().isEmpty() && name != before)
        m_controller->rename(folder.toStdString(), name.trimmed());
}

bool RunActions::confirmed(const QString& title, const QString& question, const QString& yes, bool destructive)
{
    QMessageBox box(destructive ? QMessageBox::Warning : QMessageBox::Question, title, question, QMessageBox::Cancel, m_window);
    const auto* accept = box.addButton(yes, destructive ? QMessageBox::DestructiveRole : QMessageBox::AcceptRole);
    if (destructive)
        box.setDefaultButton(QMessageBox::Cancel);
    box.exec();
    return box.clickedButton() == accept;
}

void RunActions::askArchive(const QString& folder)
{
    if (confirmed(QStringLiteral("Archive run"),
                  QStringLiteral("Move “%1” into the folder “archive” of the library? It leaves this list and keeps all its files.")
                      .arg(QFileInfo(folder).fileName()),
                  QStringLiteral("Archive"), false))
        m_controller->archive(folder.toStdString());
}

void RunActions::askTrash(const QString& folder)
{
    if (confirmed(QStringLiteral("Delete run"),
                  QStringLiteral("Move “%1” with its checkpoints, samples and curves to the trash?").arg(QFileInfo(folder).fileName()),
                  QStringLiteral("Move to trash"), true))
        m_controller->trash(folder.toStdString());
}

} // namespace espalier::gui
