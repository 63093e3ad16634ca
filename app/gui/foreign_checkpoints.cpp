// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/foreign_checkpoints.h"

#include "app/gui/run_controller.h"
#include "core/config/config.h"
#include "widgets/foreign_dialog.h"
#include "widgets/sample_dialog.h"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMimeData>
#include <QUrl>

namespace espalier::gui {

using namespace widgets;

ForeignCheckpoints::ForeignCheckpoints(RunController* controller, QWidget* window)
    : QObject(window), m_controller(controller), m_window(window)
{
    connect(controller, &RunController::foreignInspected, this, &ForeignCheckpoints::show);
    connect(controller, &RunController::foreignSettings, this, &ForeignCheckpoints::takeSettings);
}

QString ForeignCheckpoints::pathIn(const QMimeData* dropped)
{
    const auto urls = dropped->urls();
    return urls.size() == 1 && urls.first().isLocalFile() ? urls.first().toLocalFile() : QString();
}

void ForeignCheckpoints::choose()
{
    const QString file =
        QFileDialog::getOpenFileName(m_window, tr("Open a checkpoint"), QDir::homePath(),
                                     tr("Checkpoints (*.pt *.pth *.bin *.ckpt *.tar *.safetensors *.index.json);;All files (*)"));
    if (!file.isEmpty())
        open(file);
}

void ForeignCheckpoints::open(const QString& path)
{
    m_asked = QDir::cleanPath(path);
    Q_EMIT message(tr("Looking at %1…").arg(QFileInfo(m_asked).fileName()));
    m_controller->inspect(m_asked.toStdString());
}

void ForeignCheckpoints::show(const ForeignInspected& found)
{
    const QString path = qstr(found.path.string());
    if (path != m_asked)
        return; // another one was asked about since
    if (!found.said.is_object())
        return Q_EMIT trouble({found.problem, true, {}});
    const auto kind = found.said.value("kind", std::string());
    if (kind == "run")
        return Q_EMIT runFound(path);
    if (kind != "pytorch" && kind != "safetensors")
        return Q_EMIT trouble({tr("%1 holds no weights.").arg(path), true, {}});
    Q_EMIT message({});
    delete m_dialog;
    const QString images = QStringLiteral("%1/%2-samples").arg(QDir::homePath(), QFileInfo(path).completeBaseName());
    m_dialog = new ForeignDialog(path, found.said, images, m_window);
    m_dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(m_dialog, &ForeignDialog::sampleRequested, this, &ForeignCheckpoints::askSample);
    connect(m_dialog, &ForeignDialog::settingsWanted, this,
            [this](const QString& file) { m_controller->readSettings(file.toStdString()); });
    connect(m_dialog, &ForeignDialog::tuneRequested, this, [this] {
        Q_EMIT newRunRequested(m_dialog->settingsToTune(), QFileInfo(m_dialog->path()).completeBaseName());
        m_dialog->close();
    });
    m_dialog->open();
}

void ForeignCheckpoints::takeSettings(const ForeignSettings& found)
{
    if (m_dialog)
        m_dialog->setSettings(found.settings, qstr(found.file.string()), found.problem);
}

void ForeignCheckpoints::askSample()
{
    const QString path = m_dialog->path(), folder = m_dialog->imagesFolder(), settings = m_dialog->settingsFile(),
                  autoencoder = m_dialog->autoencoder();
    auto* dialog = new SampleDialog(m_dialog->settings(), QFileInfo(path).fileName(), m_window);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &QDialog::accepted, this, [this, dialog, path, folder, settings, autoencoder] {
        QStringList words{QStringLiteral("sample"), QStringLiteral("--checkpoint"), path, QStringLiteral("--out"), folder};
        if (!settings.isEmpty())
            words << QStringLiteral("--config") << settings;
        if (!autoencoder.isEmpty())
            words << QStringLiteral("--vae") << autoencoder;
        Q_EMIT message(tr("Drawing from %1…").arg(QFileInfo(path).fileName()));
        m_controller->runTool(words + dialog->request().arguments(), tr("The images are in %1.").arg(folder), tr("No images were drawn."));
    });
    m_dialog->close();
    dialog->open();
}

} // namespace espalier::gui
