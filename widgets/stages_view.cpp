// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stages_view.h"

#include "widgets/card.h"
#include "widgets/format.h"
#include "widgets/grid_card.h"
#include "widgets/image_provider.h"
#include "widgets/module_picture.h"
#include "widgets/page_parts.h"
#include "widgets/sample_sequence.h"
#include "widgets/stage_outcome_model.h"
#include "widgets/stage_times.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QClipboard>
#include <QEvent>
#include <QGuiApplication>
#include <QHeaderView>
#include <QLabel>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

StagesView::StagesView(ImageProvider* images, QWidget* parent) : QWidget(parent), m_images(images), m_model(new StageOutcomeModel(this))
{
    setObjectName(QStringLiteral("stagesView"));
    setAccessibleName(tr("By stage"));
    buildLayout();
    connectSignals();
}

void StagesView::buildLayout()
{
    m_modulesCard = new Card(tr("Modules"), this);
    m_modulesWords = dimLabel(QString(), m_modulesCard);
    m_modulesWords->setObjectName(QStringLiteral("modulesWords"));
    m_modulesCard->header()->addWidget(m_modulesWords);
    m_modules = new ModulePicture(m_modulesCard);
    m_modulesCard->body()->addWidget(m_modules);
    m_modulesCard->body()->addStretch(1);
    m_modulesCard->hide();

    auto* timesCard = new Card(tr("Time of each stage"), this);
    m_times = new StageTimes(timesCard);
    timesCard->body()->addWidget(m_times);
    timesCard->body()->addStretch(1);
    m_grid = new GridCard(this);
    m_grid->setObjectName(QStringLiteral("stageGrid"));

    auto* tableCard = new Card(tr("Stages"), this);
    tableCard->layout()->setContentsMargins(1, 10, 1, 4); // rows reach from hairline to hairline
    tableCard->header()->setContentsMargins(12, 0, 12, 0);
    m_recipe = dimLabel(QString(), tableCard);
    m_recipe->setObjectName(QStringLiteral("stagesRecipe"));
    auto* copy = headerButton(QStringLiteral("copyStagesCsv"), tr("Copy as CSV"), QStringLiteral("copy"), tableCard);
    tableCard->header()->addWidget(m_recipe);
    tableCard->header()->addWidget(copy);
    m_table = new QTableView(tableCard);
    m_table->setObjectName(QStringLiteral("stagesTable"));
    m_table->setAccessibleName(tr("Stages"));
    m_table->setModel(m_model);
    styleTable(m_table);
    m_table->setSortingEnabled(false); // their order is the story
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->viewport()->installEventFilter(this);
    tableCard->body()->addWidget(m_table, 1);

    auto* top = new QHBoxLayout;
    top->setSpacing(metric::kCardGap);
    top->addWidget(m_modulesCard, 3);
    top->addWidget(timesCard, 3);
    top->addWidget(m_grid, 2);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap);
    column->addLayout(top, 1);
    column->addWidget(tableCard, 1);

    const auto toClipboard = [this] { QGuiApplication::clipboard()->setText(csv()); };
    connect(copy, &QToolButton::clicked, this, toClipboard);
    onCopyKey(m_table, toClipboard);
}

void StagesView::connectSignals()
{
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &StagesView::showChosen);
    connect(m_table, &QTableView::activated, this, [this] { Q_EMIT stageOpened(chosen()); });
    connect(m_times, &StageTimes::stageClicked, this, &StagesView::choose);
    connect(m_modules, &ModulePicture::pointed, this, &StagesView::stagePointed);
    connect(m_modules, &ModulePicture::chosen, this, [this](int stage) {
        choose(stage);
        Q_EMIT stageChosen(stage);
    });
    connect(m_grid, &GridCard::opened, this, [this] { Q_EMIT stageOpened(chosen()); });
    connect(m_images, &ImageProvider::ready, this, [this](const ImageSource&, ImageCut cut) {
        if (cut.cell < 0 && cut.thumbnail == 0 && isVisible())
            showChosen();
    });
}

void StagesView::setOutcomes(const QString& folder, StageOutcomes outcomes, bool draws)
{
    const bool other = folder != m_folder;
    const int before = other ? -1 : chosen();
    m_folder = folder;
    m_draws = draws;
    m_model->setOutcomes(std::move(outcomes));
    for (int column = 0; column < StageOutcomeModel::kColumns; ++column)
        m_table->setColumnHidden(column, !m_model->hasColumn(column));
    fitColumns();
    m_times->setStages(m_model->stages());
    m_recipe->setText(m_model->recipe());
    int shown = before;
    for (const auto& stage : m_model->stages()) // the newest that began, until somebody chooses
        if (before < 0 && (stage.started || shown < 0))
            shown = stage.index;
    choose(shown);
    showChosen();
}

void StagesView::setTarget(TargetView target)
{
    m_modulesCard->setVisible(!target.modules.empty());
    m_modulesWords->setText(target.meta.isEmpty() ? target.words : tr("%1 · meta model %2").arg(target.words, target.meta));
    m_modules->setTarget(std::move(target));
}

int StagesView::chosen() const
{
    const int row = m_table->currentIndex().row();
    return row >= 0 && row < m_model->rowCount() ? m_model->stages()[static_cast<std::size_t>(row)].index : -1;
}

void StagesView::choose(int index)
{
    for (int row = 0; row < m_model->rowCount(); ++row)
        if (m_model->stages()[static_cast<std::size_t>(row)].index == index && m_table->currentIndex().row() != row)
            m_table->selectRow(row);
}

void StagesView::showChosen()
{
    const int index = chosen();
    m_times->setSelected(index);
    m_modules->setSelected(index);
    m_grid->setVisible(m_draws);
    const auto found = std::ranges::find(m_model->stages(), index, &StageOutcome::index);
    if (!m_draws || found == m_model->stages().end())
        return;
    QImage image;
    std::optional<runs::SampleEntry> entry = found->grid;
    if (entry) {
        SampleSequence one;
        one.set(m_folder, {*entry});
        one.filter({}, -1);
        if (const LoadedImage* loaded = m_images->get(one.source(0)))
            image = loaded->image;
    }
    m_grid->setGrid(image, entry,
                    entry ? QString() : tr("The newest grid of %1 appears here when it has drawn one.").arg(found->title.toLower()));
    m_grid->setTitle(entry ? tr("%1, step %2").arg(found->title, number(entry->drawn.step)) : found->title);
}

/// Every column as wide as what it says; the last takes what is left.
void StagesView::fitColumns()
{
    constexpr int kTitlePadding = 18;
    const QFontMetrics titles(m_table->horizontalHeader()->font());
    int used = 0, last = 0;
    for (int column = 0; column < StageOutcomeModel::kColumns; ++column) {
        if (m_table->isColumnHidden(column))
            continue;
        int wide = titles.horizontalAdvance(m_model->headerData(column, Qt::Horizontal).toString()) + kTitlePadding;
        for (int row = 0; row < m_model->rowCount(); ++row)
            wide = std::max(wide, m_table->itemDelegate()->sizeHint({}, m_model->index(row, column)).width());
        m_table->setColumnWidth(column, wide);
        used += wide;
        last = column;
    }
    int shown = 0;
    for (int column = 0; column < StageOutcomeModel::kColumns; ++column)
        shown += m_table->isColumnHidden(column) ? 0 : 1;
    const int room = m_table->viewport()->width() - used;
    for (int column = 0; room > 0 && column <= last; ++column) // spread evenly
        if (!m_table->isColumnHidden(column))
            m_table->setColumnWidth(column, m_table->columnWidth(column) + room / shown);
}

bool StagesView::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == m_table->viewport() && event->type() == QEvent::Resize)
        fitColumns();
    return QWidget::eventFilter(watched, event);
}

QString StagesView::csv() const
{
    return tableCsv(*m_model);
}

} // namespace espalier::widgets
