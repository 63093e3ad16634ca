// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/evaluation_page.h"

#include "widgets/card.h"
#include "widgets/compare_view.h"
#include "widgets/confusion_view.h"
#include "widgets/evaluation_model.h"
#include "widgets/page_parts.h"
#include "widgets/plot_view.h"
#include "widgets/setting_text.h"
#include "widgets/stages_view.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QApplication>
#include <QButtonGroup>
#include <QClipboard>
#include <QGuiApplication>
#include <QEvent>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

namespace {
constexpr int kFirstColour = 1; // green belongs to the loss
}

EvaluationPage::EvaluationPage(ImageProvider* images, QWidget* parent)
    : QWidget(parent), m_model(new EvaluationModel(this)), m_sorted(new QSortFilterProxyModel(this)), m_images(images)
{
    setObjectName(QStringLiteral("evaluationPage"));
    setAccessibleName(tr("Evaluation"));
    m_sorted->setSourceModel(m_model);
    m_sorted->setSortRole(kRawRole);
    buildLayout();
    connectSignals();
    setEvaluatePossible(QString());
    setEvaluations({});
}

void EvaluationPage::buildLayout()
{
    m_axis = new TimeAxis(this);
    m_plotCard = new Card(tr("Distance over the steps"), this);
    m_plot = new PlotView(m_axis, m_plotCard);
    m_plot->setObjectName(QStringLiteral("evaluationPlot"));
    m_plot->setAccessibleName(tr("Distances over the steps"));
    m_plot->setMinimumHeight(140);
    m_plotCard->body()->addWidget(m_plot, 1);
    m_legend = dimLabel(QString(), m_plotCard);
    m_legend->setObjectName(QStringLiteral("evaluationLegend"));
    m_legend->setTextFormat(Qt::RichText);
    m_plotCard->header()->addWidget(m_legend);

    m_confusionCard = new Card(tr("Confusion"), this);
    m_confusion = new ConfusionView(m_confusionCard);
    m_confusionCard->body()->addWidget(m_confusion, 1);
    m_confusionCard->hide();

    auto* tableCard = new Card(tr("Evaluations"), this);
    tableCard->layout()->setContentsMargins(1, 10, 1, 4); // rows reach from hairline to hairline
    tableCard->header()->setContentsMargins(12, 0, 12, 0);
    m_copy = headerButton(QStringLiteral("copyCsv"), tr("Copy as CSV"), QStringLiteral("copy"), tableCard);
    m_copy->setToolTip(tr("The chosen rows, or all of them (Ctrl+C)"));
    m_evaluate = pushButton(QStringLiteral("evaluateNow"), tr("Evaluate now…"), tableCard);
    setThemedIcon(m_evaluate, QStringLiteral("evaluate"));
    tableCard->header()->addWidget(m_copy);
    tableCard->header()->addWidget(m_evaluate);
    m_table = new QTableView(tableCard);
    m_table->setObjectName(QStringLiteral("evaluationTable"));
    m_table->setAccessibleName(tr("Evaluations"));
    m_table->setModel(m_sorted);
    styleTable(m_table);
    m_table->sortByColumn(EvaluationModel::Step, Qt::DescendingOrder);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->viewport()->installEventFilter(this);
    tableCard->body()->addWidget(m_table, 1);

    auto* content = new QWidget(this);
    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap);
    auto* row = new QHBoxLayout;
    row->setSpacing(metric::kCardGap);
    row->addWidget(m_plotCard, 3);
    row->addWidget(m_confusionCard, 2);
    column->addLayout(row, 2);
    column->addWidget(tableCard, 3);
    m_empty = new EmptyNote(QString(), QString(), this);
    m_empty->setObjectName(QStringLiteral("evaluationEmpty"));
    m_stack = new QStackedWidget(this);
    m_stages = new StagesView(m_images, this);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(content);
    m_stack->addWidget(m_stages);
    m_compare = new CompareView(this);
    m_stack->addWidget(m_compare);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->setSpacing(metric::kGap);
    whole->addWidget(makeSwitch());
    whole->addWidget(m_stack, 1);
}

QWidget* EvaluationPage::makeSwitch()
{
    m_switch = new QWidget(this);
    auto* row = new QHBoxLayout(m_switch);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(metric::kGrid);
    m_stepsButton = headerButton(QStringLiteral("evaluationBySteps"), tr("By step"), QString(), m_switch);
    m_stagesButton = headerButton(QStringLiteral("evaluationByStages"), tr("By stage"), QString(), m_switch);
    m_stagesButton->setToolTip(tr("What each stage took and brought: time against forecast, distance or accuracy, its newest samples"));
    m_stagesButton->hide();
    m_compareButton = headerButton(QStringLiteral("evaluationAgainst"), tr("Against other runs"), QString(), m_switch);
    m_compareButton->setToolTip(tr("This run and others at equal wall-clock, equal device time or equal images"));
    auto* group = new QButtonGroup(m_switch);
    for (QAbstractButton* button : {m_stepsButton, m_stagesButton, m_compareButton}) {
        button->setCheckable(true);
        group->addButton(button);
        row->addWidget(button);
    }
    row->addStretch(1);
    m_stepsButton->setChecked(true);
    return m_switch;
}

void EvaluationPage::connectSignals()
{
    connect(m_evaluate, &QPushButton::clicked, this, &EvaluationPage::evaluateRequested);
    connect(m_empty, &EmptyNote::actionRequested, this, &EvaluationPage::evaluateRequested);
    connect(m_stagesButton, &QAbstractButton::clicked, this, [this] { showByStage(true); });
    connect(m_stepsButton, &QAbstractButton::clicked, this, [this] { showByStage(false); });
    connect(m_compareButton, &QAbstractButton::clicked, this, [this] { showComparison(true); });
    connect(m_stages, &StagesView::stageOpened, this, &EvaluationPage::stageOpened);
    connect(m_stages, &StagesView::stagePointed, this, &EvaluationPage::stagePointed);
    connect(m_stages, &StagesView::stageChosen, this, &EvaluationPage::stageChosen);
    const auto copy = [this] { QGuiApplication::clipboard()->setText(csv()); };
    connect(m_copy, &QToolButton::clicked, this, copy);
    onCopyKey(m_table, copy);
    connect(m_table, &QTableView::activated, this, [this](const QModelIndex& index) {
        Q_EMIT stepChosen(index.siblingAtColumn(EvaluationModel::Step).data(kRawRole).toLongLong());
    });
}

void EvaluationPage::setEvaluations(const std::vector<runs::EvaluationEntry>& evaluations)
{
    m_model->setEntries(evaluations);
    fitColumns();
    showView();
    refreshPlot();
}

void EvaluationPage::setStages(const QString& folder, StageOutcomes outcomes, TargetView target)
{
    m_several = !outcomes.stages.empty();
    m_stagesButton->setVisible(m_several);
    m_stages->setOutcomes(folder, std::move(outcomes), m_draws);
    m_stages->setTarget(std::move(target));
    showView();
}

void EvaluationPage::showByStage(bool byStage)
{
    m_byStage = byStage;
    m_comparing = false;
    showView();
}

void EvaluationPage::showComparison(bool comparing)
{
    m_comparing = comparing;
    showView();
}

bool EvaluationPage::showsStages() const
{
    return m_byStage && m_several && !m_comparing;
}

void EvaluationPage::showView()
{
    (m_comparing ? m_compareButton : showsStages() ? m_stagesButton : m_stepsButton)->setChecked(true);
    m_stack->setCurrentIndex(m_comparing ? 3 : showsStages() ? 2 : m_model->entries().empty() ? 0 : 1);
}

void EvaluationPage::setConfusion(const std::shared_ptr<const ConfusionOfStep>& confusion)
{
    m_confusionCard->setVisible(confusion != nullptr);
    if (!confusion)
        return;
    m_confusionCard->setTitle(tr("Confusion at step %1").arg(groupedText(confusion->step)));
    m_confusion->setConfusion(confusion->confusion);
}

void EvaluationPage::setDraws(bool draws)
{
    m_draws = draws;
    setEvaluatePossible(m_whyNot, m_progress);
}

void EvaluationPage::refreshPlot()
{
    std::vector<DistanceSeries> series;
    double last = 0.0;
    for (const runs::EvaluationEntry& entry : m_model->entries()) {
        const runs::Evaluated& e = entry.evaluated;
        if (!std::isfinite(e.value))
            continue;
        const std::string recipe = recipeName(e).toStdString();
        auto found = std::find_if(series.begin(), series.end(), [&](const DistanceSeries& s) { return s.recipe == recipe; });
        if (found == series.end())
            found = series.insert(series.end(), DistanceSeries{e.metric, recipe, e.floor, {}, {}});
        found->points.push_back({static_cast<double>(e.step), e.value, e.step, e.spread});
        last = std::max(last, static_cast<double>(e.step));
    }
    for (DistanceSeries& one : series)
        std::stable_sort(one.points.begin(), one.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
    m_axis->setExtent(0.0, std::max(1.0, last * 1.04), last);
    m_recipes.clear();
    for (const DistanceSeries& one : series)
        m_recipes << QString::fromStdString(one.recipe);
    refreshLegend();
    m_plot->setDistances(std::move(series), kFirstColour);
}

void EvaluationPage::refreshLegend()
{
    const Tokens& t = tokens(QApplication::palette());
    QStringList entries;
    for (qsizetype i = 0; i < std::min<qsizetype>(m_recipes.size(), 4); ++i) {
        const QColor& colour = t.series[static_cast<std::size_t>(i + kFirstColour) % t.series.size()];
        entries << QStringLiteral("<span style=\"color:%1\">●</span>&nbsp;%2").arg(colour.name(), m_recipes[i].toHtmlEscaped());
    }
    if (m_recipes.size() > entries.size())
        entries << tr("and %1 more").arg(m_recipes.size() - entries.size());
    m_legend->setText(entries.join(QStringLiteral("&nbsp;&nbsp; ")));
}

/// Columns in which no evaluation says anything go; where not all others fit, those that the recipe repeats.
void EvaluationPage::fitColumns()
{
    static constexpr EvaluationModel::Column kSometimes[] = {EvaluationModel::Floor, EvaluationModel::Ceiling, EvaluationModel::Nearest};
    for (const auto column : kSometimes) {
        bool any = false;
        for (int row = 0; row < m_model->rowCount(); ++row)
            any = any || m_model->index(row, column).data(kRawRole).typeId() == QMetaType::Double;
        m_table->setColumnHidden(column, !any);
    }
    static constexpr EvaluationModel::Column kRepeated[] = {EvaluationModel::Images, EvaluationModel::Sampler, EvaluationModel::Weights};
    constexpr int kRowsLookedAt = 50, kPadding = 20, kTitlePadding = 42; // a title has room for the mark of the sorted column
    const QFontMetrics cells(m_table->font()), titles(m_table->horizontalHeader()->font());
    int needed = 0;
    for (int column = 0; column < EvaluationModel::kColumns; ++column) {
        if (std::ranges::find(kSometimes, column) != std::end(kSometimes) && m_table->isColumnHidden(column))
            continue;
        int wide = titles.horizontalAdvance(m_model->headerData(column, Qt::Horizontal).toString()) + kTitlePadding;
        for (int row = std::max(0, m_model->rowCount() - kRowsLookedAt); row < m_model->rowCount(); ++row)
            wide = std::max(wide, cells.horizontalAdvance(m_model->index(row, column).data().toString()) + kPadding);
        needed += wide;
    }
    for (const auto column : kRepeated)
        m_table->setColumnHidden(column, needed > m_table->viewport()->width());
}

bool EvaluationPage::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == m_table->viewport() && event->type() == QEvent::Resize)
        fitColumns();
    return QWidget::eventFilter(watched, event);
}

void EvaluationPage::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange && m_legend)
        refreshLegend();
    QWidget::changeEvent(event);
}

void EvaluationPage::setEvaluatePossible(const QString& whyNot, const QString& progress)
{
    m_whyNot = whyNot;
    m_progress = progress;
    setEnabledWithReason(m_evaluate, whyNot,
                         m_draws ? tr("Draw images now and measure how far they are from real ones")
                                 : tr("Show the test images to the network now and count the right answers"));
    m_plotCard->setTitle(!progress.isEmpty() ? progress : m_draws ? tr("Distance over the steps") : tr("Accuracy over the steps"));
    showEmpty();
}

void EvaluationPage::setExpectation(const QString& sentence)
{
    m_expectation = sentence;
    showEmpty();
}

void EvaluationPage::showEmpty()
{
    QStringList said;
    said << (m_expectation.isEmpty()
                 ? (m_draws ? tr("Distances between generated and real images appear here, each with the recipe it rests on.")
                            : tr("The share of test images that are told right appears here."))
                 : m_expectation);
    if (!m_progress.isEmpty())
        said << m_progress;
    else if (!m_whyNot.isEmpty())
        said << m_whyNot;
    m_empty->setText(tr("No evaluation yet"), said.join(QLatin1Char('\n')));
    m_empty->setAction(m_whyNot.isEmpty() ? tr("Evaluate now…") : QString());
}

QString EvaluationPage::csv() const
{
    QList<int> rows;
    for (const QModelIndex& index : m_table->selectionModel()->selectedRows())
        rows << index.row();
    return tableCsv(*m_sorted, rows);
}

} // namespace espalier::widgets
