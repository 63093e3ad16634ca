// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/checkpoints_page.h"

#include "core/base/text.h"
#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QHeaderView>
#include <QLabel>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

namespace espalier::widgets {

CheckpointsPage::CheckpointsPage(QWidget* parent)
    : QWidget(parent), m_model(new CheckpointModel(this)), m_sorted(new QSortFilterProxyModel(this))
{
    setObjectName(QStringLiteral("checkpointsPage"));
    setAccessibleName(tr("Checkpoints"));
    m_sorted->setSourceModel(m_model);
    m_sorted->setSortRole(kRawRole);
    buildLayout();
    connectSignals();
    setPossible({}, {}, {});
    setCheckpoints({}, {});
}

void CheckpointsPage::buildLayout()
{
    m_card = new Card(tr("Checkpoints"), this);
    m_card->layout()->setContentsMargins(1, 10, 1, 4); // rows reach from hairline to hairline
    m_card->header()->setContentsMargins(12, 0, 12, 0);
    m_total = dimLabel(QString(), m_card);
    m_total->setObjectName(QStringLiteral("checkpointsTotal"));
    m_write = pushButton(QStringLiteral("writeCheckpoint"), tr("Checkpoint now"), m_card);
    setThemedIcon(m_write, QStringLiteral("checkpoint"));
    m_card->header()->addWidget(m_total);
    m_card->header()->addWidget(m_write);
    m_table = new QTableView(m_card);
    m_table->setObjectName(QStringLiteral("checkpointTable"));
    m_table->setAccessibleName(tr("Checkpoints"));
    m_table->setModel(m_sorted);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setContextMenuPolicy(Qt::CustomContextMenu);
    styleTable(m_table);
    m_table->sortByColumn(CheckpointModel::Step, Qt::DescendingOrder);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->horizontalHeader()->setSectionResizeMode(CheckpointModel::Kept, QHeaderView::Stretch);
    m_card->body()->addWidget(m_table, 1);

    auto* actions = new QHBoxLayout;
    actions->setContentsMargins(12, 4, 12, 8);
    actions->setSpacing(metric::kGap);
    m_sample = pushButton(QStringLiteral("sampleFrom"), tr("Sample from…"), m_card);
    setThemedIcon(m_sample, QStringLiteral("sample"));
    m_export = pushButton(QStringLiteral("exportCheckpoint"), tr("Export…"), m_card);
    setThemedIcon(m_export, QStringLiteral("export"));
    m_fork = pushButton(QStringLiteral("forkCheckpoint"), tr("Fork…"), m_card);
    m_keep = pushButton(QStringLiteral("keepCheckpoint"), tr("Keep"), m_card);
    setThemedIcon(m_keep, QStringLiteral("keep"));
    m_verify = pushButton(QStringLiteral("verifyCheckpoint"), tr("Verify"), m_card);
    setThemedIcon(m_verify, QStringLiteral("check"));
    m_folder = pushButton(QStringLiteral("openCheckpointFolder"), tr("Open folder"), m_card);
    setThemedIcon(m_folder, QStringLiteral("folder"));
    m_delete = pushButton(QStringLiteral("deleteCheckpoint"), tr("Delete…"), m_card);
    m_delete->setProperty("danger", true);
    for (QPushButton* button : {m_sample, m_export, m_fork, m_keep, m_verify, m_folder})
        actions->addWidget(button);
    actions->addStretch(1);
    actions->addWidget(m_delete);
    m_card->body()->addLayout(actions);

    m_empty = new EmptyNote(QString(), QString(), this);
    m_empty->setObjectName(QStringLiteral("checkpointsEmpty"));
    m_stack = new QStackedWidget(this);
    m_stack->addWidget(m_empty);
    m_stack->addWidget(m_card);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(m_stack);
}

void CheckpointsPage::connectSignals()
{
    connect(m_empty, &EmptyNote::actionRequested, this, &CheckpointsPage::checkpointRequested);
    connect(m_write, &QPushButton::clicked, this, &CheckpointsPage::checkpointRequested);
    connect(m_sample, &QPushButton::clicked, this, [this] { Q_EMIT sampleRequested(chosenStep()); });
    connect(m_export, &QPushButton::clicked, this, [this] { Q_EMIT exportRequested(chosenStep()); });
    connect(m_fork, &QPushButton::clicked, this, [this] {
        if (const auto end = m_ends.find(chosenStep()); end != m_ends.end())
            Q_EMIT forkRequested(end->second);
    });
    connect(m_verify, &QPushButton::clicked, this, [this] { Q_EMIT verifyRequested(chosenStep()); });
    connect(m_keep, &QPushButton::clicked, this, [this] {
        const int row = m_model->rowOf(chosenStep());
        if (row >= 0)
            Q_EMIT keepRequested(chosenStep(), !m_model->entry(row).keptByHand);
    });
    connect(m_folder, &QPushButton::clicked, this, [this] {
        const int row = m_model->rowOf(chosenStep());
        if (row >= 0)
            Q_EMIT openFolderRequested(QString::fromStdString(m_model->entry(row).folder));
    });
    connect(m_delete, &QPushButton::clicked, this, &CheckpointsPage::askToDelete);
    connect(m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this, &CheckpointsPage::refreshActions);
    connect(m_table, &QTableView::activated, this, [this] { m_sample->click(); });
    connect(m_table, &QTableView::customContextMenuRequested, this, &CheckpointsPage::showMenu);
}

void CheckpointsPage::setCheckpoints(const std::vector<runs::CheckpointEntry>& checkpoints, const config::CheckpointConfig& config)
{
    const std::int64_t chosen = chosenStep();
    m_model->setEntries(checkpoints, config);
    m_stack->setCurrentIndex(checkpoints.empty() ? 0 : 1);
    std::uint64_t bytes = 0;
    for (const runs::CheckpointEntry& entry : checkpoints)
        bytes += entry.bytes;
    m_total->setText(tr("%1 · %2").arg(groupedText(static_cast<qint64>(checkpoints.size())), QString::fromStdString(bytesText(bytes))));
    choose(chosen);
    if (chosenStep() < 0 && m_sorted->rowCount() > 0)
        m_table->selectRow(0); // something can be done at once
    refreshActions();
}

void CheckpointsPage::setCheck(std::int64_t step, const CheckpointCheck& check)
{
    m_model->setCheck(step, check);
    refreshActions();
}

void CheckpointsPage::setPossible(const QString& whyNotWrite, const QString& whyNotSample, const QString& whyNotDelete)
{
    m_whyNotWrite = whyNotWrite;
    m_whyNotSample = whyNotSample;
    m_whyNotDelete = whyNotDelete;
    setEnabledWithReason(m_write, whyNotWrite, tr("Save a checkpoint at the next step"));
    showEmpty();
    refreshActions();
}

void CheckpointsPage::setStageEnds(std::map<std::int64_t, int> ends)
{
    m_ends = std::move(ends);
    refreshActions();
}

void CheckpointsPage::setExpectation(const QString& sentence)
{
    m_expectation = sentence;
    showEmpty();
}

void CheckpointsPage::showEmpty()
{
    QStringList said{m_expectation.isEmpty()
                         ? tr("Checkpoints appear here as the run saves them: to go on from, to sample from, to export.")
                         : m_expectation};
    if (!m_whyNotWrite.isEmpty())
        said << m_whyNotWrite;
    m_empty->setText(tr("No checkpoint yet"), said.join(QLatin1Char('\n')));
    m_empty->setAction(m_whyNotWrite.isEmpty() ? tr("Checkpoint now") : QString());
}

std::int64_t CheckpointsPage::chosenStep() const
{
    const QModelIndexList rows = m_table->selectionModel()->selectedRows(CheckpointModel::Step);
    return rows.isEmpty() ? -1 : rows.first().data(kRawRole).toLongLong();
}

void CheckpointsPage::choose(std::int64_t step)
{
    if (const int row = m_model->rowOf(step); row >= 0)
        m_table->selectRow(m_sorted->mapFromSource(m_model->index(row, 0)).row());
}

void CheckpointsPage::refreshActions()
{
    const int row = m_model->rowOf(chosenStep());
    const QString none = row < 0 ? tr("Choose a checkpoint first") : QString();
    const CheckpointCheck check = row >= 0 ? m_model->check(chosenStep()) : CheckpointCheck();
    const QString damaged = check.state == CheckpointCheck::Damaged ? check.sentence : QString();
    const auto first = [](std::initializer_list<QString> reasons) {
        for (const QString& reason : reasons)
            if (!reason.isEmpty())
                return reason;
        return QString();
    };
    setEnabledWithReason(m_sample, first({none, damaged, m_whyNotSample}), tr("Draw images with the weights of this checkpoint"));
    setEnabledWithReason(m_export, first({none, damaged}), tr("Write its weights for other programs, under their published names"));
    m_fork->setVisible(!m_ends.empty());
    setEnabledWithReason(m_fork,
                         first({none, damaged, m_ends.contains(chosenStep()) ? QString() : tr("A run forks at the end of a stage only")}),
                         tr("A new run that has everything up to here and goes its own way"));
    setEnabledWithReason(m_folder, none, tr("Show its files"));
    setEnabledWithReason(m_verify, check.state == CheckpointCheck::Checking ? tr("It is being verified") : none,
                         tr("Read every shard and compare it with the manifest"));
    const bool kept = row >= 0 && m_model->entry(row).keptByHand;
    m_keep->setText(kept ? tr("Don't keep") : tr("Keep"));
    m_keep->setAccessibleName(m_keep->text());
    setEnabledWithReason(m_keep, none,
                         kept ? tr("Let retention remove it when its time comes") : tr("Never remove it, whatever retention says"));
    setEnabledWithReason(m_delete, first({none, m_whyNotDelete}), tr("Delete it from the disk, for ever"));
}

void CheckpointsPage::showMenu(const QPoint& position)
{
    if (!m_table->indexAt(position).isValid())
        return;
    QMenu menu(this);
    menu.setToolTipsVisible(true);
    for (QPushButton* button : {m_sample, m_export, m_fork, m_keep, m_verify, m_folder, m_delete}) {
        if (button->isHidden())
            continue;
        QAction* action = menu.addAction(button->icon(), button->text(), button, &QPushButton::click);
        action->setEnabled(button->isEnabled());
        action->setToolTip(button->toolTip());
    }
    menu.exec(m_table->viewport()->mapToGlobal(position));
}

void CheckpointsPage::askToDelete()
{
    const std::int64_t step = chosenStep();
    const int row = m_model->rowOf(step);
    if (row < 0)
        return;
    auto* box = new QMessageBox(QMessageBox::NoIcon, tr("Delete checkpoint"),
                                tr("Delete the checkpoint of step %1?").arg(groupedText(step)), QMessageBox::Cancel, this);
    box->setObjectName(QStringLiteral("deleteQuestion"));
    box->setAttribute(Qt::WA_DeleteOnClose);
    QString more = tr("It frees %1 and cannot be undone.").arg(QString::fromStdString(bytesText(m_model->entry(row).bytes)));
    if (row + 1 == m_model->rowCount())
        more += QLatin1Char(' ') + tr("It is the newest: the run could only go on from an earlier one.");
    if (m_model->entry(row).keptByHand)
        more += QLatin1Char(' ') + tr("It was kept by hand.");
    box->setInformativeText(more);
    QPushButton* yes = box->addButton(tr("Delete"), QMessageBox::DestructiveRole);
    yes->setObjectName(QStringLiteral("deleteYes"));
    yes->setProperty("danger", true);
    box->setDefaultButton(QMessageBox::Cancel);
    connect(yes, &QPushButton::clicked, this, [this, step] { Q_EMIT deleteRequested(step); });
    box->open();
}

} // namespace espalier::widgets
