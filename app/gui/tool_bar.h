// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/run_state.h"

#include <QToolBar>

#include <map>
#include <optional>

class QMenu;
class QPushButton;
class QToolButton;

namespace espalier::gui {

/// The buttons at the top. They follow the state of the chosen run, not the click, and say why they cannot.
class ToolBar : public QToolBar {
    Q_OBJECT
public:
    explicit ToolBar(QWidget* parent = nullptr);

    /// Buttons as the chosen run allows; none when there is no run.
    void setRun(std::optional<runs::RunState> state, bool hasCheckpoint, bool draws = true);
    /// Buttons of a form: Start alone, or why not ("" when it may).
    void setForm(const QString& whyNotStart);
    QAction* action(runs::Action action) const { return m_actions.at(action); }
    /// Other ways to start: when devices are free, on others, without waiting.
    QList<QAction*> startActions() const { return {m_whenFree, m_startOn, m_startNow}; }
    QMenu* exportMenu() const { return m_export; }

Q_SIGNALS:
    void openRequested();                       // a checkpoint of somebody else
    void newRequested(const QString& presetId); // "" for an empty form
    void importRequested();
    void actionRequested(espalier::runs::Action action);
    void queuedStartRequested(); // when the devices are free
    void startOnRequested();     // on devices that are chosen now
    void startNowRequested();    // of a run that waits in the queue
    void searchRequested();

protected:
    void changeEvent(QEvent* event) override;

private:
    void addRunAction(runs::Action action, const QString& icon, const QString& name, const QKeySequence& keys);
    void addStartMenu();
    void showStartMenu(std::optional<runs::RunState> state, const QString& whyNot, bool form);
    void fillNewMenu();
    void drawIcons();

    std::map<runs::Action, QAction*> m_actions;
    std::map<runs::Action, QString> m_icons;
    QToolButton* m_new;
    QToolButton* m_startMore;
    QAction* m_whenFree = nullptr;
    QAction* m_startOn = nullptr;
    QAction* m_startNow = nullptr;
    QToolButton* m_exportButton;
    QMenu* m_export;
    QPushButton* m_search;
};

} // namespace espalier::gui
