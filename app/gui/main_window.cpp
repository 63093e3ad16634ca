// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/main_window.h"

#include "app/gui/first_page.h"
#include "app/gui/foreign_checkpoints.h"
#include "app/gui/run_actions.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "app/gui/search_entries.h"
#include "app/gui/tool_bar.h"
#include "app/gui/waiting_runs.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "widgets/card.h"
#include "widgets/command_palette.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/format.h"
#include "widgets/help_sheet.h"
#include "widgets/library_panel.h"
#include "widgets/notice.h"
#include "widgets/queue_panel.h"
#include "widgets/stage_words.h"
#include "widgets/state_look.h"
#include "widgets/status_strip.h"
#include "widgets/theme.h"
#include "widgets/watch_page.h"

#include <QApplication>
#include <QCheckBox>
#include <QCloseEvent>
#include <QDesktopServices>
#include <QDockWidget>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QMenu>
#include <QMessageBox>
#include <QSettings>
#include <QShortcut>
#include <QStackedWidget>
#include <QStatusBar>
#include <QUrl>
#include <QVBoxLayout>

namespace espalier::gui {

using namespace widgets;

MainWindow::MainWindow(RunController* controller, std::filesystem::path library, QWidget* parent)
    : QMainWindow(parent), m_controller(controller), m_libraryFolder(std::move(library)), m_model(new LibraryModel(this)),
      m_panel(new LibraryPanel(m_model, this)), m_dock(new QDockWidget(QStringLiteral("Library"), this)), m_tools(new ToolBar(this)),
      m_notice(new Notice(this)), m_stack(new QStackedWidget(this)), m_page(new RunPage(this)), m_actions(new RunActions(controller, this)),
      m_queue(new WaitingRuns(controller, m_model, m_page, this)), m_foreign(new ForeignCheckpoints(controller, this)),
      m_status(new StatusStrip(this))
{
    setObjectName(QStringLiteral("mainWindow"));
    setWindowTitle(QStringLiteral("Espalier"));
    setAcceptDrops(true);
    buildLayout();
    connectParts();
    connectController();
    makeShortcuts();
    restoreLayout();
    refreshTools();
    m_controller->openLibrary(m_libraryFolder);
}

void MainWindow::buildLayout()
{
    addToolBar(Qt::TopToolBarArea, m_tools);
    setContextMenuPolicy(Qt::NoContextMenu);

    m_dock->setObjectName(QStringLiteral("libraryDock"));
    m_dock->setTitleBarWidget(new QWidget(m_dock));
    m_dock->setFeatures(QDockWidget::NoDockWidgetFeatures);
    m_dock->setWidget(m_panel);
    m_panel->setAttribute(Qt::WA_StyledBackground);
    m_panel->addSection(m_queue->panel());
    addDockWidget(Qt::LeftDockWidgetArea, m_dock);
    resizeDocks({m_dock}, {272}, Qt::Horizontal);

    m_none = new EmptyNote(QStringLiteral("Choose a run"), QStringLiteral("Its curves, samples and checkpoints appear here."), m_stack);
    m_stack->setObjectName(QStringLiteral("centre"));
    m_stack->addWidget(new QWidget(m_stack)); // while the library is read, which takes a moment
    auto* first = new FirstPage(m_stack);
    connect(first, &FirstPage::demoRequested, this, &MainWindow::runDemo);
    connect(first, &FirstPage::openRequested, this, &MainWindow::chooseLibrary);
    m_stack->addWidget(first);
    m_stack->addWidget(m_none);
    m_stack->addWidget(m_page);
    auto* centre = new QWidget(this);
    auto* column = new QVBoxLayout(centre);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    auto* margin = new QVBoxLayout; // as wide as the cards below; takes no room while there is no trouble
    margin->setContentsMargins(metric::kPageMargin, 0, metric::kPageMargin, 0);
    margin->addWidget(m_notice);
    column->addLayout(margin);
    column->addWidget(m_stack, 1);
    setCentralWidget(centre);

    statusBar()->setSizeGripEnabled(false);
    statusBar()->addWidget(m_status, 1);
    resize(1280, 800);
}

void MainWindow::connectController()
{
    connect(m_controller, &RunController::libraryChanged, this, &MainWindow::takeLibrary);
    connect(m_controller, &RunController::runChanged, this, &MainWindow::takeRun);
    connect(m_controller, &RunController::plotAnswered, m_page, &RunPage::setPlotData);
    connect(m_controller, &RunController::gridArrived, m_page, &RunPage::setGrid);
    connect(m_controller, &RunController::machineChanged, this, [this](const MachineChanged& change) {
        m_status->setMachine(change.machine);
        m_page->setMachine(change);
        m_actions->setMachine(change.machine);
    });
    connect(m_controller, &RunController::queueChanged, this, &MainWindow::refreshTools);
    connect(m_controller, &RunController::logArrived, this, [this](const LogArrived& log) {
        if (log.folder == m_chosen)
            m_page->appendLog(log);
    });
    connect(m_controller, &RunController::paceFound, m_page->configuration(), &ConfigurationPage::setPace);
    connect(m_controller, &RunController::configRead, m_page, &RunPage::setComparison);
    connect(m_page, &RunPage::configWanted, this, [this](const QString& folder) { m_controller->readConfig(folder.toStdString()); });
    connect(m_page, &RunPage::paceWanted, m_controller, &RunController::askPace);
    connect(m_controller, &RunController::checkpointChecked, m_page, &RunPage::setCheck);
    connect(m_controller, &RunController::said, this, &MainWindow::tell);
    connect(m_notice, &Notice::logOpened, this, [](const QString& file) { QDesktopServices::openUrl(QUrl::fromLocalFile(file)); });
    connect(m_controller, &RunController::launched, this, [this](const QString& folder) { openRun(folder.toStdString()); });
}

void MainWindow::connectParts()
{
    connect(m_panel, &LibraryPanel::selectedRun, this, [this](const QString& folder) { openRun(folder.toStdString()); });
    connect(m_panel, &LibraryPanel::openFolderRequested, this,
            [](const QString& folder) { QDesktopServices::openUrl(QUrl::fromLocalFile(folder)); });
    connect(m_panel, &LibraryPanel::duplicateRequested, this, [this](const QString& folder) {
        const std::filesystem::path path = folder.toStdString();
        if (m_page->run().folder == path && m_page->run().config.is_object())
            return duplicate(m_page->run().config, qstr(m_page->run().name));
        m_duplicating = path.string(); // its configuration comes with the run
        openRun(path);
    });
    connect(m_panel, &LibraryPanel::renameRequested, m_actions, &RunActions::askRename);
    connect(m_panel, &LibraryPanel::archiveRequested, m_actions, &RunActions::askArchive);
    connect(m_panel, &LibraryPanel::trashRequested, m_actions, &RunActions::askTrash);
    connect(m_panel, &LibraryPanel::chooseLibraryRequested, this, &MainWindow::chooseLibrary);

    connect(m_tools, &ToolBar::newRequested, this, &MainWindow::newRun);
    connect(m_tools, &ToolBar::actionRequested, this, &MainWindow::act);
    connect(m_tools, &ToolBar::queuedStartRequested, this,
            [this] { m_page->editing() ? m_page->startForm(true) : m_actions->startWhenFree(m_page->run()); });
    connect(m_tools, &ToolBar::startOnRequested, this, [this] { m_actions->askStart(m_page->run()); });
    connect(m_tools, &ToolBar::startNowRequested, m_queue, &WaitingRuns::startShownNow);
    connect(m_queue, &WaitingRuns::runChosen, this, [this](const QString& folder) { openRun(folder.toStdString()); });
    connect(m_queue, &WaitingRuns::message, m_status, &StatusStrip::showMessage);
    connect(m_page->configuration(), &ConfigurationPage::devicesWatched, m_controller, &RunController::watchDevices);

    connect(m_tools, &ToolBar::openRequested, m_foreign, &ForeignCheckpoints::choose);
    connect(m_foreign, &ForeignCheckpoints::message, m_status, &StatusStrip::showMessage);
    connect(m_foreign, &ForeignCheckpoints::trouble, this, &MainWindow::tell);
    connect(m_foreign, &ForeignCheckpoints::runFound, this, [this](const QString& folder) { openRun(folder.toStdString()); });
    connect(m_foreign, &ForeignCheckpoints::newRunRequested, this, &MainWindow::duplicate);
    connect(m_tools, &ToolBar::searchRequested, this, &MainWindow::search);
    connect(m_tools->exportMenu(), &QMenu::aboutToShow, this, &MainWindow::fillExportMenu);

    connect(m_page, &RunPage::queryChanged, m_controller, &RunController::ask);
    connect(m_page, &RunPage::csvRequested, m_controller, &RunController::saveCsv);
    connect(m_page, &RunPage::actionRequested, this, &MainWindow::act);
    connect(m_page, &RunPage::newRunRequested, this, [this](const Json& config, const QString& name, const QString& folder, bool queued) {
        m_controller->startNew(config, name, folder, queued);
        m_status->showMessage(queued ? QStringLiteral("%1 starts when its devices are free.").arg(name)
                                     : QStringLiteral("Starting %1…").arg(name));
    });
    connect(m_page, &RunPage::duplicateRequested, this, &MainWindow::duplicate);
    connect(m_page, &RunPage::startPossible, this, [this](const QString& whyNot) { m_tools->setForm(whyNot); });
    m_actions->serve(m_page, m_model);
    connect(m_page, &RunPage::comparedWanted, m_controller, &RunController::compareRuns);
    connect(m_controller, &RunController::runsCompared, m_page, &RunPage::setCompared);
    connect(m_page, &RunPage::fileOpened, this, [](const QString& path) { QDesktopServices::openUrl(QUrl::fromLocalFile(path)); });
    connect(m_actions, &RunActions::message, m_status, &StatusStrip::showMessage);
    connect(m_page, &RunPage::message, m_status, &StatusStrip::showMessage);
}

void MainWindow::makeShortcuts()
{
    const auto on = [this](const QKeySequence& keys, auto&& work) {
        auto* shortcut = new QShortcut(keys, this);
        connect(shortcut, &QShortcut::activated, this, std::forward<decltype(work)>(work));
    };
    on(QKeySequence(Qt::CTRL | Qt::Key_N), [this] { newRun({}); });
    on(QKeySequence(Qt::CTRL | Qt::Key_K), [this] { search(); });
    on(QKeySequence(Qt::CTRL | Qt::Key_F), [this] { m_panel->focusFilter(); });
    on(QKeySequence(Qt::CTRL | Qt::Key_O), [this] { chooseLibrary(); });
    on(QKeySequence(Qt::CTRL | Qt::Key_Q), [this] { close(); });
    on(QKeySequence(Qt::Key_F1), [this] { help(); });
    on(QKeySequence(Qt::Key_Escape), [this] { escape(); });
    for (int i = 0; i < RunPage::kPages; ++i) // typing into a field comes first: Qt asks the focus widget before a shortcut
        on(QKeySequence(Qt::Key_1 + i), [this, i] { m_page->showPage(static_cast<RunPage::Page>(i)); });
}

void MainWindow::restoreLayout()
{
    QSettings settings;
    if (m_libraryFolder.empty())
        m_libraryFolder = settings.value(QStringLiteral("library")).toString().toStdString();
    if (m_libraryFolder.empty())
        m_libraryFolder = runs::libraryFolder();
    restoreGeometry(settings.value(QStringLiteral("window/geometry")).toByteArray());
    restoreState(settings.value(QStringLiteral("window/state")).toByteArray());
    m_panel->setOrder(static_cast<LibraryFilter::Order>(std::clamp(settings.value(QStringLiteral("library/order"), 0).toInt(), 0, 4)));
    m_chosen = settings.value(QStringLiteral("library/run")).toString().toStdString();
    const auto layout = Json::parse(settings.value(QStringLiteral("window/pages")).toString().toStdString(), nullptr, false);
    m_page->restoreLayout(layout);
}

void MainWindow::saveLayout() const
{
    QSettings settings;
    settings.setValue(QStringLiteral("library"), qstr(m_libraryFolder.string()));
    settings.setValue(QStringLiteral("window/geometry"), saveGeometry());
    settings.setValue(QStringLiteral("window/state"), saveState());
    settings.setValue(QStringLiteral("library/order"), static_cast<int>(m_panel->order()));
    settings.setValue(QStringLiteral("library/run"), qstr(m_chosen.string()));
    settings.setValue(QStringLiteral("window/pages"), qstr(m_page->layoutState().dump()));
}

void MainWindow::takeLibrary(const LibraryChanged& change)
{
    if (change.first)
        m_model->clear();
    m_libraryFolder = change.library;
    m_model->apply(change.changed, change.gone);
    if (change.first || !change.gone.empty() || change.changed.size() > 1)
        m_page->setLibrary(m_libraryFolder, m_model->runs());
    const bool lost = !m_chosen.empty() && m_model->find(m_chosen) == nullptr;
    if (change.first || (lost && !change.gone.empty())) {
        auto wanted = m_chosen;
        if (m_model->find(wanted) == nullptr) { // the newest run is the likeliest
            wanted.clear();
            const auto& all = m_model->runs();
            const auto newest = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
                return std::tuple(runs::isLive(a.state), a.changed) < std::tuple(runs::isLive(b.state), b.changed);
            });
            if (newest != all.end())
                wanted = newest->folder;
        }
        if (!m_page->editing()) {
            if (wanted.empty()) {
                m_chosen.clear();
                m_stack->setCurrentIndex(1);
                refreshTools();
            } else {
                openRun(wanted);
            }
        }
    } else {
        m_panel->select(m_chosen);
        if (m_stack->currentIndex() == 1 && !m_model->runs().empty() && !m_page->editing())
            openRun(m_model->runs().front().folder); // the first run appeared
    }
    if (!std::exchange(m_shown, true)) {
        m_panel->focusRuns(); // keys go to runs and pages, not into the filter
        Q_EMIT libraryShown();
    }
}

void MainWindow::openRun(const std::filesystem::path& folder)
{
    m_chosen = folder;
    if (m_page->editing())
        m_page->leaveForm();
    m_stack->setCurrentWidget(m_page);
    m_panel->select(folder);
    m_controller->selectRun(folder);
    if (m_page->run().folder == folder)
        refreshTools();
    else
        m_controller->ask(m_page->watch()->query());
}

void MainWindow::takeRun(const RunChanged& change)
{
    if (change.view.folder != m_chosen)
        return;
    m_page->setRun(change);
    if (change.fresh)
        m_controller->ask(m_page->watch()->query());
    if (m_duplicating == change.view.folder.string()) {
        m_duplicating.clear();
        duplicate(change.view.config, qstr(change.view.name));
    }
    refreshTools();
}

void MainWindow::refreshTools()
{
    if (m_page->editing()) {
        m_tools->setForm(m_page->whyNotStart());
        m_status->setRun({});
        setWindowTitle(QStringLiteral("New run – Espalier"));
    } else if (const auto& run = m_page->run(); run.valid() && run.folder == m_chosen) {
        m_tools->setRun(run.state, !run.checkpoints->empty(), widgets::drawsImages(run.config));
        m_status->setRun(run);
        setWindowTitle(qstr(run.name) + QStringLiteral(" – Espalier"));
    } else {
        m_tools->setRun(std::nullopt, false);
        m_status->setRun({});
        setWindowTitle(QStringLiteral("Espalier"));
    }
}

void MainWindow::newRun(const QString& presetId)
{
    m_stack->setCurrentWidget(m_page);
    m_page->editNew(Json::object(), presetId, {});
    refreshTools();
}

void MainWindow::duplicate(const Json& config, const QString& name)
{
    m_stack->setCurrentWidget(m_page);
    m_page->editNew(config, {}, name);
    refreshTools();
}

void MainWindow::runDemo()
{
    const auto preset = config::findPreset("demo");
    if (!preset)
        return tell({qstr(preset.error().message), true, qstr(preset.error().detail)});
    m_controller->startNew(preset->overlay, QStringLiteral("demo"), {});
    m_status->showMessage(QStringLiteral("Starting the demo…"));
}

void MainWindow::leaveForm()
{
    if (!m_page->editing())
        return;
    m_page->leaveForm();
    if (!m_page->run().valid())
        m_stack->setCurrentIndex(m_model->runs().empty() ? 1 : 2);
    refreshTools();
}

void MainWindow::act(runs::Action action)
{
    if (!m_page->editing())
        m_actions->act(action, m_page->run());
    else if (action == runs::Action::Start)
        m_page->startForm();
}

void MainWindow::fillExportMenu()
{
    auto* menu = m_tools->exportMenu();
    menu->clear();
    menu->addAction(QStringLiteral("Checkpoint for other programs…"), this, [this] { act(runs::Action::Export); });
    menu->addAction(QStringLiteral("Sample grids…"), this, [this] { m_page->showPage(RunPage::Samples); });
    menu->addSeparator();
    const auto csv = [this](const QString& tag, const QString& stem) {
        const QString file = QFileDialog::getSaveFileName(this, QStringLiteral("Save numbers"), stem + QStringLiteral(".csv"),
                                                          QStringLiteral("CSV (*.csv)"));
        if (!file.isEmpty())
            m_controller->saveCsv(tag, file);
    };
    menu->addAction(QStringLiteral("Loss as CSV…"), this, [csv] { csv(qstr(runs::tags::kLoss), QStringLiteral("loss")); });
    menu->addAction(QStringLiteral("Evaluations as CSV…"), this,
                    [csv] { csv(QStringLiteral("evaluations"), QStringLiteral("evaluations")); });
}

void MainWindow::chooseLibrary()
{
    const QString folder = QFileDialog::getExistingDirectory(this, QStringLiteral("Open a folder of runs"), qstr(m_libraryFolder.string()));
    if (folder.isEmpty())
        return;
    m_libraryFolder = folder.toStdString();
    m_chosen.clear();
    m_controller->openLibrary(m_libraryFolder);
}

void MainWindow::search()
{
    auto entries = actionEntries(*m_tools, [this](runs::Action action) { act(action); });
    for (auto&& each : newRunEntries([this](const QString& preset) { newRun(preset); }))
        entries.push_back(std::move(each));
    entries.push_back(
        {QStringLiteral("Open a folder of runs…"), QStringLiteral("Action"), QStringLiteral("Ctrl+O"), [this] { chooseLibrary(); }});
    entries.push_back({QStringLiteral("Open a checkpoint…"), QStringLiteral("Action"), {}, [this] { m_foreign->choose(); }});
    for (auto&& each : pageEntries(m_page))
        entries.push_back(std::move(each));
    for (auto&& each : runEntries(*m_model, [this](const std::filesystem::path& folder) { openRun(folder); }))
        entries.push_back(std::move(each));
    for (auto&& each : settingEntries(m_page))
        entries.push_back(std::move(each));
    auto* palette = new CommandPalette(std::move(entries), this);
    palette->setAttribute(Qt::WA_DeleteOnClose);
    palette->move(mapToGlobal(QPoint((width() - palette->width()) / 2, 56)));
    palette->show();
}

void MainWindow::help()
{
    if (m_help == nullptr)
        m_help = new HelpSheet(this);
    m_help->showPage(m_stack->currentWidget() == m_page ? RunPage::pageId(m_page->page()) : QStringLiteral("library"));
}

void MainWindow::tell(const Said& said)
{
    if (said.trouble)
        m_notice->show({countedFromOne(said.text), said.detail, said.log});
    else
        m_status->showMessage(countedFromOne(said.text));
}

void MainWindow::escape()
{
    if (m_notice->empty())
        leaveForm();
    else
        m_notice->dismiss();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event)
{
    if (!ForeignCheckpoints::pathIn(event->mimeData()).isEmpty())
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event)
{
    const QString path = ForeignCheckpoints::pathIn(event->mimeData());
    if (path.isEmpty())
        return;
    event->acceptProposedAction();
    m_foreign->open(path);
}

void MainWindow::closeEvent(QCloseEvent* event)
{
    saveLayout();
    QSettings settings;
    const QString key = QStringLiteral("hints/runs_go_on");
    if (m_model->liveCount() > 0 && !settings.value(key, false).toBool()) {
        QMessageBox box(QMessageBox::Information, QStringLiteral("Espalier"),
                        QStringLiteral("Runs that are training go on without this window. Open it again at any time to watch them."),
                        QMessageBox::Ok, this);
        box.setObjectName(QStringLiteral("runsGoOn"));
        auto* never = new QCheckBox(QStringLiteral("Don't show this again"), &box);
        never->setObjectName(QStringLiteral("neverAgain"));
        box.setCheckBox(never);
        box.exec();
        if (never->isChecked())
            settings.setValue(key, true);
    }
    event->accept();
}

} // namespace espalier::gui
