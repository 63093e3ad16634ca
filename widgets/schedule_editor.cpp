// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/schedule_editor.h"

#include "core/config/config.h"
#include "core/plan/forecast.h"
#include "core/plan/stage_config.h"
#include "widgets/format.h"
#include "widgets/module_picture.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/schedule_drawing.h"
#include "widgets/setting_text.h"
#include "widgets/stage_table_model.h"
#include "widgets/stage_view.h"
#include "widgets/stage_words.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QAbstractButton>
#include <QComboBox>
#include <QElapsedTimer>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr int kRowHeight = 32, kMostRowsShown = 8;
constexpr int kSlow = 15, kPatience = 150; // milliseconds: a plan that takes longer waits until nobody types

} // namespace

ScheduleEditor::ScheduleEditor(ConfigurationModel* model, QWidget* parent)
    : QWidget(parent), m_model(model), m_table(new StageTableModel(model, this)), m_timer(new QTimer(this))
{
    setObjectName(QStringLiteral("scheduleEditor"));
    setAccessibleName(tr("Schedule"));
    m_timer->setSingleShot(true);
    buildLayout();
    connectSignals();
    refresh();
}

void ScheduleEditor::buildLayout()
{
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 4, 16, 8);
    column->setSpacing(metric::kGap);
    m_drawing = new ScheduleDrawing(this);
    column->addWidget(m_drawing);
    m_modules = new ModulePicture(this);
    m_modules->hide();
    column->addWidget(m_modules);
    m_total = dimLabel(QString(), this);
    m_total->setObjectName(QStringLiteral("scheduleTotal"));
    m_total->setWordWrap(true);
    column->addWidget(m_total);

    m_tools = new QWidget(this);
    auto* row = new QHBoxLayout(m_tools);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(metric::kGap);
    m_length = new QComboBox(m_tools);
    m_length->setObjectName(QStringLiteral("stageLengthKind"));
    m_length->setAccessibleName(tr("What the length of a stage counts"));
    for (const char* kind : {"share", "steps", "epochs", "seconds"})
        m_length->addItem(QString::fromLatin1(kind) == QLatin1String("share") ? tr("share of the whole") : QString::fromLatin1(kind),
                          QString::fromLatin1(kind));
    m_all = pushButton(QStringLiteral("allStageColumns"), tr("All columns"), m_tools);
    m_all->setCheckable(true);
    m_add = pushButton(QStringLiteral("addStage"), tr("Add a stage"), m_tools);
    m_remove = pushButton(QStringLiteral("removeStage"), tr("Remove a stage"), m_tools);
    row->addWidget(dimLabel(tr("Length in"), m_tools));
    row->addWidget(m_length);
    row->addStretch(1);
    row->addWidget(m_all);
    row->addWidget(m_add);
    row->addWidget(m_remove);
    column->addWidget(m_tools);

    m_view = new QTableView(this);
    m_view->setObjectName(QStringLiteral("stageTable"));
    m_view->setAccessibleName(tr("Stages"));
    m_view->setModel(m_table);
    styleTable(m_view);
    m_view->setSortingEnabled(false);
    m_view->setSelectionBehavior(QAbstractItemView::SelectItems);
    m_view->setEditTriggers(QAbstractItemView::DoubleClicked | QAbstractItemView::EditKeyPressed | QAbstractItemView::AnyKeyPressed);
    m_view->setTabKeyNavigation(true);
    m_view->setCornerButtonEnabled(false);
    for (auto* corner : m_view->findChildren<QAbstractButton*>()) {
        corner->setObjectName(QStringLiteral("stageTableCorner"));
        corner->setAccessibleName(tr("All stages"));
    }
    m_view->horizontalHeader()->setSectionsMovable(false);
    m_view->setHorizontalScrollBarPolicy(Qt::ScrollBarAsNeeded);
    column->addWidget(m_view);
    m_said = errorLabel(this);
    m_said->setObjectName(QStringLiteral("scheduleProblem"));
    m_said->setWordWrap(true);
    m_said->hide();
    column->addWidget(m_said);
}

void ScheduleEditor::connectSignals()
{
    connect(m_model, &ConfigurationModel::changed, this, &ScheduleEditor::refresh);
    connect(m_timer, &QTimer::timeout, this, &ScheduleEditor::recompute);
    connect(m_length, &QComboBox::activated, this, [this](int index) { m_table->setLengthKind(m_length->itemData(index).toString()); });
    connect(m_all, &QPushButton::toggled, this, &ScheduleEditor::fitColumns);
    connect(m_add, &QPushButton::clicked, m_table, &StageTableModel::addStage);
    connect(m_remove, &QPushButton::clicked, m_table, &StageTableModel::removeStage);
    connect(m_drawing, &ScheduleDrawing::chosen, this, [this](int index) {
        m_drawing->setSelected(index);
        if (m_table->applies())
            m_view->setCurrentIndex(m_table->index(index, std::max(1, m_view->currentIndex().column())));
    });
    connect(m_drawing, &ScheduleDrawing::chosen, m_modules, &ModulePicture::setSelected);
    connect(m_modules, &ModulePicture::chosen, m_drawing, &ScheduleDrawing::setSelected);
    connect(m_modules, &ModulePicture::pointed, m_drawing, &ScheduleDrawing::setSelected);
    connect(m_view->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex& now) { m_drawing->setSelected(now.isValid() ? now.row() : -1); });
}

int ScheduleEditor::widthOf(int column, bool roomy) const
{
    constexpr int kRoomy = 26, kTight = 18;
    const QFontMetrics titles(typeFont(Type::Strong));
    const int title = titles.horizontalAdvance(m_table->headerData(column, Qt::Horizontal).toString()) + (roomy ? kRoomy : kTight);
    return std::max(title, static_cast<QAbstractItemView*>(m_view)->sizeHintForColumn(column));
}

int ScheduleEditor::widthOfAll(bool roomy) const
{
    int used = 0;
    for (int column = 0; column < StageTableModel::kColumns; ++column)
        used += m_view->isColumnHidden(column) ? 0 : widthOf(column, roomy);
    return used;
}

/// All that the model has a use for; where they do not fit, those are left out that stay as the model says.
void ScheduleEditor::showColumns()
{
    for (int column = 0; column < StageTableModel::kColumns; ++column)
        m_view->setColumnHidden(column, !m_table->isUsed(column));
    QStringList out;
    const bool narrow = widthOfAll(false) > m_view->viewport()->width();
    for (int column = 0; narrow && column < StageTableModel::kColumns; ++column)
        if (m_table->isUsed(column) && m_table->canBeLeftOut(column)) {
            out << m_table->headerData(column, Qt::Horizontal).toString();
            m_view->setColumnHidden(column, !m_all->isChecked());
        }
    m_all->setVisible(!out.isEmpty());
    m_all->setToolTip(tr("Also %1: they stay as the model says in every stage").arg(out.join(QStringLiteral(", "))));
}

void ScheduleEditor::fitColumns()
{
    showColumns();
    const int room = m_view->viewport()->width();
    const bool roomy = widthOfAll(true) <= room;
    const int used = widthOfAll(roomy);
    for (int column = 0; column < StageTableModel::kColumns; ++column)
        if (!m_view->isColumnHidden(column))
            m_view->setColumnWidth(column, widthOf(column, roomy));
    // The only words give what is missing as long as some of them can be read, and take what is left.
    constexpr int kLeastWords = 84;
    const int words = m_view->columnWidth(StageTableModel::Trainable);
    const int given = std::max(std::min(words, kLeastWords), words + room - used);
    if (!m_view->isColumnHidden(StageTableModel::Trainable))
        m_view->setColumnWidth(StageTableModel::Trainable, given);
    const bool bar = used - words + given > room;
    const int rows = std::clamp(m_table->stages(), 1, kMostRowsShown);
    m_view->setFixedHeight(rows * kRowHeight + m_view->horizontalHeader()->height() + (bar ? 20 : 6));
}

void ScheduleEditor::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    fitColumns();
}

bool ScheduleEditor::setShown(bool wanted)
{
    const bool show = wanted && settingText(m_model->config(), "schedule", "kind") != QLatin1String("plain") &&
                      !settingText(m_model->config(), "schedule", "kind").isEmpty();
    setVisible(show);
    return show;
}

void ScheduleEditor::setReadOnly(bool readOnly)
{
    m_readOnly = readOnly;
    m_table->setReadOnly(readOnly);
    refresh();
}

void ScheduleEditor::setPace(const std::optional<Pace>& pace)
{
    if (pace == m_pace)
        return;
    m_pace = pace;
    showPlan();
}

bool ScheduleEditor::covers(const std::string& plainPath) const
{
    return m_table->applies() && (m_table->columnOf(plainPath) >= 0 || plainPath == "schedule.stages");
}

void ScheduleEditor::focusSetting(const std::string& plainPath)
{
    m_view->setFocus(Qt::OtherFocusReason);
    const int column = std::max(0, m_table->columnOf(plainPath));
    if (m_view->isColumnHidden(column))
        m_all->setChecked(true);
    m_view->setCurrentIndex(m_table->index(std::max(0, m_view->currentIndex().row()), column));
}

void ScheduleEditor::refresh()
{
    const bool table = m_table->applies();
    m_tools->setVisible(table && !m_readOnly);
    m_view->setVisible(table);
    m_length->setCurrentIndex(m_length->findData(m_table->lengthKind()));
    setEnabledWithReason(m_add, m_table->stages() >= 64 ? tr("A schedule has at most 64 stages") : QString());
    setEnabledWithReason(m_remove, m_table->stages() < 2 ? tr("A schedule has at least one stage") : QString());
    fitColumns();
    showProblem();
    if (m_model->config() != m_seen || m_model->problems().empty() == m_wasWrong)
        m_timer->start(m_delay);
}

const std::optional<config::Problem>& ScheduleEditor::planProblem() const
{
    return m_problem;
}

void ScheduleEditor::recompute()
{
    QElapsedTimer taken;
    taken.start();
    m_seen = m_model->config();
    m_plan.reset();
    m_problem.reset();
    if (m_model->problems().empty())
        if (const auto run = config::read(m_seen)) {
            if (auto planned = plannedOf(*run))
                m_plan = *std::move(planned);
            else
                m_problem =
                    config::Problem{planned.error().detail, countedFromOne(qstr(planned.error().message), &m_problemStage).toStdString()};
        }
    m_wasWrong = !m_model->problems().empty();
    m_delay = taken.elapsed() > kSlow ? kPatience : 0;
    showPlan();
    showProblem();
    Q_EMIT planChanged();
}

void ScheduleEditor::showProblem()
{
    config::Problem shown;
    for (const auto& problem : m_model->problems())
        if (shown.message.empty() && plainPath(problem.path).starts_with("schedule"))
            shown = problem;
    if (shown.message.empty() && m_problem)
        shown = *m_problem;
    const QString text = qstr(shown.message);
    m_said->setText(text);
    m_said->setVisible(!text.isEmpty());
    m_table->setProblem(text, m_problem ? m_problemStage : -1, plainPath(shown.path));
}

void ScheduleEditor::showPlan()
{
    if (!m_plan) { // the last drawing stays while something is wrong
        m_table->setCosts({});
        m_total->setText(m_model->problems().empty() && !m_problem ? QString() : tr("What it costs is said when every setting is right."));
        return;
    }
    const auto run = config::read(m_seen);
    const auto views = stageViews(*m_plan, run ? plan::pixelsPerPosition(*run) : 1);
    const auto seconds = stageSeconds(*m_plan, m_pace);
    std::vector<ScheduleBar> bars;
    std::vector<StageCostText> costs;
    double flops = 0.0, plain = 0.0, time = 0.0;
    std::int64_t steps = 0;
    bool known = true, timed = true;
    const double whole = plan::forecast(m_plan->stages.back()).flopsPerImage;
    for (std::size_t i = 0; i < views.size(); ++i) {
        const auto& stage = m_plan->stages[i];
        const auto cost = plan::forecast(stage);
        ScheduleBar bar{views[i].index,
                        views[i].title,
                        views[i].growth,
                        views[i].trains,
                        {},
                        1.0,
                        views[i].depth,
                        views[i].sideShare,
                        1.0,
                        views[i].search,
                        views[i].searched,
                        false};
        const auto& blocks = views[i].blocks;
        if (!blocks.empty())
            bar.trained = static_cast<double>(std::count(blocks.begin(), blocks.end(), true)) / static_cast<double>(blocks.size());
        bar.length = cost.steps ? static_cast<double>(*cost.steps) : seconds[i].value_or(1.0);
        QStringList words;
        if (cost.steps)
            words << QStringLiteral("%1 steps").arg(groupedText(*cost.steps));
        if (seconds[i])
            words << duration(*seconds[i]);
        bar.cost = words.join(QStringLiteral(" · "));
        bars.push_back(bar);
        if (!views[i].search)
            costs.push_back({compact(static_cast<double>(cost.parameters)), compact(cost.flopsPerImage),
                             seconds[i] ? duration(*seconds[i]) : QStringLiteral("–")});
        known = known && cost.flops && cost.images;
        timed = timed && seconds[i];
        flops += cost.flops.value_or(0.0);
        plain += static_cast<double>(cost.images.value_or(0)) * whole;
        time += seconds[i].value_or(0.0);
        steps += cost.steps.value_or(0);
    }
    m_drawing->setBars(std::move(bars));
    m_modules->setTarget(targetView(*m_plan));
    m_modules->setVisible(!m_modules->target().modules.empty());
    m_table->setCosts(std::move(costs));
    fitColumns();
    QStringList total;
    if (known) {
        total << tr("%1 steps").arg(groupedText(steps)) << tr("%1FLOP").arg(compact(flops));
        if (plain > 0.0)
            total << tr("%1 % of training the whole model for as many images").arg(qRound(100.0 * flops / plain));
    }
    if (timed)
        total << tr("about %1").arg(duration(time));
    m_total->setText(total.isEmpty() ? tr("Its length is known when its data is read.")
                                     : tr("In all: ") + total.join(QStringLiteral(" · ")));
}

} // namespace espalier::widgets
