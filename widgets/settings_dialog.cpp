// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/settings_dialog.h"

#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/setting_row.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

SettingsDialog::SettingsDialog(const QString& title, const QString& note, const Json& config, const std::vector<std::string>& paths,
                               const QString& acceptLabel, QWidget* parent)
    : QDialog(parent), m_model(new ConfigurationModel(this))
{
    setWindowTitle(title);
    setAccessibleName(title);
    setMinimumWidth(560);
    m_model->load(config);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 16, 16, 16);
    column->setSpacing(metric::kCardGap);
    auto* said = dimLabel(note, this);
    said->setWordWrap(true);
    column->addWidget(said);
    m_above = new QVBoxLayout;
    column->addLayout(m_above);
    auto* card = new Card(QString(), this);
    card->layout()->setContentsMargins(0, 4, 0, 4);
    card->layout()->setSpacing(0);
    card->body()->setSpacing(0);
    for (const std::string& path : paths) {
        const config::Field* field = config::findField(path);
        if (!field)
            continue;
        auto* row = new SettingRow(*field, card);
        m_rows.push_back(row);
        card->body()->addWidget(row);
        connect(row, &SettingRow::edited, this, [this, field](const QString& typed) { m_model->setText(*field, typed); });
        connect(row, &SettingRow::editingFinished, this, [this] { m_model->endEdit(); });
        connect(row, &SettingRow::revertRequested, this, [this, field] { m_model->revert(*field); });
        connect(row, &SettingRow::defaultRequested, this, [this, field] { m_model->setToDefault(*field); });
    }
    column->addWidget(card);

    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    m_why = errorLabel(this);
    m_why->setObjectName(QStringLiteral("dialogReason"));
    buttons->addWidget(m_why, 1);
    auto* cancel = pushButton(QStringLiteral("dialogCancel"), tr("Cancel"), this);
    m_accept = pushButton(QStringLiteral("dialogAccept"), acceptLabel, this, true);
    m_accept->setDefault(true);
    buttons->addWidget(cancel);
    buttons->addWidget(m_accept);
    column->addLayout(buttons);
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_accept, &QPushButton::clicked, this, &SettingsDialog::accept);
    connect(m_model, &ConfigurationModel::changed, this, &SettingsDialog::refresh);
    QMetaObject::invokeMethod(this, &SettingsDialog::refresh,
                              Qt::QueuedConnection); // when the virtual functions are those of the whole object
}

void SettingsDialog::setBlocked(const QString& reason)
{
    m_blocked = reason;
    refresh();
}

QString SettingsDialog::whyNot() const
{
    for (const SettingRow* row : m_rows)
        if (QString problem = m_model->problem(row->field()); !problem.isEmpty() && isRowShown(plainPath(row->field().path)))
            return problem;
    const QString extra = extraProblem();
    return extra.isEmpty() ? m_blocked : extra;
}

void SettingsDialog::refresh()
{
    bool first = true;
    for (SettingRow* row : m_rows) {
        const config::Field& field = row->field();
        SettingRow::State state;
        state.text = m_model->text(field);
        state.origin = m_model->origin(field);
        state.problem = m_model->problem(field);
        row->setState(state);
        const bool shown = isRowShown(plainPath(field.path));
        row->setVisible(shown);
        row->setFirst(shown && first);
        first = first && !shown;
    }
    const QString why = whyNot();
    const bool atField = std::any_of(m_rows.begin(), m_rows.end(), [&](const SettingRow* row) { return row->state().problem == why; });
    m_why->setText(atField ? QString() : why); // not twice
    setEnabledWithReason(m_accept, why);
}

void SettingsDialog::accept()
{
    if (whyNot().isEmpty())
        QDialog::accept();
}

std::int64_t SettingsDialog::integer(const char* path) const
{
    const Json* value = valueAt(m_model->config(), path);
    return value && value->is_number() ? value->get<std::int64_t>() : 0;
}

double SettingsDialog::number(const char* path) const
{
    const Json* value = valueAt(m_model->config(), path);
    return value && value->is_number() ? value->get<double>() : 0.0;
}

bool SettingsDialog::isOn(const char* path) const
{
    const Json* value = valueAt(m_model->config(), path);
    return value && value->is_boolean() && value->get<bool>();
}

QString SettingsDialog::text(const char* path) const
{
    const Json* value = valueAt(m_model->config(), path);
    return value && value->is_string() ? QString::fromStdString(value->get<std::string>()) : QString();
}

} // namespace espalier::widgets
