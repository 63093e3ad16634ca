// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/configuration_form.h"

#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/schedule_editor.h"
#include "widgets/setting_row.h"
#include "widgets/setting_text.h"

#include <QLabel>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

ConfigurationForm::ConfigurationForm(ConfigurationModel* model, QWidget* parent) : QScrollArea(parent), m_model(model)
{
    setObjectName(QStringLiteral("configurationForm"));
    setAccessibleName(tr("Settings"));
    buildLayout();
    connect(m_model, &ConfigurationModel::changed, this, &ConfigurationForm::refresh);
    refresh();
}

void ConfigurationForm::buildLayout()
{
    auto* content = new QWidget(this);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 8, 0);
    column->setSpacing(12);
    for (const config::Field& field : config::fields()) {
        const std::string path = sectionOf(field.path);
        auto section = std::find_if(m_sections.begin(), m_sections.end(), [&](const Section& s) { return s.path == path; });
        if (section == m_sections.end()) {
            auto* card = new Card(sectionTitle(path), content);
            card->setObjectName(QStringLiteral("section.") + QString::fromStdString(path));
            card->layout()->setContentsMargins(0, 10, 0, 6); // rows reach from edge to edge
            card->layout()->setSpacing(4);
            card->header()->setContentsMargins(16, 0, 16, 0);
            card->body()->setSpacing(0);
            column->addWidget(card);
            section = m_sections.insert(m_sections.end(), Section{path, card, {}});
            if (path == "schedule") {
                m_schedule = new ScheduleEditor(m_model, card);
                card->body()->addWidget(m_schedule);
            }
        }
        auto* row = new SettingRow(field, section->card);
        static_cast<Card*>(section->card)->body()->addWidget(row);
        section->rows.push_back(row);
        connectRow(row);
    }
    m_nothing = dimLabel(QString(), content);
    m_nothing->setAlignment(Qt::AlignCenter);
    m_nothing->setMinimumHeight(120);
    m_nothing->setObjectName(QStringLiteral("nothingMatches"));
    m_nothing->hide();
    column->addWidget(m_nothing);
    column->addStretch(1);
    setWidget(content);
    makePlain(this);
}

void ConfigurationForm::connectRow(SettingRow* row)
{
    const config::Field& field = row->field();
    connect(row, &SettingRow::edited, m_model, [this, &field](const QString& text) { m_model->setText(field, text); });
    connect(row, &SettingRow::editingFinished, m_model, [this] { m_model->endEdit(); });
    connect(row, &SettingRow::revertRequested, m_model, [this, &field] { m_model->revert(field); });
    connect(row, &SettingRow::defaultRequested, m_model, [this, &field] { m_model->setToDefault(field); });
    connect(row, &SettingRow::browseRequested, this,
            [this, &field] { Q_EMIT browseRequested(QString::fromStdString(plainPath(field.path))); });
}

void ConfigurationForm::refresh()
{
    for (const Section& section : m_sections) {
        for (SettingRow* row : section.rows) {
            const config::Field& field = row->field();
            if (!m_model->isApplicable(field))
                continue;
            SettingRow::State state;
            state.text = m_model->text(field);
            state.origin = m_model->origin(field);
            state.problem = m_model->problem(field);
            if (const auto note = m_notes.find(plainPath(field.path)); note != m_notes.end() && !m_readOnly) {
                state.note = note->second.first;
                if (state.problem.isEmpty())
                    state.problem = note->second.second;
            }
            state.readOnly = m_readOnly;
            if (m_readOnly && state.origin == ConfigurationModel::Origin::Given)
                state.origin = ConfigurationModel::Origin::Changed; // nothing was edited here: what counts is what is not default
            if (!m_compared.is_null()) {
                const Json* other = valueAt(m_compared, field.path);
                const Json* mine = m_model->value(field);
                if (!other || !mine || *other != *mine)
                    state.compared = other ? valueText(*other) : tr("does not apply");
                if (!state.compared.isNull() && state.compared.isEmpty())
                    state.compared = QString::fromLatin1("");
            }
            row->setState(state);
        }
    }
    applyFilter();
}

bool ConfigurationForm::isShown(const SettingRow& row) const
{
    const config::Field& field = row.field();
    if (!m_model->isApplicable(field))
        return false;
    // What the chosen model has no use for is found by a search, and seen where it is in the way.
    if (m_words.isEmpty() && row.state().problem.isEmpty() && !m_model->isUsed(field))
        return false;
    // The table has it, unless somebody looks for it or compares.
    if (m_words.isEmpty() && m_compared.is_null() && m_schedule->covers(plainPath(field.path)))
        return false;
    const bool differs = !m_compared.is_null() && !row.state().compared.isNull();
    const bool changed = m_compared.is_null() ? row.state().origin != ConfigurationModel::Origin::Default : differs;
    if (m_changedOnly && !changed)
        return false;
    if (!m_words.isEmpty())
        return row.matches(m_words); // a search finds advanced settings too
    // What is wrong or was changed stays in sight.
    return m_advanced || !field.advanced || !row.state().problem.isEmpty() || row.state().origin == ConfigurationModel::Origin::Changed ||
           differs;
}

void ConfigurationForm::applyFilter()
{
    m_visibleRows = 0;
    for (const Section& section : m_sections) {
        int shown = 0;
        for (SettingRow* row : section.rows) {
            const bool show = isShown(*row);
            row->setVisible(show);
            row->setFirst(show && shown == 0);
            shown += show;
        }
        if (section.path == "schedule")
            shown += m_schedule->setShown(m_words.isEmpty() && m_compared.is_null() && !m_changedOnly);
        section.card->setVisible(shown > 0);
        m_visibleRows += shown;
    }
    m_nothing->setText(m_changedOnly && m_words.isEmpty()
                           ? (m_compared.is_null() ? tr("Every setting has its default.") : tr("Both have the same settings."))
                           : tr("No setting matches. Use fewer words, or clear the search."));
    m_nothing->setVisible(m_visibleRows == 0);
}

void ConfigurationForm::setSearch(const QString& text)
{
    m_words = text.toLower().split(' ', Qt::SkipEmptyParts);
    applyFilter();
}

void ConfigurationForm::setAdvancedShown(bool shown)
{
    m_advanced = shown;
    applyFilter();
}

void ConfigurationForm::setChangedOnly(bool only)
{
    m_changedOnly = only;
    applyFilter();
}

void ConfigurationForm::setReadOnly(bool readOnly)
{
    m_readOnly = readOnly;
    m_schedule->setReadOnly(readOnly);
    refresh();
}

void ConfigurationForm::setNote(const std::string& plainPath, const QString& note, const QString& problem)
{
    m_notes[plainPath] = {note, problem};
    refresh();
}

void ConfigurationForm::setCompared(const Json& other)
{
    m_compared = other.is_null() ? Json() : completed(other);
    refresh();
}

void ConfigurationForm::reveal(const std::string& path)
{
    SettingRow* target = row(plainPath(path));
    if (!target || !m_model->isApplicable(target->field()))
        return;
    if (m_compared.is_null() && m_schedule->covers(plainPath(path))) {
        m_words.clear();
        m_changedOnly = false;
        Q_EMIT filterCleared();
        applyFilter();
        m_schedule->focusSetting(plainPath(path));
        QTimer::singleShot(0, m_schedule, [this] { ensureWidgetVisible(m_schedule, 0, 80); });
        return;
    }
    if (!isShown(*target)) {
        m_words.clear();
        m_changedOnly = false;
        Q_EMIT filterCleared();
        if (!isShown(*target)) {
            m_advanced = true;
            Q_EMIT advancedNeeded();
        }
        applyFilter();
    }
    target->focusEditor();
    // The layout has not placed rows yet that were hidden until now.
    QTimer::singleShot(0, target, [this, target] { ensureWidgetVisible(target, 0, 80); });
}

SettingRow* ConfigurationForm::row(const std::string& plain) const
{
    for (const Section& section : m_sections)
        for (SettingRow* row : section.rows)
            if (plainPath(row->field().path) == plain && m_model->isApplicable(row->field()))
                return row;
    return nullptr;
}

} // namespace espalier::widgets
