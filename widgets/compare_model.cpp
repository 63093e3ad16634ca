// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/compare_model.h"

#include "core/runs/metrics.h"
#include "widgets/format.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/table_parts.h"

#include <algorithm>

namespace espalier::widgets {

namespace {

const QString kNothing = QStringLiteral("–");

QVariant rawOf(const std::optional<double>& value)
{
    return value ? QVariant(*value) : QVariant(QString());
}

} // namespace

QString amountText(double amount, plan::Equal equal)
{
    return equal == plan::Equal::Images ? CompareModel::tr("%1 images").arg(compact(amount)) : duration(amount);
}

void CompareModel::set(std::vector<plan::ComparedRun> runs, plan::Comparison comparison, plan::Equal equal)
{
    beginResetModel();
    m_runs = std::move(runs);
    m_comparison = std::move(comparison);
    m_equal = equal;
    endResetModel();
}

int CompareModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(std::min(m_runs.size(), m_comparison.rows.size()));
}

int CompareModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

bool CompareModel::leads(std::size_t row) const
{
    const auto& own = m_comparison.rows[row].atEqual;
    return own && std::ranges::none_of(m_comparison.rows, [&](const auto& other) {
               return other.atEqual && runs::isBetter(m_comparison.metric, other.atEqual->value, own->value);
           });
}

QVariant CompareModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const auto row = static_cast<std::size_t>(index.row());
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return display(row, column);
    case kRawRole:
        return raw(row, column);
    case kBestRole:
        return column == AtEqual && leads(row);
    case kDimRole:
        return column >= Device;
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (column == Run ? Qt::AlignLeft : Qt::AlignRight)));
    case Qt::ToolTipRole:
        return tip(row, column);
    default:
        return {};
    }
}

QString CompareModel::display(std::size_t row, int column) const
{
    const auto& run = m_runs[row];
    const auto& result = m_comparison.rows[row];
    switch (column) {
    case Run:
        return row == 0 ? tr("%1 (baseline)").arg(qstr(run.name)) : qstr(run.name);
    case AtEqual:
        return result.atEqual ? metricText(result.atEqual->value) : kNothing;
    case Best:
        return result.best ? metricText(result.best->value) : kNothing;
    case Reached:
        return result.reached ? amountText(*result.reached, m_equal) : tr("not yet");
    case SpeedUp:
        return row > 0 && result.speedUp ? tr("× %1").arg(*result.speedUp, 0, 'f', 2) : kNothing;
    case Device:
        return duration(run.spent.device) + (run.borrows ? QStringLiteral(" +") : QString());
    case Wall:
        return duration(run.spent.wall) + (run.borrows ? QStringLiteral(" +") : QString());
    default:
        return {};
    }
}

QVariant CompareModel::raw(std::size_t row, int column) const
{
    const auto& run = m_runs[row];
    const auto& result = m_comparison.rows[row];
    const auto valueOf = [](const auto& point) { return point ? QVariant(point->value) : QVariant(QString()); };
    switch (column) {
    case Run:
        return qstr(run.name);
    case AtEqual:
        return valueOf(result.atEqual);
    case Best:
        return valueOf(result.best);
    case Reached:
        return rawOf(result.reached);
    case SpeedUp:
        return rawOf(result.speedUp);
    case Device:
        return run.spent.device;
    case Wall:
        return run.spent.wall;
    default:
        return {};
    }
}

QString CompareModel::tip(std::size_t row, int column) const
{
    const auto& result = m_comparison.rows[row];
    switch (column) {
    case Run:
        return m_runs[row].borrows ? tr("It begins with what other runs trained, and their time is not in it.") : QString();
    case AtEqual:
        return result.atEqual
                   ? tr("At step %1, after %2").arg(number(result.atEqual->step), amountText(result.atEqual->at(m_equal), m_equal))
                   : tr("It had measured nothing yet when the shortest run had taken as much");
    case Best:
        return result.best ? tr("At step %1, after %2").arg(number(result.best->step), amountText(result.best->at(m_equal), m_equal))
                           : QString();
    case Device:
    case Wall:
        return m_runs[row].borrows ? tr("And what other runs took that trained its modules") : QString();
    default:
        return {};
    }
}

QVariant CompareModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    const QString metric = qstr(runs::metricTitle(m_comparison.metric));
    if (role == Qt::TextAlignmentRole)
        return QVariant(int(Qt::AlignVCenter | (section == Run ? Qt::AlignLeft : Qt::AlignRight)));
    if (role == Qt::ToolTipRole)
        switch (section) {
        case AtEqual:
            return tr("The newest %1 that was measured when each run had taken as much as the shortest").arg(metric);
        case Reached:
            return tr("What it had taken when it was as good as the best of the baseline");
        case SpeedUp:
            return tr("How many times as fast as the baseline it came there");
        case Device:
            return tr("Seconds of training of all modules, ranks and devices together");
        case Wall:
            return tr("Time on the wall while any part of it trained: what stands side by side counts once");
        default:
            return {};
        }
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Run:
        return tr("Run");
    case AtEqual:
        return tr("%1 at %2").arg(metric, amountText(m_comparison.equal, m_equal));
    case Best:
        return tr("Best");
    case Reached:
        return tr("As good after");
    case SpeedUp:
        return tr("Speed-up");
    case Device:
        return tr("Device time");
    default:
        return tr("Wall-clock");
    }
}

} // namespace espalier::widgets
