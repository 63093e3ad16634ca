// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/tool_bar.h"

#include "core/config/presets.h"
#include "widgets/run_values.h"
#include "widgets/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QToolButton>

namespace espalier::gui {

using runs::Action;
using widgets::qstr;

ToolBar::ToolBar(QWidget* parent)
    : QToolBar(parent), m_new(new QToolButton(this)), m_startMore(new QToolButton(this)), m_exportButton(new QToolButton(this)),
      m_export(new QMenu(this))
{
    setObjectName(QStringLiteral("toolBar"));
    setWindowTitle(QStringLiteral("Toolbar"));
    setAccessibleName(QStringLiteral("Toolbar"));
    setMovable(false);
    setIconSize(QSize(14, 14));
    setContextMenuPolicy(Qt::PreventContextMenu);
    setToolButtonStyle(Qt::ToolButtonTextBesideIcon);

    m_new->setObjectName(QStringLiteral("newRun"));
    m_new->setText(QStringLiteral("New run  ▾"));
    m_new->setAccessibleName(QStringLiteral("New run"));
    m_new->setToolTip(QStringLiteral("Start from a preset (Ctrl+N)"));
    m_new->setProperty("primary", true);
    m_new->setPopupMode(QToolButton::InstantPopup);
    m_new->setMenu(new QMenu(m_new));
    addWidget(m_new);
    fillNewMenu();
    addSeparator();
    addRunAction(Action::Start, QStringLiteral("start"), QStringLiteral("actionStart"), QKeySequence(Qt::CTRL | Qt::Key_Return));
    addStartMenu();
    addRunAction(Action::Pause, QStringLiteral("pause"), QStringLiteral("actionPause"), {});
    addRunAction(Action::Stop, QStringLiteral("stop"), QStringLiteral("actionStop"), {});
    addSeparator();
    addRunAction(Action::Checkpoint, {}, QStringLiteral("actionCheckpoint"), {});
    addRunAction(Action::Sample, {}, QStringLiteral("actionSample"), {});
    addRunAction(Action::Evaluate, {}, QStringLiteral("actionEvaluate"), {});
    addSeparator();
    m_exportButton->setObjectName(QStringLiteral("export"));
    m_exportButton->setText(QStringLiteral("Export  ▾"));
    m_exportButton->setAccessibleName(QStringLiteral("Export"));
    m_exportButton->setPopupMode(QToolButton::InstantPopup);
    m_exportButton->setMenu(m_export);
    addWidget(m_exportButton);

    auto* space = new QWidget(this);
    space->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    space->setAttribute(Qt::WA_TransparentForMouseEvents);
    addWidget(space);
    m_search = new QPushButton(this);
    m_search->setObjectName(QStringLiteral("search"));
    m_search->setAccessibleName(QStringLiteral("Search runs, settings, actions"));
    m_search->setToolTip(QStringLiteral("Find anything (Ctrl+K)"));
    m_search->setText(QStringLiteral("Search runs, settings, actions     Ctrl K"));
    m_search->setProperty("field", true);
    m_search->setFixedWidth(270);
    addWidget(m_search);
    connect(m_search, &QPushButton::clicked, this, &ToolBar::searchRequested);
    drawIcons();
    setRun(std::nullopt, false);
}

void ToolBar::addRunAction(Action action, const QString& icon, const QString& name, const QKeySequence& keys)
{
    auto* made = addAction(qstr(runs::actionTitle(action, runs::RunState::New)));
    made->setObjectName(name);
    if (!keys.isEmpty())
        made->setShortcut(keys);
    if (auto* button = qobject_cast<QToolButton*>(widgetForAction(made))) {
        button->setObjectName(name + QStringLiteral("Button"));
        button->setFocusPolicy(Qt::TabFocus);
    }
    m_actions[action] = made;
    m_icons[action] = icon;
    connect(made, &QAction::triggered, this, [this, action] { Q_EMIT actionRequested(action); });
}

void ToolBar::addStartMenu()
{
    m_startMore->setObjectName(QStringLiteral("startMore"));
    m_startMore->setText(QStringLiteral("▾"));
    m_startMore->setAccessibleName(QStringLiteral("Other ways to start"));
    m_startMore->setToolTip(QStringLiteral("When devices are free, or on others"));
    m_startMore->setProperty("small", true);
    m_startMore->setPopupMode(QToolButton::InstantPopup);
    auto* menu = new QMenu(m_startMore);
    menu->setToolTipsVisible(true);
    m_whenFree = menu->addAction(QString(), this, &ToolBar::queuedStartRequested);
    m_whenFree->setObjectName(QStringLiteral("startWhenFree"));
    m_startOn = menu->addAction(QString(), this, &ToolBar::startOnRequested);
    m_startOn->setObjectName(QStringLiteral("startOn"));
    m_startNow = menu->addAction(QStringLiteral("Start now, without waiting"), this, &ToolBar::startNowRequested);
    m_startNow->setObjectName(QStringLiteral("startNow"));
    m_startMore->setMenu(menu);
    addWidget(m_startMore);
}

void ToolBar::showStartMenu(std::optional<runs::RunState> state, const QString& whyNot, bool form)
{
    const auto set = [](QAction* action, const QString& text, const QString& why, const QString& tip) {
        action->setText(text);
        action->setEnabled(why.isEmpty());
        action->setToolTip(why.isEmpty() ? tip : why);
    };
    const QString verb = qstr(runs::actionTitle(Action::Start, state.value_or(runs::RunState::New)));
    set(m_whenFree, verb + QStringLiteral(" when devices are free"), whyNot,
        QStringLiteral("Waits in the queue until no run uses its devices; it waits on when this window is closed"));
    set(m_startOn, verb + QStringLiteral(" on other devices…"), form ? QStringLiteral("Choose the devices in the form.") : whyNot,
        QStringLiteral("Choose from the devices of this machine"));
    set(m_startNow, m_startNow->text(),
        state == runs::RunState::Queued ? QString() : QStringLiteral("This run does not wait in the queue."),
        QStringLiteral("Shares its devices with the runs that use them"));
}

void ToolBar::fillNewMenu()
{
    auto* menu = m_new->menu();
    menu->setToolTipsVisible(true);
    for (const auto& preset : config::presets()) {
        auto* action = menu->addAction(qstr(preset.title), this, [this, id = qstr(preset.id)] { Q_EMIT newRequested(id); });
        action->setToolTip(qstr(preset.summary));
        action->setObjectName(QStringLiteral("preset-") + qstr(preset.id));
    }
    menu->addSeparator();
    menu->addAction(QStringLiteral("Empty form"), QKeySequence(Qt::CTRL | Qt::Key_N), this, [this] { Q_EMIT newRequested({}); });
    auto* open = menu->addAction(QStringLiteral("From a checkpoint…"), this, [this] { Q_EMIT openRequested(); });
    open->setObjectName(QStringLiteral("openCheckpoint"));
    open->setToolTip(
        QStringLiteral("Sample from a checkpoint of any of the published codes, or fine-tune it; it can also be dropped here"));
}

void ToolBar::setRun(std::optional<runs::RunState> state, bool hasCheckpoint, bool draws)
{
    for (const auto& [action, made] : m_actions) {
        runs::Possible possible{false, "Choose a run in the library, or make a new one."};
        if (state)
            possible = runs::possible(action, *state);
        if (possible && state && runs::isAtRest(*state) && !hasCheckpoint && (action == Action::Sample || action == Action::Evaluate))
            possible = {false, "This run has no checkpoint to draw from."};
        if (possible && !draws && action == Action::Sample)
            possible = {false, "This model tells images apart and draws none."};
        made->setText(qstr(runs::actionTitle(action, state.value_or(runs::RunState::New))));
        made->setEnabled(possible.allowed);
        QString tip = possible.allowed ? made->text() : qstr(possible.why);
        if (possible.allowed && !made->shortcut().isEmpty())
            tip += QStringLiteral(" (%1)").arg(made->shortcut().toString(QKeySequence::NativeText));
        if (possible.allowed && action == Action::Pause)
            tip = QStringLiteral("Saves a checkpoint and frees the device; the run can go on later");
        if (possible.allowed && action == Action::Stop)
            tip = QStringLiteral("Saves a checkpoint and ends the run");
        made->setToolTip(tip);
    }
    const auto start =
        state ? runs::possible(Action::Start, *state) : runs::Possible{false, "Choose a run in the library, or make a new one."};
    showStartMenu(state, qstr(start.why), false);
    runs::Possible exports{false, "Choose a run in the library first."};
    if (state)
        exports = hasCheckpoint ? runs::possible(Action::Export, *state)
                                : runs::Possible{false, "There is nothing to export yet: the run has no checkpoint."};
    m_exportButton->setEnabled(exports.allowed);
    m_exportButton->setToolTip(exports.allowed ? QStringLiteral("Checkpoints, pictures and numbers for other programs")
                                               : qstr(exports.why));
}

void ToolBar::setForm(const QString& whyNotStart)
{
    setRun(std::nullopt, false);
    auto* start = m_actions.at(Action::Start);
    start->setText(QStringLiteral("Start"));
    start->setEnabled(whyNotStart.isEmpty());
    start->setToolTip(whyNotStart.isEmpty()
                          ? QStringLiteral("Start this run (%1)").arg(start->shortcut().toString(QKeySequence::NativeText))
                          : whyNotStart);
    showStartMenu(runs::RunState::New, whyNotStart, true);
    for (const auto& [action, made] : m_actions)
        if (action != Action::Start)
            made->setToolTip(QStringLiteral("This run has not been started yet."));
}

void ToolBar::drawIcons()
{
    for (const auto& [action, name] : m_icons)
        if (!name.isEmpty())
            m_actions.at(action)->setIcon(widgets::themedIcon(name, palette()));
}

void ToolBar::changeEvent(QEvent* event)
{
    QToolBar::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        drawIcons();
}

} // namespace espalier::gui
