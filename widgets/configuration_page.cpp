// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/configuration_page.h"

#include "core/base/files.h"
#include "widgets/compare_box.h"
#include "widgets/configuration_form.h"
#include "widgets/device_picker.h"
#include "widgets/device_popup.h"
#include "widgets/new_run_card.h"
#include "widgets/page_parts.h"
#include "widgets/plan_card.h"
#include "widgets/preset_strip.h"
#include "widgets/problem_list.h"
#include "widgets/schedule_editor.h"
#include "widgets/setting_row.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QClipboard>
#include <QFileDialog>
#include <QGuiApplication>
#include <QLabel>
#include <QLineEdit>
#include <QPointer>
#include <QPushButton>
#include <QScrollArea>
#include <QShortcut>
#include <QThreadPool>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

namespace espalier::widgets {

namespace {
constexpr int kSideWidth = 288;
}

ConfigurationPage::ConfigurationPage(QWidget* parent) : QWidget(parent), m_model(new ConfigurationModel(this))
{
    setObjectName(QStringLiteral("configurationPage"));
    setAccessibleName(tr("Configuration"));
    buildLayout();
    connectSignals();
    editNew();
}

void ConfigurationPage::buildLayout()
{
    auto* left = new QVBoxLayout;
    left->setSpacing(metric::kCardGap);
    left->addWidget(buildBar());
    m_problems = new ProblemList(this);
    left->addWidget(m_problems);
    m_form = new ConfigurationForm(m_model, this);
    left->addWidget(m_form, 1);

    auto* columns = new QHBoxLayout;
    columns->setSpacing(metric::kCardGap);
    columns->addLayout(left, 1);
    columns->addWidget(buildSide());

    auto* page = new QVBoxLayout(this);
    page->setContentsMargins(0, 0, 0, 0);
    page->setSpacing(metric::kCardGap);
    m_presets = new PresetStrip(this);
    page->addWidget(m_presets);
    page->addLayout(columns, 1);
    m_devicesPopup = new DevicePopup(this);
    m_devices = m_devicesPopup->picker();
}

QWidget* ConfigurationPage::buildBar()
{
    auto* bar = new QWidget(this);
    auto* row = new QHBoxLayout(bar);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(metric::kGap);
    m_search = searchField(QStringLiteral("settingSearch"), tr("Search settings"), bar);
    m_advanced = pushButton(QStringLiteral("showAdvanced"), tr("Advanced"), bar);
    m_advanced->setCheckable(true);
    m_advanced->setToolTip(tr("Show the settings that rarely change too"));
    m_changedOnly = pushButton(QStringLiteral("showChangedOnly"), tr("Changed"), bar);
    m_changedOnly->setCheckable(true);
    m_compare = new CompareBox(bar);
    m_undo = headerButton(QStringLiteral("undo"), tr("Undo"), QString(), bar);
    m_redo = headerButton(QStringLiteral("redo"), tr("Redo"), QString(), bar);
    m_import = headerButton(QStringLiteral("import"), tr("Import…"), QString(), bar);
    m_import->setToolTip(tr("Take settings from a config.json of a run, or from a configuration of ddpm-torch"));
    row->addWidget(m_search, 1);
    row->addWidget(m_advanced);
    row->addWidget(m_changedOnly);
    row->addWidget(m_compare);
    row->addWidget(m_undo);
    row->addWidget(m_redo);
    row->addWidget(m_import);
    return bar;
}

QWidget* ConfigurationPage::buildSide()
{
    auto* area = new QScrollArea(this); // a long plan on a small screen scrolls instead of being squeezed
    area->setObjectName(QStringLiteral("planArea"));
    makePlain(area);
    area->setFixedWidth(kSideWidth);
    m_side = new QWidget(area);
    area->setWidget(m_side);
    auto* column = new QVBoxLayout(m_side);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap);

    m_runCard = new NewRunCard(m_side);
    m_plan = new PlanCard(m_side);

    m_duplicate = pushButton(QStringLiteral("duplicateAsNew"), tr("Duplicate as new"), m_side);
    setThemedIcon(m_duplicate, QStringLiteral("new"));
    m_copy = pushButton(QStringLiteral("copyCommandLine"), tr("Copy as command line"), m_side);
    setThemedIcon(m_copy, QStringLiteral("copy"));
    column->addWidget(m_runCard);
    column->addWidget(m_plan);
    column->addWidget(m_duplicate);
    column->addWidget(m_copy);
    column->addStretch(1);
    return area;
}

void ConfigurationPage::connectSignals()
{
    connect(m_model, &ConfigurationModel::changed, this, &ConfigurationPage::refresh);
    connect(m_form->schedule(), &ScheduleEditor::planChanged, this, [this] {
        refreshProblems();
        refreshStart();
    });
    connect(m_presets, &PresetStrip::chosen, this, &ConfigurationPage::choosePreset);
    connect(m_search, &QLineEdit::textChanged, m_form, &ConfigurationForm::setSearch);
    connect(m_advanced, &QPushButton::toggled, m_form, &ConfigurationForm::setAdvancedShown);
    connect(m_changedOnly, &QPushButton::toggled, m_form, &ConfigurationForm::setChangedOnly);
    connect(m_form, &ConfigurationForm::filterCleared, this, [this] {
        m_search->clear();
        m_changedOnly->setChecked(false);
    });
    connect(m_form, &ConfigurationForm::advancedNeeded, this, [this] { m_advanced->setChecked(true); });
    connect(m_form, &ConfigurationForm::browseRequested, this,
            [this](const QString& path) { path == QLatin1String("devices") ? showDevices() : chooseFile(path); });
    connect(m_devicesPopup, &DevicePopup::shownChanged, this, &ConfigurationPage::devicesWatched);
    connect(m_devices, &DevicePicker::chosen, this, [this](const QString& devices) {
        m_model->setText(*config::findField("devices"), devices);
        m_model->endEdit();
        m_devices->setConfig(m_model->config());
    });
    connect(m_problems, &ProblemList::chosen, this, [this](const QString& path) { m_form->reveal(path.toStdString()); });
    connect(m_undo, &QToolButton::clicked, m_model->undoStack(), &QUndoStack::undo);
    connect(m_redo, &QToolButton::clicked, m_model->undoStack(), &QUndoStack::redo);
    // The stack counts after the command has run, so changed() comes too early for these.
    connect(m_model->undoStack(), &QUndoStack::indexChanged, this, &ConfigurationPage::refreshUndo);
    connect(m_import, &QToolButton::clicked, this, &ConfigurationPage::importFile);
    connect(m_compare, &CompareBox::compared, m_form, &ConfigurationForm::setCompared);
    connect(m_compare, &CompareBox::runRequested, this, &ConfigurationPage::comparisonRequested);
    connect(m_compare, &QComboBox::activated, this, [this](int index) {
        m_changedOnly->setChecked(index > 0);
        refresh();
    });
    connect(m_runCard, &NewRunCard::startRequested, this, &ConfigurationPage::start);
    connect(m_runCard, &NewRunCard::changed, this, &ConfigurationPage::refreshStart);
    connect(m_copy, &QPushButton::clicked, this, &ConfigurationPage::copyCommandLine);
    connect(m_duplicate, &QPushButton::clicked, this, [this] { Q_EMIT duplicateRequested(m_model->config(), m_shownName); });
    for (QKeySequence::StandardKey key : {QKeySequence::Undo, QKeySequence::Redo}) {
        auto* shortcut = new QShortcut(QKeySequence(key), this);
        shortcut->setContext(Qt::WidgetWithChildrenShortcut);
        connect(shortcut, &QShortcut::activated, key == QKeySequence::Undo ? m_undo : m_redo, &QToolButton::click);
    }
    auto* find = new QShortcut(QKeySequence(QKeySequence::Find), this);
    find->setContext(Qt::WidgetWithChildrenShortcut);
    connect(find, &QShortcut::activated, this, [this] {
        m_search->setFocus(Qt::ShortcutFocusReason);
        m_search->selectAll();
    });
}

void ConfigurationPage::editNew(const Json& config, const QString& presetId, const QString& name)
{
    m_editing = true;
    m_shownName.clear();
    m_importProblem.clear();
    Json start = config.is_object() ? config : Json::object();
    QString preset = presetId;
    if (start.empty() && !preset.isEmpty()) {
        if (const auto found = config::findPreset(preset.toStdString()))
            start = found->overlay;
        else
            preset.clear();
    }
    m_form->setReadOnly(false);
    m_form->setCompared(Json());
    m_model->load(start, preset);
    m_runCard->begin(name.isEmpty() ? (preset.isEmpty() ? QStringLiteral("run") : preset) : name, !name.isEmpty());
    refresh();
}

void ConfigurationPage::showRun(const QString& name, const Json& config)
{
    m_editing = false;
    m_shownName = name;
    m_importProblem.clear();
    m_compare->setCurrentIndex(0);
    m_form->setCompared(Json());
    m_form->setReadOnly(true);
    m_model->load(config);
    refresh();
}

void ConfigurationPage::refresh()
{
    m_presets->setVisible(m_editing);
    m_presets->setCurrent(m_model->presetId());
    m_runCard->setVisible(m_editing);
    m_import->setVisible(m_editing);
    m_undo->setVisible(m_editing);
    m_redo->setVisible(m_editing);
    m_compare->setVisible(!m_editing);
    m_duplicate->setVisible(!m_editing);
    const bool compared = m_compare->compares() && !m_editing;
    m_changedOnly->setText(compared ? tr("Differences") : tr("Changed"));
    m_changedOnly->setToolTip(compared ? tr("Show only what differs") : tr("Show only what is not default"));
    refreshUndo();
    refreshProblems();
    if (m_editing)
        m_runCard->propose(m_model->presetId().isEmpty() ? QStringLiteral("run") : m_model->presetId());
    refreshPlan();
    refreshDevices();
    refreshStart();
}

void ConfigurationPage::refreshProblems()
{
    auto problems = m_editing ? m_model->problems() : std::vector<config::Problem>();
    if (m_editing && problems.empty())
        if (const auto& found = m_form->schedule()->planProblem())
            problems.push_back(*found);
    m_problems->setProblems(problems, m_importProblem);
}

void ConfigurationPage::refreshUndo()
{
    const QUndoStack* stack = m_model->undoStack();
    setEnabledWithReason(m_undo, stack->canUndo() ? QString() : tr("Nothing to undo"), tr("Undo: %1").arg(stack->undoText()));
    setEnabledWithReason(m_redo, stack->canRedo() ? QString() : tr("Nothing to redo"), tr("Redo: %1").arg(stack->redoText()));
}

void ConfigurationPage::refreshPlan()
{
    if (m_plan->setConfig(m_model->config()))
        Q_EMIT paceWanted(m_model->config());
}

QString ConfigurationPage::whyNotStart() const
{
    if (!m_editing)
        return tr("This run has been started. Duplicate it to start another.");
    const std::size_t wrong = m_model->problems().size();
    if (wrong > 0)
        return wrong == 1 ? tr("One setting is not right yet.") : tr("%1 settings are not right yet.").arg(wrong);
    if (const auto& found = m_form->schedule()->planProblem())
        return QString::fromStdString(found->message);
    if (const QString why = m_runCard->whyNot(); !why.isEmpty())
        return why;
    if (!m_means.problem.isEmpty())
        return m_means.problem;
    return m_blocked;
}

void ConfigurationPage::refreshStart()
{
    const QString why = whyNotStart();
    m_runCard->setWhyNotStart(why);
    if (std::exchange(m_lastWhyNot, why) != why)
        Q_EMIT startPossible(why);
}

void ConfigurationPage::setMachine(const MachineView& machine)
{
    m_machine = machine;
    m_plan->setMachine(factsOf(machine));
    if (m_devicesPopup->isVisible())
        m_devices->setMachine(machine);
    refreshDevices();
}

/// Says at its field what the choice of devices means here.
void ConfigurationPage::refreshDevices()
{
    if (!m_machine)
        return; // nobody has looked yet
    const auto before = std::exchange(
        m_means, m_editing ? meaningOf(m_model->config().value("devices", "auto"), m_model->config(), *m_machine) : DeviceMeaning{});
    if (m_means == before)
        return;
    m_form->setNote("devices", m_means.text, m_means.problem);
    refreshStart();
}

void ConfigurationPage::showDevices()
{
    const SettingRow* row = m_form->row("devices");
    if (row == nullptr)
        return;
    m_devices->setDevices(m_model->text(row->field()));
    m_devices->setConfig(m_model->config());
    m_devices->setMachine(m_machine.value_or(MachineView{}));
    m_devicesPopup->showAt(row);
}

void ConfigurationPage::setLibraryFolder(const QString& folder)
{
    m_runCard->setLibraryFolder(folder);
}

void ConfigurationPage::setTakenNames(const QSet<QString>& names)
{
    m_runCard->setTakenNames(names);
}

void ConfigurationPage::setStartBlocked(const QString& reason)
{
    m_blocked = reason;
    refreshStart();
}

void ConfigurationPage::setPace(const std::optional<Pace>& pace)
{
    m_plan->setPace(pace);
    m_form->schedule()->setPace(pace);
}

void ConfigurationPage::setComparable(const std::vector<Comparable>& others)
{
    m_compare->setRuns(others);
}

void ConfigurationPage::setComparison(const QString& id, const Json& config)
{
    if (m_compare->currentData().toString() == id) // else something else was chosen while the answer was on its way
        m_form->setCompared(config);
}

QString ConfigurationPage::runName() const
{
    return m_runCard->name();
}

QString ConfigurationPage::runFolder() const
{
    return m_runCard->folder();
}

QString ConfigurationPage::commandLine() const
{
    QStringList words{QStringLiteral("espalier-cli"), QStringLiteral("train")};
    words << m_model->commandLineArguments();
    if (m_editing && !runFolder().isEmpty())
        words << QStringLiteral("--run") << runFolder();
    else if (m_editing && m_runCard->nameIsTyped() && !m_runCard->libraryFolder().isEmpty())
        words << QStringLiteral("--run") << m_runCard->libraryFolder() + QLatin1Char('/') + runName();
    return shellCommand(words);
}

void ConfigurationPage::copyCommandLine()
{
    QGuiApplication::clipboard()->setText(commandLine());
    m_copy->setText(tr("Copied"));
    QTimer::singleShot(1500, m_copy, [button = m_copy] { button->setText(tr("Copy as command line")); });
}

void ConfigurationPage::start(bool queued)
{
    if (whyNotStart().isEmpty()) {
        Q_EMIT startRequested(m_model->config(), runName(), runFolder(), queued);
    } else if (m_editing && !m_model->problems().empty()) {
        m_form->reveal(m_model->problems().front().path);
    }
}

void ConfigurationPage::choosePreset(const QString& id)
{
    if (const auto preset = config::findPreset(id.toStdString())) {
        m_importProblem.clear();
        m_model->applyPreset(*preset);
    }
}

void ConfigurationPage::chooseFile(const QString& path)
{
    SettingRow* row = m_form->row(path.toStdString());
    if (!row)
        return;
    QString chosen;
    if (path.endsWith(QLatin1String("features")) || path.endsWith(QLatin1String("vae")) || path.endsWith(QLatin1String(".from")))
        chosen = QFileDialog::getOpenFileName(this, row->accessibleName());
    else
        chosen = QFileDialog::getExistingDirectory(this, row->accessibleName());
    if (!chosen.isEmpty()) {
        m_model->setText(row->field(), chosen);
        m_model->endEdit();
    }
}

void ConfigurationPage::importFile()
{
    const QString file = QFileDialog::getOpenFileName(this, tr("Import a configuration"), QString(), tr("Configurations (*.json)"));
    if (file.isEmpty())
        return;
    QThreadPool::globalInstance()->start([file, self = QPointer<ConfigurationPage>(this)] {
        auto text = readFile(file.toStdString(), 1 << 20);
        QMetaObject::invokeMethod(
            qGuiApp,
            [self, file, text = std::move(text)] {
                if (!self)
                    return;
                if (text) {
                    self->importText(QString::fromStdString(*text), file);
                } else {
                    self->m_importProblem = QString::fromStdString(text.error().message);
                    self->refresh();
                }
            },
            Qt::QueuedConnection);
    });
}

void ConfigurationPage::importText(const QString& text, const QString& name)
{
    const auto overlay = config::overlayFromText(text.toStdString(), name.toStdString());
    if (!m_editing)
        return;
    if (!overlay) {
        m_importProblem = QString::fromStdString(overlay.error().message);
        refresh();
        return;
    }
    // A wrong value can be put right in the form; a name that nobody knows cannot.
    for (const config::Problem& problem : config::validate(*overlay)) {
        if (config::findField(problem.path))
            continue;
        m_importProblem = QString::fromStdString(problem.message);
        refresh();
        return;
    }
    m_importProblem.clear();
    m_model->applyOverlay(*overlay, tr("Import of %1").arg(name.section(QLatin1Char('/'), -1)));
}

} // namespace espalier::widgets
