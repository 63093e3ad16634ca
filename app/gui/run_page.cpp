// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/run_page.h"

#include "core/config/config.h"
#include "core/plan/search_results.h"
#include "core/plan/stage_config.h"
#include "widgets/checkpoints_page.h"
#include "widgets/compare_view.h"
#include "widgets/configuration_page.h"
#include "widgets/evaluation_page.h"
#include "widgets/expectations.h"
#include "widgets/format.h"
#include "widgets/image_provider.h"
#include "widgets/log_page.h"
#include "widgets/run_header.h"
#include "widgets/samples_page.h"
#include "widgets/search_page.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_outcomes.h"
#include "widgets/stage_view.h"
#include "widgets/stage_words.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"
#include "widgets/watch_page.h"

#include <QEvent>
#include <QSet>
#include <QTabBar>
#include <QTabWidget>
#include <QVBoxLayout>

#include <algorithm>
#include <map>
#include <utility>

namespace espalier::gui {

using namespace widgets;

RunPage::RunPage(QWidget* parent)
    : QWidget(parent), m_axis(new TimeAxis(this)), m_header(new RunHeader(this)), m_lanes(new StageLanes(m_axis, this)),
      m_tabs(new QTabWidget(this)), m_watch(new WatchPage(m_axis, this)), m_images(new ImageProvider(this)),
      m_samples(new SamplesPage(m_images, this)), m_evaluation(new EvaluationPage(m_images, this)),
      m_checkpoints(new CheckpointsPage(this)), m_configuration(new ConfigurationPage(this)), m_log(new LogPage(this)),
      m_search(new SearchPage(this))
{
    setObjectName(QStringLiteral("runPage"));
    buildLayout();
    connectSignals();
}

QString RunPage::pageId(Page page)
{
    static const char* const kIds[] = {"watch", "samples", "evaluation", "checkpoints", "configuration", "log", "search"};
    return QLatin1String(kIds[page]);
}

QString RunPage::pageTitle(Page page)
{
    static const char* const kTitles[] = {"Watch", "Samples", "Evaluation", "Checkpoints", "Configuration", "Log", "Search"};
    return QLatin1String(kTitles[page]);
}

void RunPage::buildLayout()
{
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(metric::kPageMargin, 11, metric::kPageMargin, 8);
    column->setSpacing(9);
    column->addWidget(m_header);
    column->addWidget(m_lanes);
    m_tabs->setObjectName(QStringLiteral("pages"));
    m_tabs->setAccessibleName(QStringLiteral("Pages"));
    m_tabs->tabBar()->setDrawBase(false);
    m_tabs->tabBar()->setExpanding(false);
    column->addWidget(m_tabs, 1);
    QWidget* const pages[] = {m_watch, m_samples, m_evaluation, m_checkpoints, m_configuration, m_log, m_search};
    for (int i = 0; i < kPages; ++i) {
        m_tabs->addTab(pages[i], pageTitle(static_cast<Page>(i)));
        if (i != Watch) // it has this gap itself
            pages[i]->setContentsMargins(0, metric::kCardGap - 2, 0, 0);
    }
    for (int i = 0; i < m_tabs->count(); ++i)
        m_tabs->setTabToolTip(i, QStringLiteral("%1 (%2)").arg(m_tabs->tabText(i)).arg(i + 1));
    m_tabs->setTabVisible(Search, false);
    m_lanes->installEventFilter(this);
}

void RunPage::connectSignals()
{
    connect(m_tabs, &QTabWidget::currentChanged, this, [this](int page) {
        if (page == Evaluation && !m_editing)
            showStages(true);
    });
    connect(m_watch, &WatchPage::queryChanged, this, &RunPage::queryChanged);
    connect(m_watch, &WatchPage::plotSpanChanged, this, &RunPage::alignLanes);
    connect(m_watch, &WatchPage::samplesOpened, this, [this] { showPage(Samples); });
    connect(m_watch, &WatchPage::sampleRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Sample); });
    connect(m_watch, &WatchPage::evaluateRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Evaluate); });
    connect(m_watch, &WatchPage::csvRequested, this,
            [this](const QStringList& tags, const QString& file) { Q_EMIT csvRequested(tags.join(QLatin1Char(',')), file); });
    connect(m_watch, &WatchPage::message, this, &RunPage::message);
    connect(m_header, &RunHeader::resumeRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Start); });
    connect(m_header, &RunHeader::duplicateRequested, this, [this] { Q_EMIT duplicateRequested(m_view.config, qstr(m_view.name)); });
    connect(m_header, &RunHeader::logOpened, this, [this] { showPage(Log); });
    connect(m_configuration, &ConfigurationPage::startRequested, this, &RunPage::newRunRequested);
    connect(m_configuration, &ConfigurationPage::startPossible, this, [this](const QString& whyNot) {
        if (m_editing)
            Q_EMIT startPossible(whyNot);
    });
    connect(m_configuration, &ConfigurationPage::comparisonRequested, this, &RunPage::configWanted);
    connect(m_configuration, &ConfigurationPage::paceWanted, this, &RunPage::paceWanted);
    connect(m_configuration, &ConfigurationPage::duplicateRequested, this, &RunPage::duplicateRequested);
    connect(m_lanes, &StageLanes::searchClicked, this, [this](int stage) {
        m_search->showSearch(stage);
        showPage(Search);
    });
    connect(m_lanes, &StageLanes::moduleRequested, this, &RunPage::moduleRequested);
    m_lanes->setMenuOf([this](QMenu& menu, const BlockView& block) { fillStageMenu(menu, block); });
    connect(m_checkpoints, &CheckpointsPage::forkRequested, this, &RunPage::forkRequested);
    connect(m_lanes, &StageLanes::blockClicked, this, [this](int stage) { m_samples->setStage(m_view.stages->size() > 1 ? stage : -1); });
    connect(m_samples, &SamplesPage::sampleRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Sample); });
    connect(m_evaluation, &EvaluationPage::evaluateRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Evaluate); });
    connect(m_evaluation, &EvaluationPage::stepChosen, this, [this](qint64 step) {
        m_samples->showStep(step);
        m_checkpoints->choose(step);
    });
    connect(m_evaluation, &EvaluationPage::stageOpened, this, [this](int stage) {
        m_samples->setStage(stage);
        m_lanes->setSelected(stage);
        showPage(widgets::drawsImages(m_view.config) ? Samples : Watch);
    });
    connect(m_evaluation->comparison(), &CompareView::runsWanted, this, &RunPage::comparedWanted);
    connect(m_evaluation, &EvaluationPage::stagePointed, m_lanes, &StageLanes::setPointed);
    connect(m_evaluation, &EvaluationPage::stageChosen, m_lanes, &StageLanes::setSelected);
    connect(m_checkpoints, &CheckpointsPage::checkpointRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Checkpoint); });
    connect(m_checkpoints, &CheckpointsPage::sampleRequested, this, &RunPage::sampleFromRequested);
    connect(m_checkpoints, &CheckpointsPage::exportRequested, this, &RunPage::exportRequested);
    connect(m_checkpoints, &CheckpointsPage::keepRequested, this, &RunPage::keepRequested);
    connect(m_checkpoints, &CheckpointsPage::verifyRequested, this, [this](qint64 step) {
        m_checkpoints->setCheck(step, {CheckpointCheck::Checking, {}});
        Q_EMIT verifyRequested(step);
    });
    connect(m_checkpoints, &CheckpointsPage::deleteRequested, this, &RunPage::deleteRequested);
    connect(m_checkpoints, &CheckpointsPage::openFolderRequested, this,
            [this](const QString& folder) { Q_EMIT fileOpened(qstr((m_view.folder / folder.toStdString()).string())); });
    connect(m_log, &LogPage::openLogFileRequested, this,
            [this] { Q_EMIT fileOpened(qstr(runs::RunFolder(m_view.folder).logFile().string())); });
}

void RunPage::setRun(const RunChanged& change)
{
    const auto before = std::exchange(m_view, change.view);
    placeInQueue();
    logEvents(change);
    if (m_editing)
        return; // shown when the form is left
    m_header->setRun(m_view);
    m_lanes->setTraining(runs::isLive(m_view.state));
    showLanesWords();
    m_watch->setRun(m_view);
    // Most changes are a few new points: lists that did not change are not shown anew.
    const bool other = before.folder != m_view.folder, config = other || before.config != m_view.config;
    const bool state = config || before.state != m_view.state;
    if (config || before.plan != m_view.plan)
        showPlan();
    if (state || before.samples != m_view.samples)
        showSamples(other || before.samples != m_view.samples);
    if (state || before.evaluations != m_view.evaluations || m_view.state == runs::RunState::Evaluating)
        showEvaluations();
    if (state || before.checkpoints != m_view.checkpoints || before.plan != m_view.plan)
        showCheckpoints();
    showStages(state || before.plan != m_view.plan || before.samples != m_view.samples || before.evaluations != m_view.evaluations ||
               before.branchEvaluations != m_view.branchEvaluations);
    m_evaluation->comparison()->setRun(qstr(m_view.folder.string()));
    if (!other && before.evaluations != m_view.evaluations)
        m_evaluation->comparison()->refresh();
    if (other)
        m_lanes->setSelected(-1);
    if (config)
        m_configuration->showRun(qstr(m_view.name), m_view.config.is_object() ? m_view.config : Json::object());
}

void RunPage::showSamples(bool changed)
{
    if (changed)
        m_samples->setSamples(qstr(m_view.folder.string()), *m_view.samples);
    const auto may = runs::possible(runs::Action::Sample, m_view.state);
    m_samples->setExpectation(widgets::expectedSamples(m_view), widgets::drawsImages(m_view.config)
                                                                    ? qstr(may.why)
                                                                    : QStringLiteral("How well it does is on the page Evaluation."));
}

void RunPage::showEvaluations()
{
    m_evaluation->setDraws(widgets::drawsImages(m_view.config));
    m_evaluation->setEvaluations(*m_view.evaluations);
    m_evaluation->setConfusion(m_view.confusion);
    const auto may = runs::possible(runs::Action::Evaluate, m_view.state);
    m_evaluation->setEvaluatePossible(qstr(may.why), m_view.state == runs::RunState::Evaluating
                                                         ? QStringLiteral("Evaluating step %1 …").arg(number(m_view.progress.step))
                                                         : QString());
    m_evaluation->setExpectation(widgets::expectedMeasurements(m_view));
}

void RunPage::showCheckpoints()
{
    config::CheckpointConfig keeping;
    if (const auto read = config::read(m_view.config.is_object() ? m_view.config : Json::object()))
        keeping = read->checkpoints;
    m_checkpoints->setCheckpoints(*m_view.checkpoints, keeping);
    const auto live = runs::isLive(m_view.state);
    m_checkpoints->setPossible(qstr(runs::possible(runs::Action::Checkpoint, m_view.state).why),
                               live ? QStringLiteral("This run is training: press Sample to draw from it as it is now.") : QString(),
                               live ? QStringLiteral("This run is training. Stop it before you delete a checkpoint.") : QString());
    m_checkpoints->setExpectation(
        keeping.every > 0
            ? QStringLiteral("A checkpoint appears here every %1 steps, and whenever the run pauses or ends.").arg(number(keeping.every))
            : QStringLiteral("A checkpoint appears here when the run pauses, stops or finishes."));
}

void RunPage::showPlan()
{
    std::vector<SearchView> searches;
    bool any = false;
    const auto config = config::read(m_view.config.is_object() ? m_view.config : Json::object());
    if (m_view.plan && config)
        for (const auto& stage : m_view.plan->stages) {
            any = any || !stage.window.empty();
            if (auto found = plan::searchResults(*m_view.plan, stage, *config))
                searches.push_back({stage.index, config->search.cost == config::SearchCost::Measured, *std::move(found)});
        }
    m_search->setSearches(searches);
    const StageNames names(m_view.plan.get());
    m_samples->setStageNames(names);
    m_checkpoints->setStageNames(names);
    if (!any && page() == Search)
        showPage(Watch);
    m_tabs->setTabVisible(Search, any);
    m_checkpoints->setStageEnds(m_view.plan ? stageEnds(*m_view.plan) : std::map<std::int64_t, int>{});
}

/// The times of the stage that trains move all the time: they are shown while somebody looks.
void RunPage::showStages(bool changed)
{
    if (!changed && !m_evaluation->isVisible())
        return;
    const auto config = config::read(m_view.config.is_object() ? m_view.config : Json::object());
    auto measured = *m_view.evaluations;
    measured.insert(measured.end(), m_view.branchEvaluations->begin(), m_view.branchEvaluations->end());
    const TargetState state{m_view.state, &m_view.progress, &m_view.branchStatus};
    m_evaluation->setStages(qstr(m_view.folder.string()),
                            m_view.plan ? stageOutcomes(*m_view.plan, m_view.progress, *m_view.samples, measured,
                                                        config ? plan::pixelsPerPosition(*config) : 1, m_view.branches)
                                        : StageOutcomes{},
                            m_view.plan ? targetView(*m_view.plan, &state) : TargetView{});
}

void RunPage::setMachine(const MachineChanged& machine)
{
    m_configuration->setMachine(machine.machine);
}

void RunPage::setQueue(const QueueView& queue)
{
    m_queue = queue;
    const int place = m_view.queuePlace;
    const QString why = m_view.queueWhy;
    placeInQueue();
    if (m_editing || (place == m_view.queuePlace && why == m_view.queueWhy))
        return;
    m_header->setRun(m_view);
    m_watch->setRun(m_view);
}

void RunPage::placeInQueue()
{
    m_view.queuePlace = m_queue.placeOf(m_view.folder);
    m_view.queueWhy = m_view.queuePlace > 0 ? m_queue.entries[static_cast<std::size_t>(m_view.queuePlace) - 1].why : QString();
}

void RunPage::appendLog(const LogArrived& log)
{
    std::vector<LogLine> lines;
    for (const auto& line : log.lines)
        lines.push_back(parseLogLine(line));
    if (log.fresh)
        m_firstLines = std::move(lines); // shown with the events that come with the run, in order of time
    else
        m_log->append(lines);
}

void RunPage::logEvents(const RunChanged& change)
{
    std::vector<LogLine> lines;
    if (change.fresh) {
        m_log->clear();
        lines = std::exchange(m_firstLines, {});
        // A line without a time belongs to the one before it.
        double time = 0.0;
        for (auto& line : lines)
            time = line.time > 0 ? line.time : (line.time = time);
    }
    for (const auto& event : change.events)
        if (auto line = logLineOf(event))
            lines.push_back(std::move(*line));
    if (change.fresh)
        std::stable_sort(lines.begin(), lines.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    if (!lines.empty())
        m_log->append(lines);
}

void RunPage::setCheck(const CheckpointChecked& check)
{
    if (check.folder == m_view.folder)
        m_checkpoints->setCheck(check.step, {check.good ? CheckpointCheck::Good : CheckpointCheck::Damaged, check.sentence});
}

void RunPage::setComparison(const ConfigRead& read)
{
    m_configuration->setComparison(qstr(read.folder.string()), read.config);
}

void RunPage::setCompared(const RunsCompared& compared)
{
    if (std::ranges::find(compared.folders, m_view.folder) == compared.folders.end())
        return; // another run is looked at by now
    m_evaluation->comparison()->setRuns(compared.runs, compared.problem);
}

void RunPage::setPlotData(const PlotData& data)
{
    if (m_editing || data.folder != m_view.folder)
        return;
    m_watch->setPlotData(data);
    if (data.query.axis == m_axis->kind())
        m_lanes->setBlocks(data.blocks);
    alignLanes();
}

void RunPage::setGrid(const GridArrived& grid)
{
    if (grid.folder == m_view.folder)
        m_watch->setNewestGrid(grid.image, grid.entry);
}

void RunPage::setLibrary(const std::filesystem::path& folder, const std::vector<runs::RunSummary>& runs)
{
    m_configuration->setLibraryFolder(qstr(folder.string()));
    QSet<QString> names;
    std::vector<ConfigurationPage::Comparable> others;
    std::vector<CompareView::Other> compared;
    for (const auto& run : runs) {
        names.insert(qstr(run.name));
        others.push_back({qstr(run.folder.string()), qstr(run.name)});
        compared.push_back({qstr(run.folder.string()), qstr(run.name)});
    }
    m_configuration->setComparable(others);
    m_evaluation->comparison()->setOthers(std::move(compared));
    m_configuration->setTakenNames(names);
}

void RunPage::editNew(const Json& config, const QString& presetId, const QString& name)
{
    if (!m_editing)
        m_pageBefore = page();
    m_editing = true;
    m_configuration->editNew(config, presetId, name);
    m_header->setNew(QStringLiteral("New run"), {});
    m_lanes->hide();
    for (int i = 0; i < m_tabs->count(); ++i)
        m_tabs->setTabEnabled(i, i == Configuration);
    showPage(Configuration);
    Q_EMIT startPossible(whyNotStart());
}

void RunPage::leaveForm()
{
    if (!m_editing)
        return;
    m_editing = false;
    for (int i = 0; i < m_tabs->count(); ++i)
        m_tabs->setTabEnabled(i, true);
    m_lanes->show();
    const auto view = m_view;
    m_view = {};
    setRun({view, {}, false}); // the log stands as it was
    showPage(m_pageBefore == Configuration ? Watch : m_pageBefore);
}

QString RunPage::whyNotStart() const
{
    return m_configuration->whyNotStart();
}

void RunPage::startForm(bool queued)
{
    m_configuration->start(queued);
}

void RunPage::showPage(Page page)
{
    if (m_tabs->isTabEnabled(page) && m_tabs->isTabVisible(page))
        m_tabs->setCurrentIndex(page);
}

RunPage::Page RunPage::page() const
{
    return static_cast<Page>(m_tabs->currentIndex());
}

bool RunPage::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == m_lanes && (event->type() == QEvent::Resize || event->type() == QEvent::Show))
        QMetaObject::invokeMethod(this, &RunPage::alignLanes, Qt::QueuedConnection);
    return QWidget::eventFilter(watched, event);
}

Json RunPage::layoutState() const
{
    return {{"page", static_cast<int>(m_editing ? m_pageBefore : page())}, {"watch", m_watch->layoutState()}};
}

void RunPage::restoreLayout(const Json& state)
{
    if (!state.is_object())
        return;
    if (state.contains("watch"))
        m_watch->restoreLayout(state["watch"]);
    if (state.contains("page") && state["page"].is_number_integer())
        showPage(static_cast<Page>(std::clamp(state["page"].get<int>(), 0, kPages - 2)));
}

} // namespace espalier::gui
