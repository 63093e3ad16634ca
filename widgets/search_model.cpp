// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/search_model.h"

#include "widgets/format.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/table_parts.h"

#include <cmath>

namespace espalier::widgets {

QString costText(double cost, bool measured)
{
    if (!std::isfinite(cost) || cost <= 0.0)
        return QStringLiteral("–");
    if (!measured)
        return compact(cost) + QStringLiteral("FLOP");
    return cost < 1.0 ? metricText(cost * 1000.0) + QStringLiteral(" ms") : metricText(cost) + QStringLiteral(" s");
}

void SearchModel::setSearch(const SearchView& search)
{
    beginResetModel(); // another search, or a measurement that moves every rank
    m_search = search;
    endResetModel();
}

bool SearchModel::hasColumn(int column) const
{
    if (column == Loss)
        return m_search.results.trained;
    if (column == Ntk || column == Zico)
        return !m_search.results.trained;
    return true;
}

int SearchModel::rankOf(int row) const
{
    const auto& all = m_search.results.candidates;
    const double mine = all[static_cast<std::size_t>(row)].total;
    if (!std::isfinite(mine))
        return static_cast<int>(all.size());
    int better = 0;
    for (const auto& other : all)
        better += other.total < mine;
    return better + 1;
}

int SearchModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_search.results.candidates.size());
}

int SearchModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

QVariant SearchModel::raw(int row, int column) const
{
    const auto& candidate = m_search.results.candidates[static_cast<std::size_t>(row)];
    switch (column) {
    case Loss:
        return candidate.loss;
    case Ntk:
        return candidate.ntk;
    case Zico:
        return candidate.zico;
    case Cost:
        return candidate.seconds;
    case Score:
        return candidate.total;
    case Rank:
        return rankOf(row);
    case Chosen:
        return candidate.chosen ? 0 : 1; // sorted upwards it comes first
    default:
        return qstr(candidate.name);
    }
}

QString SearchModel::display(int row, int column) const
{
    const auto& candidate = m_search.results.candidates[static_cast<std::size_t>(row)];
    const auto ranked = [&](const QString& text, double rank) {
        return m_search.results.trained ? text : QStringLiteral("%1  (%2)").arg(text).arg(rank);
    };
    switch (column) {
    case Cost:
        return ranked(costText(candidate.seconds, m_search.measured), candidate.timeRank);
    case Ntk:
        return ranked(metricText(candidate.ntk), candidate.ntkRank);
    case Zico:
        return ranked(metricText(candidate.zico), candidate.zicoRank);
    case Rank:
        return QString::number(rankOf(row));
    case Chosen:
        return candidate.chosen ? QStringLiteral("✓ chosen") : QString();
    case Candidate:
        return qstr(candidate.name);
    default:
        return metricText(raw(row, column).toDouble());
    }
}

QVariant SearchModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    switch (role) {
    case Qt::DisplayRole:
        return display(index.row(), index.column());
    case kRawRole:
        return raw(index.row(), index.column());
    case kBestRole:
        return m_search.results.candidates[static_cast<std::size_t>(index.row())].chosen;
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (index.column() == Candidate || index.column() == Chosen ? Qt::AlignLeft : Qt::AlignRight)));
    default:
        return {};
    }
}

QVariant SearchModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(int(Qt::AlignVCenter | (section == Candidate || section == Chosen ? Qt::AlignLeft : Qt::AlignRight)));
    if (role == Qt::ToolTipRole)
        switch (section) {
        case Candidate:
            return m_search.results.trained ? tr("Side in pixels of what the network sees, and depth")
                                            : tr("Side in pixels of what the network sees, and level of unfreezing");
        case Loss:
            return tr("Mean loss of this sub-network of the supernet, on the same images for all");
        case Ntk:
            return tr("Minus the condition number of the tangent kernel: more is better. In brackets its rank.");
        case Zico:
            return tr("ZiCo: how strong and steady the gradients are; more is better. In brackets its rank.");
        case Cost:
            return m_search.measured ? tr("Forward and backward pass of a batch, on this machine") : tr("Operations of one image");
        case Score:
            return m_search.results.trained ? tr("Loss × time^%1: least is best").arg(m_search.results.exponent, 0, 'g', 3)
                                            : tr("Weighted sum of the ranks: least is best");
        default:
            return {};
        }
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Loss:
        return tr("Mean loss");
    case Ntk:
        return tr("NTK");
    case Zico:
        return tr("ZiCo");
    case Cost:
        return m_search.measured ? tr("Time") : tr("Cost");
    case Score:
        return m_search.results.trained ? tr("Score") : tr("Votes");
    case Rank:
        return tr("Rank");
    case Chosen:
        return QString();
    default:
        return tr("Candidate");
    }
}

} // namespace espalier::widgets
