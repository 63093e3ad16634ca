// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_outcome_model.h"

#include "widgets/format.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/stage_words.h"
#include "widgets/table_parts.h"

#include <algorithm>

namespace espalier::widgets {

namespace {

const QString kNothing = QStringLiteral("–");

QString secondsText(double seconds)
{
    return seconds > 0.0 ? duration(seconds) : kNothing;
}

QVariant rawOf(const std::optional<double>& value)
{
    return value ? QVariant(*value) : QVariant(QString());
}

} // namespace

void StageOutcomeModel::setOutcomes(StageOutcomes outcomes)
{
    if (outcomes.stages.size() != m_outcomes.stages.size()) {
        beginResetModel();
        m_outcomes = std::move(outcomes);
        endResetModel();
        return;
    }
    m_outcomes = std::move(outcomes);
    if (!m_outcomes.stages.empty())
        Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
    Q_EMIT headerDataChanged(Qt::Horizontal, Last, Best);
}

bool StageOutcomeModel::hasColumn(int column) const
{
    const auto any = [this](auto&& has) { return std::ranges::any_of(m_outcomes.stages, has); };
    switch (column) {
    case Trains:
        return any([this](const auto& stage) { return stage.trains != m_outcomes.stages.front().trains; });
    case Searching:
        return any([](const auto& stage) { return stage.searching.value_or(0.0) > 0.0; });
    case Sampling:
        return any([](const auto& stage) { return stage.grid.has_value(); });
    case Evaluating:
        return any([](const auto& stage) { return stage.evaluating > 0.0; });
    case Last:
    case Best:
        return any([](const auto& stage) { return stage.best.has_value(); });
    default:
        return true;
    }
}

int StageOutcomeModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_outcomes.stages.size());
}

int StageOutcomeModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

bool StageOutcomeModel::isBest(const StageOutcome& stage) const
{
    return stage.best && !stage.hybrid && std::ranges::none_of(m_outcomes.stages, [&](const auto& other) {
               return other.best && !other.hybrid && other.best->betterThan(*stage.best);
           });
}

QString StageOutcomeModel::metricTitle() const
{
    for (const auto& stage : m_outcomes.stages)
        if (stage.best)
            return qstr(runs::metricTitle(stage.best->metric));
    return {};
}

QVariant StageOutcomeModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const auto& stage = m_outcomes.stages[static_cast<std::size_t>(index.row())];
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return display(stage, column);
    case kRawRole:
        return raw(stage, column);
    case kBestRole:
        return column == Best && isBest(stage);
    case kDimRole:
        return column == Forecast || (!stage.started && column != Stage);
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (column <= Trains ? Qt::AlignLeft : Qt::AlignRight)));
    case Qt::ToolTipRole:
        return tip(stage, column);
    default:
        return {};
    }
}

QString StageOutcomeModel::display(const StageOutcome& stage, int column) const
{
    switch (column) {
    case Stage:
        return stage.title + (stage.ended ? QString() : stage.started ? tr(" · under way") : tr(" · to come"));
    case Shape:
        return stage.shape;
    case Trains:
        return stage.trains;
    case Steps:
        return stage.steps > 0 ? number(stage.steps) : kNothing;
    case Training:
        return stage.started ? secondsText(stage.training) : kNothing;
    case Forecast:
        return stage.forecast ? secondsText(*stage.forecast) : kNothing;
    case Searching:
        return secondsText(stage.searching.value_or(0.0));
    case Sampling:
        return secondsText(stage.sampling);
    case Evaluating:
        return secondsText(stage.evaluating);
    case Last:
        return stage.last ? metricText(stage.last->value) + (stage.hybrid ? tr(" hybrid") : QString()) : kNothing;
    case Best:
        return stage.best ? metricText(stage.best->value) + (stage.hybrid ? tr(" hybrid") : QString()) : kNothing;
    default:
        return {};
    }
}

QVariant StageOutcomeModel::raw(const StageOutcome& stage, int column) const
{
    switch (column) {
    case Stage:
        return stage.index + 1;
    case Steps:
        return static_cast<qlonglong>(stage.steps);
    case Training:
        return stage.training;
    case Forecast:
        return rawOf(stage.forecast);
    case Searching:
        return rawOf(stage.searching);
    case Sampling:
        return stage.sampling;
    case Evaluating:
        return stage.evaluating;
    case Last:
        return stage.last ? QVariant(stage.last->value) : QVariant(QString());
    case Best:
        return stage.best ? QVariant(stage.best->value) : QVariant(QString());
    default:
        return display(stage, column);
    }
}

QString StageOutcomeModel::tip(const StageOutcome& stage, int column) const
{
    switch (column) {
    case Stage:
        return stageOnCommandLine(stage.index);
    case Steps:
        return stage.started ? tr("Done so far") : tr("Forecast");
    case Forecast:
        return stage.forecast && stage.ended && stage.training > 0.0
                   ? tr("It took %1 times as long as the stages before it promised").arg(stage.training / *stage.forecast, 0, 'f', 2)
                   : QString();
    case Last:
    case Best:
        if (stage.hybrid && stage.best)
            return tr("Of the hybrid: the meta model with this module in its place. ") + m_outcomes.recipe;
        return isBest(stage) && column == Best ? tr("The best of all stages. ") + m_outcomes.recipe : m_outcomes.recipe;
    default:
        return {};
    }
}

QVariant StageOutcomeModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(int(Qt::AlignVCenter | (section <= Trains ? Qt::AlignLeft : Qt::AlignRight)));
    if (role == Qt::ToolTipRole) {
        switch (section) {
        case Training:
            return tr("Time spent on training steps, those of a supernet included");
        case Forecast:
            return tr("Time of training that the pace of the stages before it promised");
        case Searching:
            return tr("Time spent on measuring candidates for the size of this stage");
        default:
            return {};
        }
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Last:
        return tr("Last %1").arg(metricTitle());
    case Best:
        return tr("Best %1").arg(metricTitle());
    default: {
        static const char* const kTitles[] = {QT_TR_NOOP("Stage"),     QT_TR_NOOP("Shape"),    QT_TR_NOOP("Trains"),
                                              QT_TR_NOOP("Steps"),     QT_TR_NOOP("Training"), QT_TR_NOOP("Forecast"),
                                              QT_TR_NOOP("Searching"), QT_TR_NOOP("Sampling"), QT_TR_NOOP("Evaluating")};
        return tr(kTitles[section]);
    }
    }
}

} // namespace espalier::widgets
