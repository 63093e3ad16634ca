// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/export_dialog.h"

#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/stage_words.h"
#include "widgets/theme.h"

#include <QComboBox>
#include <QFileDialog>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

ExportDialog::ExportDialog(const QString& runName, const std::vector<std::int64_t>& steps, std::int64_t step,
                           const std::vector<double>& decays, const std::vector<std::string>& layouts, const QString& folder,
                           QWidget* parent)
    : QDialog(parent), m_runName(runName), m_folder(folder)
{
    setObjectName(QStringLiteral("exportDialog"));
    setWindowTitle(tr("Export weights"));
    setAccessibleName(windowTitle());
    setMinimumWidth(560);
    const auto combo = [this](const char* name, const QString& title) {
        auto* box = new QComboBox(this);
        box->setObjectName(QString::fromLatin1(name));
        box->setAccessibleName(title);
        connect(box, &QComboBox::currentIndexChanged, this, &ExportDialog::refresh);
        return box;
    };
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 16, 16, 16);
    column->setSpacing(metric::kCardGap);
    auto* note = dimLabel(
        tr("Writes the weights alone, under their published names, for other programs. To go on training, keep the checkpoint."), this);
    note->setWordWrap(true);
    column->addWidget(note);

    auto* card = new Card(QString(), this);
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(metric::kCardGap);
    grid->setVerticalSpacing(metric::kGap);
    grid->setColumnStretch(1, 1);
    m_file = new QLineEdit(this); // refresh() fills it in as soon as the boxes get their entries
    m_file->setObjectName(QStringLiteral("exportFile"));
    m_file->setAccessibleName(tr("File"));
    m_why = errorLabel(this);
    m_why->setObjectName(QStringLiteral("dialogReason"));
    m_accept = pushButton(QStringLiteral("dialogAccept"), tr("Export"), this, true);
    m_step = combo("exportStep", tr("Checkpoint"));
    m_weights = combo("exportWeights", tr("Weights"));
    m_format = combo("exportFormat", tr("Format"));
    std::vector<std::int64_t> newestFirst = steps;
    std::sort(newestFirst.rbegin(), newestFirst.rend());
    for (const std::int64_t each : newestFirst)
        m_step->addItem(tr("Step %1").arg(groupedText(each)), static_cast<qlonglong>(each));
    m_step->setCurrentIndex(std::max(0, m_step->findData(static_cast<qlonglong>(step))));
    for (const double decay : decays)
        m_weights->addItem(tr("Averaged (EMA %1)").arg(decay), QStringLiteral("ema:%1").arg(decay));
    m_weights->addItem(tr("Raw, as trained"), QStringLiteral("raw"));
    addFormats(layouts);
    auto* browse = headerButton(QStringLiteral("chooseExportFile"), QStringLiteral("…"), QString(), this);
    browse->setAccessibleName(tr("Choose the file"));
    auto* fileRow = new QHBoxLayout;
    fileRow->setSpacing(metric::kGrid);
    fileRow->addWidget(m_file, 1);
    fileRow->addWidget(browse);
    const auto add = [&](int row, const QString& title, QWidget* widget) {
        grid->addWidget(dimLabel(title, card), row, 0);
        grid->addWidget(widget, row, 1);
    };
    add(0, tr("Checkpoint"), m_step);
    add(1, tr("Weights"), m_weights);
    add(2, tr("Format"), m_format);
    grid->addWidget(dimLabel(tr("File"), card), 3, 0);
    grid->addLayout(fileRow, 3, 1);
    card->body()->addLayout(grid);
    column->addWidget(card);

    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    auto* cancel = pushButton(QStringLiteral("dialogCancel"), tr("Cancel"), this);
    buttons->addWidget(m_why, 1);
    buttons->addWidget(cancel);
    buttons->addWidget(m_accept);
    column->addLayout(buttons);
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_accept, &QPushButton::clicked, this, &ExportDialog::accept);
    connect(browse, &QToolButton::clicked, this, &ExportDialog::choose);
    connect(m_file, &QLineEdit::textEdited, this, [this] {
        m_typed = true;
        refresh();
    });
    refresh();
}

void ExportDialog::addFormats(const std::vector<std::string>& layouts)
{
    const struct {
        const char* layout;
        QString title, tip;
    } known[] = {{"safetensors", tr("safetensors"), tr("One tensor a parameter, float32; settings in the header")},
                 {"pt", tr("PyTorch"), tr("A bare state dict that torch.load(weights_only=True) reads")},
                 {"dit", tr("DiT (facebookresearch)"), tr("A state dict that the published DiT code and its descendants load")},
                 {"timm", tr("timm"), tr("A state dict that timm's VisionTransformer loads")},
                 {"ddpm-torch", tr("ddpm-torch"), tr("A state dict that the DDPM baseline loads")},
                 {"diffusers", tr("diffusers (a folder)"), tr("config.json and weights for from_pretrained")}};
    for (const auto& each : known) {
        if (std::find(layouts.begin(), layouts.end(), each.layout) == layouts.end())
            continue;
        m_format->addItem(each.title, QString::fromLatin1(each.layout));
        m_format->setItemData(m_format->count() - 1, each.tip, Qt::ToolTipRole);
    }
}

void ExportDialog::setStageEnds(const std::map<std::int64_t, int>& ends, const StageNames& names)
{
    for (int i = 0; i < m_step->count(); ++i)
        if (const auto end = ends.find(m_step->itemData(i).toLongLong()); end != ends.end()) {
            m_step->setItemText(i, tr("Step %1 · end of %2").arg(groupedText(end->first), names.inSentence(end->second)));
            m_step->setItemData(i, tr("The network as large as it was then. %1").arg(stageOnCommandLine(end->second)), Qt::ToolTipRole);
        }
}

bool ExportDialog::isFolder() const
{
    return m_format->currentData().toString() == QLatin1String("diffusers");
}

void ExportDialog::refresh()
{
    if (!m_typed && m_step->count() > 0) {
        const QString weights = m_weights->currentData().toString();
        const QString layout = m_format->currentData().toString();
        const QString ending = isFolder()                               ? QStringLiteral("-diffusers")
                               : layout == QLatin1String("safetensors") ? QStringLiteral(".safetensors")
                                                                        : QStringLiteral(".pt");
        m_file->setText(QStringLiteral("%1/%2-step-%3-%4%5")
                            .arg(m_folder, m_runName, m_step->currentData().toString(),
                                 weights.startsWith(QLatin1String("ema")) ? QStringLiteral("ema") : QStringLiteral("raw"), ending));
    }
    const QString why = whyNot();
    m_why->setText(why);
    setEnabledWithReason(m_accept, why);
}

void ExportDialog::choose()
{
    const QString file = isFolder()
                             ? QFileDialog::getExistingDirectory(this, windowTitle(), m_folder)
                             : QFileDialog::getSaveFileName(this, windowTitle(), m_file->text(), tr("Weights (*.safetensors *.pt *.pth)"));
    if (file.isEmpty())
        return;
    m_typed = true;
    m_file->setText(file);
    refresh();
}

QString ExportDialog::whyNot() const
{
    if (m_step->count() == 0)
        return tr("There is no checkpoint to export yet.");
    if (m_file->text().trimmed().isEmpty())
        return tr("Say which file to write.");
    if (!isFolder() && m_file->text().endsWith(QLatin1Char('/')))
        return tr("That is a folder; add the name of a file.");
    return {};
}

void ExportDialog::accept()
{
    if (whyNot().isEmpty())
        QDialog::accept();
}

ExportRequest ExportDialog::request() const
{
    return {m_step->count() > 0 ? m_step->currentData().toLongLong() : -1, m_weights->currentData().toString(),
            m_format->currentData().toString(), m_file->text().trimmed()};
}

} // namespace espalier::widgets
