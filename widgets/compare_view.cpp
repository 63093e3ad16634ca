// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/compare_view.h"

#include "core/runs/metrics.h"
#include "widgets/card.h"
#include "widgets/compare_model.h"
#include "widgets/page_parts.h"
#include "widgets/plot_view.h"
#include "widgets/run_values.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QEvent>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr int kFirstColour = 0;

XAxis axisOf(plan::Equal equal)
{
    return equal == plan::Equal::Images ? XAxis::Images : equal == plan::Equal::WallTime ? XAxis::WallTime : XAxis::TrainingTime;
}

} // namespace

CompareView::CompareView(QWidget* parent) : QWidget(parent), m_model(new CompareModel(this)), m_axis(new TimeAxis(this))
{
    setObjectName(QStringLiteral("compareView"));
    setAccessibleName(tr("Against other runs"));
    buildLayout();
    connectSignals();
    showComparison();
}

void CompareView::buildLayout()
{
    m_choose = headerButton(QStringLiteral("compareWith"), tr("Compare with"), QStringLiteral("chevron-down"), this);
    m_choose->setPopupMode(QToolButton::InstantPopup);
    m_choose->setMenu(new QMenu(m_choose));
    m_choose->setToolTip(tr("Which runs of the library to hold against this one"));
    m_baseline = new QComboBox(this);
    m_baseline->setObjectName(QStringLiteral("compareBaseline"));
    m_baseline->setAccessibleName(tr("Baseline"));
    m_baseline->setToolTip(tr("The run that the others are measured by"));
    m_equal = new QComboBox(this);
    m_equal->setObjectName(QStringLiteral("compareEqual"));
    m_equal->setAccessibleName(tr("What is equal"));
    m_equal->setToolTip(
        tr("Device time adds up what all modules, ranks and devices trained; wall-clock counts what stands side by side once"));
    m_equal->addItem(tr("equal wall-clock"), static_cast<int>(plan::Equal::WallTime));
    m_equal->addItem(tr("equal device time"), static_cast<int>(plan::Equal::DeviceTime));
    m_equal->addItem(tr("equal images"), static_cast<int>(plan::Equal::Images));
    auto* row = new QHBoxLayout;
    row->setSpacing(metric::kGap);
    row->addWidget(m_choose);
    row->addWidget(dimLabel(tr("Baseline"), this));
    row->addWidget(m_baseline);
    row->addWidget(dimLabel(tr("at"), this));
    row->addWidget(m_equal);
    row->addStretch(1);

    m_plotCard = new Card(tr("Results"), this);
    m_legend = dimLabel(QString(), m_plotCard);
    m_legend->setObjectName(QStringLiteral("compareLegend"));
    m_legend->setTextFormat(Qt::RichText);
    m_plotCard->header()->addWidget(m_legend);
    m_plot = new PlotView(m_axis, m_plotCard);
    m_plot->setObjectName(QStringLiteral("comparePlot"));
    m_plot->setAccessibleName(tr("Results of the runs over what is equal"));
    m_plotCard->body()->addWidget(m_plot, 1);
    auto* tableCard = new Card(tr("At equal cost"), this);
    tableCard->layout()->setContentsMargins(1, 10, 1, 4); // rows reach from hairline to hairline
    tableCard->header()->setContentsMargins(12, 0, 12, 0);
    auto* copy = headerButton(QStringLiteral("copyCompareCsv"), tr("Copy as CSV"), QStringLiteral("copy"), tableCard);
    tableCard->header()->addWidget(copy);
    m_table = new QTableView(tableCard);
    m_table->setObjectName(QStringLiteral("compareTable"));
    m_table->setAccessibleName(tr("Runs compared"));
    m_table->setModel(m_model);
    styleTable(m_table);
    m_table->setSortingEnabled(false);                                       // the baseline stands first
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch); // titles are wider than what stands below them
    tableCard->body()->addWidget(m_table, 1);
    auto* content = new QWidget(this);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap);
    column->addWidget(m_plotCard, 3);
    column->addWidget(tableCard, 2);
    m_empty = new EmptyNote(QString(), QString(), this);
    m_empty->setObjectName(QStringLiteral("compareEmpty"));
    m_stack = new QStackedWidget(this);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(content);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->setSpacing(metric::kGap);
    whole->addLayout(row);
    whole->addWidget(m_stack, 1);
    const auto toClipboard = [this] { QGuiApplication::clipboard()->setText(csv()); };
    connect(copy, &QToolButton::clicked, this, toClipboard);
    onCopyKey(m_table, toClipboard);
}

void CompareView::connectSignals()
{
    connect(m_choose->menu(), &QMenu::aboutToShow, this, &CompareView::fillMenu);
    connect(m_baseline, &QComboBox::activated, this, &CompareView::refresh);
    connect(m_equal, &QComboBox::currentIndexChanged, this, &CompareView::showComparison);
}

void CompareView::setRun(const QString& folder)
{
    if (folder == m_folder)
        return;
    m_folder = folder;
    m_chosen.clear();
    m_runs.clear();
    m_problem.clear();
    fillBaseline();
    showComparison();
}

void CompareView::setOthers(std::vector<Other> others)
{
    if (others == m_others)
        return;
    m_others = std::move(others);
    fillBaseline();
    showComparison();
}

void CompareView::fillMenu()
{
    auto* menu = m_choose->menu();
    menu->clear();
    for (const auto& other : m_others) {
        if (other.folder == m_folder)
            continue;
        auto* action = menu->addAction(other.name, this, [this, folder = other.folder](bool on) { choose(folder, on); });
        action->setCheckable(true);
        action->setChecked(m_chosen.contains(other.folder));
    }
    if (menu->isEmpty())
        menu->addAction(tr("There is no other run in the library"))->setEnabled(false);
}

void CompareView::choose(const QString& folder, bool chosen)
{
    m_chosen.removeAll(folder);
    if (chosen)
        m_chosen << folder;
    fillBaseline();
    refresh();
}

void CompareView::fillBaseline()
{
    const QString before = m_baseline->currentData().toString();
    m_baseline->clear();
    for (const auto& folder : QStringList{m_folder} + m_chosen)
        if (!folder.isEmpty())
            m_baseline->addItem(nameOf(folder), folder);
    m_baseline->setCurrentIndex(std::max(0, m_baseline->findData(before)));
    m_baseline->setEnabled(m_baseline->count() > 1);
}

QString CompareView::nameOf(const QString& folder) const
{
    const auto found = std::ranges::find(m_others, folder, &Other::folder);
    return found == m_others.end() ? folder.section(QLatin1Char('/'), -1) : found->name;
}

void CompareView::refresh()
{
    if (m_chosen.isEmpty()) {
        m_runs.clear();
        return showComparison();
    }
    if (!isVisible())
        return; // read when somebody looks
    QStringList folders = QStringList{m_folder} + m_chosen;
    const QString first = m_baseline->currentData().toString();
    folders.removeAll(first);
    folders.prepend(first);
    Q_EMIT runsWanted(folders);
}

void CompareView::setRuns(std::vector<plan::ComparedRun> runs, const QString& problem)
{
    m_runs = std::move(runs);
    m_problem = problem;
    showComparison();
}

void CompareView::setEqual(plan::Equal equal)
{
    m_equal->setCurrentIndex(m_equal->findData(static_cast<int>(equal)));
}

void CompareView::showComparison()
{
    const auto equal = static_cast<plan::Equal>(m_equal->currentData().toInt());
    const auto nothing = [this](const QString& title, const QString& why) {
        m_model->set({}, {}, plan::Equal::WallTime);
        m_empty->setText(title, why);
        m_stack->setCurrentIndex(0);
    };
    if (m_chosen.isEmpty())
        return nothing(tr("Nothing to compare with"),
                       tr("Choose other runs above: their results appear here over equal wall-clock, device time or images."));
    if (!m_problem.isEmpty() || m_runs.empty())
        return nothing(m_problem.isEmpty() ? tr("Reading…") : tr("These runs cannot be compared"), m_problem);
    auto comparison = plan::compare(m_runs, equal);
    if (!comparison)
        return nothing(tr("These runs cannot be compared"), qstr(comparison.error().message));
    std::vector<DistanceSeries> series;
    double last = 0.0;
    for (const auto& run : m_runs) {
        DistanceSeries one{comparison->metric, run.name, {}, {}, {}};
        for (const auto& each : run.series)
            if (each.metric == comparison->metric && each.recipe == comparison->recipe)
                for (const auto& point : each.points) {
                    one.points.push_back({point.at(equal), point.value, point.step, {}});
                    last = std::max(last, point.at(equal));
                }
        series.push_back(std::move(one));
    }
    m_axis->setKind(axisOf(equal));
    m_axis->setExtent(0.0, std::max(1.0, last * 1.04), last);
    m_plot->setDistances(std::move(series), kFirstColour);
    m_plot->setMarks({{comparison->equal, tr("all have taken this").toStdString(), false}});
    m_plotCard->setTitle(tr("%1 over %2")
                             .arg(qstr(runs::metricTitle(comparison->metric)), equal == plan::Equal::DeviceTime
                                                                                   ? tr("the time of all devices together")
                                                                               : equal == plan::Equal::WallTime ? tr("the time on the wall")
                                                                                                                : tr("images")));
    m_plotCard->setToolTip(qstr(comparison->recipe));
    m_model->set(m_runs, *std::move(comparison), equal);
    showLegend();
    m_stack->setCurrentIndex(1);
}

void CompareView::showLegend()
{
    const Tokens& t = tokens(QApplication::palette());
    QStringList entries;
    for (std::size_t i = 0; i < m_runs.size(); ++i)
        entries << QStringLiteral("<span style=\"color:%1\">●</span>&nbsp;%2")
                       .arg(t.series[(i + kFirstColour) % t.series.size()].name(), qstr(m_runs[i].name).toHtmlEscaped());
    m_legend->setText(entries.join(QStringLiteral("&nbsp;&nbsp; ")));
}

void CompareView::showEvent(QShowEvent* event)
{
    QWidget::showEvent(event);
    refresh();
}

void CompareView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_legend != nullptr)
        showLegend();
}

QString CompareView::csv() const
{
    return tableCsv(*m_model);
}

} // namespace espalier::widgets
