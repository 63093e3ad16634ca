// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/setting_row.h"

#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QContextMenuEvent>
#include <QGridLayout>
#include <QGuiApplication>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QPainter>
#include <QToolButton>

#include <algorithm>
#include <array>
#include <string_view>

namespace espalier::widgets {

namespace {

constexpr int kEditorWidth = 184, kTextWidth = 560;

bool isPath(const config::Field& field)
{
    static constexpr std::array<std::string_view, 5> kKeys{"path", "features", "vae", "cache", "from"};
    const auto steps = pathSteps(field.path);
    return field.def.is_string() && field.choices.empty() && std::find(kKeys.begin(), kKeys.end(), steps.back().key) != kKeys.end();
}

} // namespace

SettingRow::SettingRow(const config::Field& field, QWidget* parent) : QWidget(parent), m_field(field)
{
    const QString path = QString::fromStdString(plainPath(field.path));
    setObjectName(QStringLiteral("setting.") + path);
    setAccessibleName(settingTitle(field.path));
    m_haystack = (path + ' ' + settingTitle(field.path) + ' ' + sectionTitle(sectionOf(field.path)) + ' ' +
                  QString::fromStdString(field.help) + ' ' + QString::fromStdString(field.unit))
                     .toLower();
    for (const std::string& choice : field.choices)
        m_haystack += ' ' + QString::fromStdString(choice).toLower();
    buildLayout();
    connectSignals();
}

void SettingRow::buildLayout()
{
    const QString path = QString::fromStdString(plainPath(m_field.path));
    const auto steps = pathSteps(m_field.path);
    m_title = new QLabel(settingTitle(m_field.path), this);
    m_title->setToolTip(path);
    m_help = dimLabel(QString::fromStdString(m_field.help), this);
    m_help->setWordWrap(true);
    m_editor = buildEditor();
    m_title->setBuddy(m_editor);
    m_editor->setObjectName(QStringLiteral("editor.") + path);
    m_editor->setAccessibleName(settingTitle(m_field.path));
    m_editor->setAccessibleDescription(QString::fromStdString(m_field.help));
    m_editor->setToolTip(path);

    m_value = new QLabel(this);
    m_value->setObjectName(QStringLiteral("value.") + path);
    m_value->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_value->setMinimumWidth(kEditorWidth);
    m_value->hide();
    m_compared = dimLabel(QString(), this);
    m_compared->setObjectName(QStringLiteral("compared.") + path);
    m_compared->setMinimumWidth(128);
    m_compared->hide();

    auto* unit = dimLabel(QString::fromStdString(m_field.unit), this);
    unit->setFixedWidth(64);
    m_revert = new QToolButton(this);
    m_revert->setObjectName(QStringLiteral("revert.") + path);
    m_revert->setAccessibleName(tr("Revert %1").arg(settingTitle(m_field.path)));
    m_revert->setProperty("small", true);
    setThemedIcon(m_revert, QStringLiteral("revert"));
    m_revert->setIconSize({14, 14});
    m_revert->setFixedSize(28, 24);
    QSizePolicy keep = m_revert->sizePolicy();
    keep.setRetainSizeWhenHidden(true);
    m_revert->setSizePolicy(keep);
    m_revert->hide();

    m_problem = errorLabel(this);
    m_problem->setObjectName(QStringLiteral("problem.") + path);
    m_problem->hide();

    m_note = dimLabel(QString(), this);
    m_note->setObjectName(QStringLiteral("note.") + path);
    m_note->setWordWrap(true);
    m_note->hide();

    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(16, 7, 12, 8);
    grid->setHorizontalSpacing(8);
    grid->setVerticalSpacing(1);
    // On a wide page the editors stay within reach of what they are about.
    m_title->setMaximumWidth(kTextWidth);
    m_help->setMaximumWidth(kTextWidth);
    grid->setColumnStretch(0, 1000);
    grid->setColumnStretch(5, 1);
    grid->addWidget(m_title, 0, 0);
    grid->addWidget(m_help, 1, 0);
    grid->addWidget(m_compared, 0, 1, 2, 1, Qt::AlignVCenter);
    grid->addWidget(m_editor, 0, 2, 2, 1, Qt::AlignVCenter);
    grid->addWidget(m_value, 0, 2, 2, 1, Qt::AlignVCenter);
    grid->addWidget(unit, 0, 3, 2, 1, Qt::AlignVCenter);
    grid->addWidget(m_revert, 0, 4, 2, 1, Qt::AlignVCenter);
    grid->addWidget(m_problem, 2, 0, 1, 6);
    grid->addWidget(m_note, 3, 0, 1, 6);
    if (steps.size() > 1 && !steps[steps.size() - 2].kind.empty())
        m_title->setToolTip(tr("%1 (of %2)").arg(path, QString::fromStdString(steps[steps.size() - 2].kind)));
}

QWidget* SettingRow::buildEditor()
{
    if (!m_field.choices.empty()) {
        m_choice = new QComboBox(this);
        for (const std::string& choice : m_field.choices)
            m_choice->addItem(QString::fromStdString(choice));
        m_choice->setFixedWidth(kEditorWidth);
        m_choice->setFocusPolicy(Qt::StrongFocus);
        m_choice->installEventFilter(this);
        m_choice->setEnabled(m_field.choices.size() > 1);
        if (m_field.choices.size() == 1)
            m_choice->setToolTip(tr("There is one choice so far"));
        return m_choice;
    }
    if (m_field.def.is_boolean()) {
        m_switch = new QCheckBox(tr("off"), this);
        m_switch->setFixedWidth(kEditorWidth);
        return m_switch;
    }
    m_line = new QLineEdit(this);
    QString limits;
    if (!m_field.min.is_null() && !m_field.max.is_null())
        limits = tr("%1 to %2").arg(valueText(m_field.min), valueText(m_field.max));
    if (m_field.def.is_array())
        limits = limits.isEmpty() ? tr("A list: 1, 2, 2") : tr("A list, each from %1").arg(limits);
    m_line->setPlaceholderText(m_field.def.is_string() ? tr("empty") : limits);
    const bool devices = m_field.path == "devices";
    if (!isPath(m_field) && !devices) {
        m_line->setFixedWidth(kEditorWidth);
        return m_line;
    }
    auto* both = new QWidget(this);
    both->setFixedWidth(kEditorWidth);
    both->setFocusProxy(m_line);
    m_browse = new QToolButton(both);
    m_browse->setText(QStringLiteral("…"));
    m_browse->setToolTip(devices ? tr("Choose from the devices of this machine") : tr("Choose a file or folder"));
    m_browse->setAccessibleName(tr("Choose %1").arg(settingTitle(m_field.path)));
    m_browse->setObjectName(QStringLiteral("browse.") + QString::fromStdString(plainPath(m_field.path)));
    m_line->setObjectName(QStringLiteral("line.") + QString::fromStdString(plainPath(m_field.path)));
    m_line->setAccessibleName(settingTitle(m_field.path));
    auto* row = new QHBoxLayout(both);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(4);
    row->addWidget(m_line, 1);
    row->addWidget(m_browse);
    return both;
}

void SettingRow::connectSignals()
{
    if (m_line) {
        connect(m_line, &QLineEdit::textEdited, this, &SettingRow::emitEdited);
        connect(m_line, &QLineEdit::editingFinished, this, [this] {
            Q_EMIT editingFinished();
            showText(); // now that nobody types: 5000 becomes 5 000
        });
    }
    if (m_choice)
        connect(m_choice, &QComboBox::textActivated, this, [this](const QString& text) {
            emitEdited(text);
            Q_EMIT editingFinished();
        });
    if (m_switch)
        connect(m_switch, &QCheckBox::clicked, this, [this](bool on) {
            emitEdited(on ? QStringLiteral("on") : QStringLiteral("off"));
            Q_EMIT editingFinished();
        });
    if (m_browse)
        connect(m_browse, &QToolButton::clicked, this, &SettingRow::browseRequested);
    connect(m_revert, &QToolButton::clicked, this, &SettingRow::revertRequested);
}

void SettingRow::emitEdited(const QString& text)
{
    m_emitting = true;
    Q_EMIT edited(text);
    m_emitting = false;
}

void SettingRow::setState(const State& state)
{
    if (state == m_state && !m_state.text.isNull())
        return;
    const bool readOnlyChanged = state.readOnly != m_state.readOnly;
    m_state = state;
    showText();
    if (readOnlyChanged) {
        m_editor->setVisible(!state.readOnly);
        m_value->setVisible(state.readOnly);
    }
    m_compared->setVisible(!state.compared.isNull());
    m_compared->setText(state.compared.isEmpty() ? tr("empty") : state.compared);

    using Origin = ConfigurationModel::Origin;
    const bool changed = state.origin == Origin::Changed;
    m_revert->setVisible(changed && !state.readOnly);
    if (changed)
        m_revert->setToolTip(tr("Back to the value it had"));
    QFont titleFont = typeFont(state.origin == Origin::Default ? Type::Body : Type::Strong);
    m_title->setFont(titleFont);
    QWidget* shown = m_line ? static_cast<QWidget*>(m_line) : m_editor;
    setFlag(shown, "dimmed", state.origin == Origin::Default && state.problem.isEmpty());
    setFlag(shown, "problem", !state.problem.isEmpty());
    setFlag(m_value, "role", state.origin == Origin::Default ? "dim" : "");

    m_problem->setText(state.problem);
    m_problem->setVisible(!state.problem.isEmpty());
    m_note->setText(state.note);
    m_note->setVisible(state.problem.isEmpty() && !state.note.isEmpty());
    update();
}

void SettingRow::showText()
{
    m_value->setText(m_state.text.isEmpty() ? tr("empty") : m_state.text);
    if (m_line && !(m_emitting && m_line->hasFocus()) && m_line->text() != m_state.text)
        m_line->setText(m_state.text);
    if (m_choice)
        m_choice->setCurrentIndex(m_choice->findText(m_state.text));
    if (m_switch) {
        m_switch->setChecked(m_state.text == QLatin1String("on"));
        m_switch->setText(m_switch->isChecked() ? tr("on") : tr("off"));
    }
}

bool SettingRow::matches(const QStringList& words) const
{
    for (const QString& word : words)
        if (!m_haystack.contains(word))
            return false;
    return true;
}

void SettingRow::focusEditor()
{
    QWidget* target = m_line ? static_cast<QWidget*>(m_line) : m_editor;
    target->setFocus(Qt::OtherFocusReason);
    if (m_line)
        m_line->selectAll();
}

void SettingRow::setFirst(bool first)
{
    if (std::exchange(m_first, first) != first)
        update();
}

void SettingRow::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const Tokens& t = tokens(palette());
    if (!m_first)
        painter.fillRect(QRectF(16, 0, width() - 32, 1), t.line);
    if (m_state.problem.isEmpty() && m_state.origin != ConfigurationModel::Origin::Changed)
        return;
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(m_state.problem.isEmpty() ? t.accent : t.failure);
    painter.drawRoundedRect(QRectF(5, 11, 3, height() - 22), 1.5, 1.5);
}

void SettingRow::contextMenuEvent(QContextMenuEvent* event)
{
    QMenu menu(this);
    const QString path = QString::fromStdString(plainPath(m_field.path));
    QAction* toDefault = menu.addAction(tr("Set to default (%1)").arg(m_field.def == Json("") ? tr("empty") : valueText(m_field.def)));
    toDefault->setEnabled(!m_state.readOnly);
    menu.addSeparator();
    QAction* copyPath = menu.addAction(tr("Copy name (%1)").arg(path));
    QAction* copyFlag = menu.addAction(tr("Copy as --set"));
    const QAction* chosen = menu.exec(event->globalPos());
    if (chosen == toDefault)
        Q_EMIT defaultRequested();
    else if (chosen == copyPath)
        QGuiApplication::clipboard()->setText(path);
    else if (chosen == copyFlag)
        QGuiApplication::clipboard()->setText(QStringLiteral("--set ") + shellCommand({path + '=' + typedText(m_state.text, m_field.def)}));
}

bool SettingRow::eventFilter(QObject* watched, QEvent* event)
{
    // Scrolling the form must not turn the choices it passes over.
    if (event->type() == QEvent::Wheel && !m_choice->hasFocus()) {
        event->ignore();
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

} // namespace espalier::widgets
