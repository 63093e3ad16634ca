// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/run_page.h"

#include "widgets/card.h"
#include "widgets/configuration_page.h"
#include "widgets/format.h"
#include "widgets/run_header.h"
#include "widgets/stage_lanes.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"
#include "widgets/watch_page.h"

#include <QEvent>
#include <QSet>
#include <QTabBar>
#include <QTabWidget>
#include <QVBoxLayout>

namespace espalier::gui {

using namespace widgets;

RunPage::RunPage(QWidget* parent)
    : QWidget(parent), m_axis(new TimeAxis(this)), m_header(new RunHeader(this)), m_lanes(new StageLanes(m_axis, this)),
      m_tabs(new QTabWidget(this)), m_watch(new WatchPage(m_axis, this)), m_configuration(new ConfigurationPage(this))
{
    setObjectName(QStringLiteral("runPage"));
    buildLayout();
    connectSignals();
}

QString RunPage::pageId(Page page)
{
    static const char* const kIds[] = {"watch", "samples", "evaluation", "checkpoints", "configuration", "log"};
    return QLatin1String(kIds[page]);
}

QString RunPage::pageTitle(Page page)
{
    static const char* const kTitles[] = {"Watch", "Samples", "Evaluation", "Checkpoints", "Configuration", "Log"};
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
    m_tabs->addTab(m_watch, pageTitle(Watch));
    for (const auto page : {Samples, Evaluation, Checkpoints})
        m_tabs->addTab(new EmptyNote(pageTitle(page), {}, m_tabs), pageTitle(page));
    m_tabs->addTab(m_configuration, pageTitle(Configuration));
    m_tabs->addTab(new EmptyNote(pageTitle(Log), {}, m_tabs), pageTitle(Log));
    for (int i = 0; i < m_tabs->count(); ++i)
        m_tabs->setTabToolTip(i, QStringLiteral("%1 (%2)").arg(m_tabs->tabText(i)).arg(i + 1));
    m_lanes->installEventFilter(this);
}

void RunPage::connectSignals()
{
    connect(m_watch, &WatchPage::queryChanged, this, &RunPage::queryChanged);
    connect(m_watch, &WatchPage::plotSpanChanged, this, &RunPage::alignLanes);
    connect(m_watch, &WatchPage::samplesOpened, this, [this] { showPage(Samples); });
    connect(m_watch, &WatchPage::sampleRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Sample); });
    connect(m_watch, &WatchPage::evaluateRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Evaluate); });
    connect(m_watch, &WatchPage::csvRequested, this,
            [this](const QStringList& tags, const QString& file) { Q_EMIT csvRequested(tags.value(0), file); });
    connect(m_watch, &WatchPage::message, this, &RunPage::message);
    connect(m_header, &RunHeader::resumeRequested, this, [this] { Q_EMIT actionRequested(runs::Action::Start); });
    connect(m_header, &RunHeader::duplicateRequested, this, [this] { Q_EMIT duplicateRequested(m_view.config, qstr(m_view.name)); });
    connect(m_header, &RunHeader::logOpened, this, [this] { showPage(Log); });
    connect(m_configuration, &ConfigurationPage::startRequested, this, &RunPage::newRunRequested);
    connect(m_configuration, &ConfigurationPage::startPossible, this, [this](const QString& whyNot) {
        if (m_editing)
            Q_EMIT startPossible(whyNot);
    });
    connect(m_configuration, &ConfigurationPage::duplicateRequested, this, &RunPage::duplicateRequested);
}

void RunPage::setRun(const RunChanged& change)
{
    const bool other = change.view.folder != m_view.folder;
    const bool config = other || change.view.config != m_view.config;
    m_view = change.view;
    if (m_editing)
        return; // shown when the form is left
    m_header->setRun(m_view);
    m_lanes->setTraining(runs::isLive(m_view.state));
    showLanesWords();
    m_watch->setRun(m_view);
    if (config)
        m_configuration->showRun(qstr(m_view.name), m_view.config.is_object() ? m_view.config : Json::object());
}

void RunPage::showLanesWords()
{
    const auto& p = m_view.progress;
    const auto stages = std::max<std::size_t>(1, m_view.stages->size());
    QString schedule = QStringLiteral("plain");
    if (m_view.config.is_object() && m_view.config.contains("schedule") && m_view.config["schedule"].is_object() &&
        m_view.config["schedule"].contains("kind") && m_view.config["schedule"]["kind"].is_string())
        schedule = scheduleName(qstr(m_view.config["schedule"]["kind"].get<std::string>()));
    QStringList parts{schedule, QStringLiteral("%1 stage%2").arg(stages).arg(stages == 1 ? QString() : QStringLiteral("s"))};
    if (p.ofSteps > 0)
        parts << number(p.ofSteps) + QStringLiteral(" steps");
    else if (p.ofImages > 0)
        parts << compact(p.ofImages) + QStringLiteral(" images");
    if (p.ofSeconds > 0)
        parts << QStringLiteral("at most ") + duration(p.ofSeconds);

    QString forecast, detail;
    if (p.seconds > 0)
        detail = QStringLiteral("trained %1").arg(duration(p.seconds));
    if (m_view.state == runs::RunState::Finished)
        forecast = QStringLiteral("finished");
    else if (p.etaSeconds && runs::isLive(m_view.state))
        forecast = QStringLiteral("forecast %1").arg(duration(p.seconds + *p.etaSeconds));
    else if (p.fraction > 0)
        forecast = QStringLiteral("%1 % done").arg(qRound(p.fraction * 100));
    if (p.images > 0)
        detail += (detail.isEmpty() ? QString() : QStringLiteral(" · ")) + QStringLiteral("%1 images").arg(compact(p.images));
    m_lanes->setWords(parts.join(QStringLiteral(" · ")), forecast, detail);
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
    for (const auto& run : runs)
        names.insert(qstr(run.name));
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
    setRun({view, {}, true});
    showPage(m_pageBefore == Configuration ? Watch : m_pageBefore);
}

QString RunPage::whyNotStart() const
{
    return m_configuration->whyNotStart();
}

void RunPage::startForm()
{
    m_configuration->start();
}

void RunPage::showPage(Page page)
{
    if (m_tabs->isTabEnabled(page))
        m_tabs->setCurrentIndex(page);
}

RunPage::Page RunPage::page() const
{
    return static_cast<Page>(m_tabs->currentIndex());
}

void RunPage::alignLanes()
{
    if (!m_watch->isVisible())
        return; // the last alignment holds: the page keeps its shape
    const auto [left, right] = m_watch->plotSpan();
    const int origin = m_lanes->mapToGlobal(QPoint(0, 0)).x();
    if (right > left)
        m_lanes->setSpan(left - origin, right - origin);
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
        showPage(static_cast<Page>(std::clamp(state["page"].get<int>(), 0, 5)));
}

} // namespace espalier::gui
