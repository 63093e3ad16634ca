// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/plan/plan.h"
#include "widgets/configuration_model.h"
#include "widgets/plan_summary.h"

#include <QWidget>

#include <optional>

class QComboBox;
class QLabel;
class QPushButton;
class QTableView;
class QTimer;

namespace espalier::widgets {

class ModulePicture;
class ScheduleDrawing;
class StageTableModel;

/// The schedule of a configuration, drawn with what it costs, and where its stages are written by hand as a table to edit.
/// What it comes to is worked out a moment after a change, so that typing is never held up.
class ScheduleEditor : public QWidget {
    Q_OBJECT

public:
    explicit ScheduleEditor(ConfigurationModel* model, QWidget* parent = nullptr);

    /// Shows it where there is a schedule to show; says whether it does.
    bool setShown(bool wanted);
    void setReadOnly(bool readOnly);
    void setPace(const std::optional<Pace>& pace);
    /// Whether the table edits this setting now.
    bool covers(const std::string& plainPath) const;
    /// Gives the focus to the column of a setting.
    void focusSetting(const std::string& plainPath);

    /// Why the schedule cannot be trained though every setting by itself is right; none where it can.
    const std::optional<config::Problem>& planProblem() const;
    /// The stages; none while something is wrong.
    const std::optional<plan::Plan>& plan() const { return m_plan; }
    StageTableModel* table() const { return m_table; }
    ScheduleDrawing* drawing() const { return m_drawing; }
    ModulePicture* modules() const { return m_modules; }

Q_SIGNALS:
    void planChanged();

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void buildLayout();
    void connectSignals();
    void refresh();
    void recompute();
    void showPlan();
    void showProblem();
    void fitColumns();
    /// What a column needs; with `roomy`, its title has air around it.
    int widthOf(int column, bool roomy) const;
    int widthOfAll(bool roomy) const; // of those that are shown
    void showColumns();

    ConfigurationModel* m_model;
    StageTableModel* m_table;
    QTimer* m_timer;
    Json m_seen; // what the plan was worked out from
    std::optional<plan::Plan> m_plan;
    std::optional<config::Problem> m_problem;
    std::optional<Pace> m_pace;
    int m_problemStage = -1;
    int m_delay = 0; // milliseconds: longer where working it out takes long
    bool m_readOnly = false, m_wasWrong = false;

    ScheduleDrawing* m_drawing = nullptr;
    ModulePicture* m_modules = nullptr; // where modules are assembled
    QLabel* m_total = nullptr;
    QLabel* m_said = nullptr;
    QWidget* m_tools = nullptr;
    QComboBox* m_length = nullptr;
    QPushButton* m_all = nullptr; // a narrow table leaves columns out in which nothing grows
    QPushButton* m_add = nullptr;
    QPushButton* m_remove = nullptr;
    QTableView* m_view = nullptr;
};

} // namespace espalier::widgets
