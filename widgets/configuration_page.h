// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/compare_box.h"
#include "widgets/configuration_model.h"
#include "widgets/device_words.h"
#include "widgets/plan_summary.h"

#include <QSet>
#include <QWidget>

#include <optional>
#include <vector>

class QLineEdit;
class QPushButton;
class QToolButton;

namespace espalier::widgets {

class ConfigurationForm;
class DevicePicker;
class DevicePopup;
class NewRunCard;
class PlanCard;
class PresetStrip;
class ProblemList;

/// The page "Configuration": the form of a new run, or what an existing run was started with.
class ConfigurationPage : public QWidget {
    Q_OBJECT

public:
    /// A run that an existing one can be compared with.
    using Comparable = CompareBox::Run;

    explicit ConfigurationPage(QWidget* parent = nullptr);

    /// Starts the form of a new run from a configuration (whole or partial) or, when it is empty, from a preset.
    void editNew(const Json& config = Json::object(), const QString& presetId = {}, const QString& name = {});
    /// Shows the configuration of a run, read-only.
    void showRun(const QString& name, const Json& config);
    bool isEditing() const { return m_editing; }

    ConfigurationModel* model() { return m_model; }
    ConfigurationForm* form() { return m_form; }

    void setMachine(const MachineView& machine);
    /// Where new runs go when no folder is chosen.
    void setLibraryFolder(const QString& folder);
    /// Names that a new run cannot have.
    void setTakenNames(const QSet<QString>& names);
    /// Something outside of the form that forbids starting (a sentence), or "".
    void setStartBlocked(const QString& reason);
    /// What a run like this one reached; the answer to paceWanted().
    void setPace(const std::optional<Pace>& pace);

    void setComparable(const std::vector<Comparable>& others);
    /// The answer to comparisonRequested().
    void setComparison(const QString& id, const Json& config);

    /// Why the run cannot be started, or "".
    QString whyNotStart() const;
    QString runName() const;
    QString runFolder() const;
    /// "espalier-cli train --preset demo --set …"
    QString commandLine() const;

public Q_SLOTS:
    /// Starts if it can, at once or when its devices are free; else shows the first problem.
    void start(bool queued = false);
    /// An imported configuration, of ours or of ddpm-torch.
    void importText(const QString& text, const QString& name);

Q_SIGNALS:
    void startRequested(const espalier::Json& config, const QString& name, const QString& folder, bool queued);
    /// The configuration changed and is valid: how fast will it train?
    void paceWanted(const espalier::Json& config);
    /// Whether somebody looks at what devices have free now.
    void devicesWatched(bool watched);
    /// Whether start() would do something, and why not.
    void startPossible(const QString& whyNot);
    void duplicateRequested(const espalier::Json& config, const QString& name);
    void comparisonRequested(const QString& id);

private:
    void buildLayout();
    QWidget* buildBar();
    QWidget* buildSide();
    void connectSignals();
    void refresh();
    void refreshProblems();
    void refreshUndo();
    void refreshPlan();
    void refreshDevices();
    void refreshStart();
    void showDevices();
    void chooseFile(const QString& path);
    void importFile();
    void choosePreset(const QString& id);
    void copyCommandLine();

    ConfigurationModel* m_model;
    bool m_editing = true;
    QString m_shownName, m_blocked, m_importProblem, m_lastWhyNot;
    std::optional<MachineView> m_machine;
    DeviceMeaning m_means;

    PresetStrip* m_presets = nullptr;
    ConfigurationForm* m_form = nullptr;
    ProblemList* m_problems = nullptr;
    QLineEdit* m_search = nullptr;
    QPushButton* m_advanced = nullptr;
    QPushButton* m_changedOnly = nullptr;
    QToolButton* m_undo = nullptr;
    QToolButton* m_redo = nullptr;
    QToolButton* m_import = nullptr;
    CompareBox* m_compare = nullptr;
    QWidget* m_side = nullptr;
    NewRunCard* m_runCard = nullptr;
    PlanCard* m_plan = nullptr;
    DevicePopup* m_devicesPopup = nullptr;
    DevicePicker* m_devices = nullptr;
    QPushButton* m_duplicate = nullptr;
    QPushButton* m_copy = nullptr;
};

} // namespace espalier::widgets
