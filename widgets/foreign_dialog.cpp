// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/foreign_dialog.h"

#include "core/config/config.h"
#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QVBoxLayout>

namespace espalier::widgets {

namespace {

QString textIn(const Json& json, const char* key)
{
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_string() ? qstr(found->get<std::string>()) : QString();
}

std::int64_t numberIn(const Json& json, const char* key)
{
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

Json objectIn(const Json& json, const char* key)
{
    const auto found = json.is_object() ? json.find(key) : json.end();
    return json.is_object() && found != json.end() && found->is_object() ? *found : Json();
}

/// Whose checkpoint it is.
QString layoutWords(const QString& layout, const QString& kind)
{
    if (layout == QLatin1String("diffusers") || kind == QLatin1String("autoencoder"))
        return ForeignDialog::tr("diffusers");
    if (layout == QLatin1String("deep-incubation"))
        return ForeignDialog::tr("Deep-Incubation, in modules");
    if (layout == QLatin1String("autoprog-zero"))
        return ForeignDialog::tr("AutoProg-Zero, a DiT with a table of stages");
    if (kind == QLatin1String("dit"))
        return ForeignDialog::tr("DiT");
    if (kind == QLatin1String("vit"))
        return ForeignDialog::tr("timm");
    return kind == QLatin1String("unet") ? ForeignDialog::tr("ddpm-torch") : ForeignDialog::tr("pytorch-fid");
}

QString weightsWords(const Json& said)
{
    QStringList words;
    const auto found = said.find("weights");
    if (found != said.end() && found->is_array())
        for (const auto& each : *found)
            if (each.is_string())
                words << (each == "ema" ? ForeignDialog::tr("averaged (EMA)") : ForeignDialog::tr("raw"));
    return words.join(QStringLiteral(", "));
}

} // namespace

ForeignDialog::ForeignDialog(const QString& path, const Json& said, const QString& imagesFolder, QWidget* parent)
    : QDialog(parent), m_path(path), m_settings(objectIn(said, "settings")), m_model(objectIn(said, "model")),
      m_settingsProblem(textIn(said, "settings_problem"))
{
    setObjectName(QStringLiteral("foreignDialog"));
    setWindowTitle(tr("Checkpoint: %1").arg(QFileInfo(path).fileName()));
    setAccessibleName(windowTitle());
    setMinimumWidth(560);
    m_folder = new QLineEdit(imagesFolder, this);
    m_folder->setObjectName(QStringLiteral("foreignImages"));
    m_folder->setAccessibleName(tr("Folder for the images"));
    m_why = errorLabel(this);
    m_why->setObjectName(QStringLiteral("dialogReason"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 16, 16, 16);
    column->setSpacing(metric::kCardGap);
    addFacts(column, said);
    addSampling(column, said);

    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    m_sample = pushButton(QStringLiteral("foreignSample"), tr("Sample from it…"), this, true);
    auto* tune = pushButton(QStringLiteral("foreignTune"), tr("Fine-tune from it…"), this);
    setEnabledWithReason(tune, settingsToTune().is_null() ? tr("No network here is made like that.") : QString());
    auto* close = pushButton(QStringLiteral("dialogCancel"), tr("Close"), this);
    buttons->addWidget(m_why, 1);
    buttons->addWidget(close);
    buttons->addWidget(tune);
    buttons->addWidget(m_sample);
    column->addLayout(buttons);
    connect(close, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_sample, &QPushButton::clicked, this, &ForeignDialog::sampleRequested);
    connect(tune, &QPushButton::clicked, this, &ForeignDialog::tuneRequested);
    connect(m_folder, &QLineEdit::textChanged, this, &ForeignDialog::refresh);
    refresh();
}

void ForeignDialog::addFacts(QVBoxLayout* column, const Json& said)
{
    auto* card = new Card(QString(), this);
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(metric::kCardGap);
    grid->setVerticalSpacing(metric::kGap);
    grid->setColumnStretch(1, 1);
    const auto fact = [&](const QString& title, const QString& value, const char* name) {
        if (value.isEmpty())
            return;
        auto* label = new QLabel(value, card);
        label->setObjectName(QString::fromLatin1(name));
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
        label->setWordWrap(true);
        grid->addWidget(dimLabel(title, card), grid->rowCount(), 0, Qt::AlignTop);
        grid->addWidget(label, grid->rowCount() - 1, 1);
    };
    const QString kind = textIn(m_model, "kind");
    fact(tr("Model"), m_model.is_object() ? textIn(m_model, "name") : tr("None that is known here"), "foreignModel");
    fact(QString(tr("Why")), textIn(said, "not_recognised"), "foreignWhy");
    if (const auto classes = numberIn(m_model, "classes"); classes > 0)
        fact(tr("Classes"), groupedText(classes), "foreignClasses");
    if (const auto parameters = numberIn(m_model, "parameters"); parameters > 0)
        fact(tr("Parameters"), groupedText(parameters), "foreignParameters");
    if (m_model.is_object()) {
        fact(tr("Layout"), layoutWords(textIn(said, "layout"), kind), "foreignLayout");
        fact(tr("Weights"), weightsWords(said), "foreignWeights");
    }
    fact(tr("File"), m_path, "foreignPath");
    card->body()->addLayout(grid);
    column->addWidget(card);
}

void ForeignDialog::addSampling(QVBoxLayout* column, const Json&)
{
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(metric::kCardGap);
    grid->setColumnStretch(1, 1);
    grid->addWidget(dimLabel(tr("Images go into"), this), 0, 0);
    grid->addWidget(m_folder, 0, 1);
    if (numberIn(m_model, "channels") == config::LatentsConfig::kChannels) {
        m_autoencoder = new QLineEdit(this);
        m_autoencoder->setObjectName(QStringLiteral("foreignAutoencoder"));
        m_autoencoder->setAccessibleName(tr("Autoencoder"));
        m_autoencoder->setPlaceholderText(tr("File or diffusers folder that turns latents into images"));
        if (const auto latents = objectIn(m_settings, "latents"); latents.is_object())
            m_autoencoder->setText(textIn(latents, "vae"));
        grid->addWidget(dimLabel(tr("Autoencoder"), this), 1, 0);
        grid->addWidget(m_autoencoder, 1, 1);
        connect(m_autoencoder, &QLineEdit::textChanged, this, &ForeignDialog::refresh);
    }
    if (m_settings.is_null() && textIn(m_model, "kind") == QLatin1String("unet")) {
        m_chooseSettings = pushButton(QStringLiteral("foreignSettings"), tr("Choose its configuration (JSON)…"), this);
        grid->addWidget(dimLabel(tr("Configuration"), this), 2, 0);
        grid->addWidget(m_chooseSettings, 2, 1);
        connect(m_chooseSettings, &QPushButton::clicked, this, [this] {
            const QString file = QFileDialog::getOpenFileName(this, tr("Configuration of the checkpoint"), QFileInfo(m_path).path(),
                                                              tr("Configurations (*.json)"));
            if (!file.isEmpty())
                Q_EMIT settingsWanted(file);
        });
    }
    column->addLayout(grid);
}

void ForeignDialog::setSettings(const Json& settings, const QString& file, const QString& problem)
{
    m_settings = settings;
    m_settingsFile = settings.is_null() ? QString() : file;
    m_settingsProblem = problem;
    if (m_chooseSettings && !settings.is_null())
        m_chooseSettings->setText(QFileInfo(file).fileName());
    refresh();
}

Json ForeignDialog::settingsToTune() const
{
    const Json shape = objectIn(m_model, "shape"), network = objectIn(shape, "model");
    if (network.is_null())
        return Json();
    Json settings = m_settings.is_object() ? m_settings : Json{{"model", network}};
    settings["init"] = {{"from", m_path.toStdString()}};
    return settings;
}

QString ForeignDialog::imagesFolder() const
{
    return m_folder->text().trimmed();
}

QString ForeignDialog::autoencoder() const
{
    return m_autoencoder ? m_autoencoder->text().trimmed() : QString();
}

QString ForeignDialog::whyNotSample() const
{
    if (m_settings.is_null())
        return !m_settingsProblem.isEmpty() ? m_settingsProblem : tr("Nothing can be drawn with it.");
    if (textIn(m_model, "kind") == QLatin1String("vit"))
        return tr("It tells images apart; it draws none.");
    if (imagesFolder().isEmpty())
        return tr("Say which folder the images go into.");
    if (m_autoencoder && autoencoder().isEmpty())
        return tr("It draws latents. Name the autoencoder that turns them into images.");
    return {};
}

void ForeignDialog::refresh()
{
    const QString why = whyNotSample();
    m_why->setText(why);
    setEnabledWithReason(m_sample, why);
}

} // namespace espalier::widgets
