// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/library_model.h"

#include "core/runs/metrics.h"

#include "widgets/format.h"
#include "widgets/state_look.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace espalier::widgets {

int LibraryModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_runs.size());
}

QVariant LibraryModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const auto& run = m_runs[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return qstr(run.name);
    case Qt::ToolTipRole: {
        QString tip = qstr(run.folder.string());
        if (!run.problem.empty())
            tip += QLatin1Char('\n') + qstr(run.problem);
        else if (!run.why.empty())
            tip += QLatin1Char('\n') + qstr(run.why);
        return tip;
    }
    case Qt::AccessibleTextRole:
        return QStringLiteral("%1, %2, %3 %")
            .arg(qstr(run.name), queuedWords(run.state, m_queue.placeOf(run.folder)))
            .arg(static_cast<int>(run.progress.fraction * 100));
    case SummaryRole:
        return QVariant::fromValue(&run);
    case FolderRole:
        return qstr(run.folder.string());
    case PlaceRole:
        return m_queue.placeOf(run.folder);
    default:
        return {};
    }
}

void LibraryModel::apply(const std::vector<runs::RunSummary>& changed, const std::vector<std::filesystem::path>& gone)
{
    for (const auto& folder : gone) {
        const auto it = std::find_if(m_runs.begin(), m_runs.end(), [&](const auto& run) { return run.folder == folder; });
        if (it == m_runs.end())
            continue;
        const int row = static_cast<int>(it - m_runs.begin());
        beginRemoveRows({}, row, row);
        m_runs.erase(it);
        endRemoveRows();
    }
    std::vector<runs::RunSummary> added;
    for (const auto& run : changed) {
        const auto it = std::find_if(m_runs.begin(), m_runs.end(), [&](const auto& known) { return known.folder == run.folder; });
        if (it == m_runs.end()) {
            added.push_back(run);
            continue;
        }
        *it = run;
        const auto at = index(static_cast<int>(it - m_runs.begin()));
        Q_EMIT dataChanged(at, at);
    }
    if (added.empty())
        return;
    const int first = static_cast<int>(m_runs.size());
    beginInsertRows({}, first, first + static_cast<int>(added.size()) - 1);
    m_runs.insert(m_runs.end(), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
    endInsertRows();
}

void LibraryModel::setQueue(const QueueView& queue)
{
    const auto before = std::exchange(m_queue, queue);
    for (int row = 0; row < rowCount(); ++row) {
        const auto& folder = m_runs[static_cast<std::size_t>(row)].folder;
        if (before.placeOf(folder) != queue.placeOf(folder))
            Q_EMIT dataChanged(index(row), index(row), {PlaceRole, Qt::AccessibleTextRole});
    }
}

void LibraryModel::clear()
{
    if (m_runs.empty())
        return;
    beginResetModel();
    m_runs.clear();
    endResetModel();
}

const runs::RunSummary* LibraryModel::find(const std::filesystem::path& folder) const
{
    const auto it = std::find_if(m_runs.begin(), m_runs.end(), [&](const auto& run) { return run.folder == folder; });
    return it == m_runs.end() ? nullptr : &*it;
}

int LibraryModel::liveCount() const
{
    return static_cast<int>(std::count_if(m_runs.begin(), m_runs.end(), [](const auto& run) { return runs::isLive(run.state); }));
}

LibraryFilter::LibraryFilter(QObject* parent) : QSortFilterProxyModel(parent)
{
    setDynamicSortFilter(true);
    sort(0);
}

void LibraryFilter::setWords(const QString& text)
{
    m_words = text.split(QLatin1Char(' '), Qt::SkipEmptyParts);
    invalidateFilter();
}

void LibraryFilter::setOrder(Order order)
{
    m_order = order;
    invalidate();
}

bool LibraryFilter::filterAcceptsRow(int row, const QModelIndex& parent) const
{
    if (m_words.isEmpty())
        return true;
    const auto* run = sourceModel()->index(row, 0, parent).data(LibraryModel::SummaryRole).value<const runs::RunSummary*>();
    const QString all = QStringList{qstr(run->name),     qstr(run->title),      modelName(qstr(run->model)),
                                    qstr(run->model),    qstr(run->dataset),    datasetName(qstr(run->dataset)),
                                    qstr(run->schedule), stateWords(run->state)}
                            .join(QLatin1Char(' '));
    return std::all_of(m_words.begin(), m_words.end(), [&](const QString& word) { return all.contains(word, Qt::CaseInsensitive); });
}

bool LibraryFilter::lessThan(const QModelIndex& left, const QModelIndex& right) const
{
    const auto* a = left.data(LibraryModel::SummaryRole).value<const runs::RunSummary*>();
    const auto* b = right.data(LibraryModel::SummaryRole).value<const runs::RunSummary*>();
    constexpr double kNone = 1e300;
    switch (m_order) {
    case Order::Recent: // live runs first and still, others by when they last moved
        if (runs::isLive(a->state) != runs::isLive(b->state))
            return runs::isLive(a->state);
        if (runs::isLive(a->state))
            return std::tie(b->created, a->name) < std::tie(a->created, b->name);
        return std::tie(b->changed, a->name) < std::tie(a->changed, b->name);
    case Order::Name:
        return qstr(a->name).compare(qstr(b->name), Qt::CaseInsensitive) < 0;
    case Order::State:
        return std::tie(a->state, a->name) < std::tie(b->state, b->name);
    case Order::Progress:
        return std::tie(b->progress.fraction, a->name) < std::tie(a->progress.fraction, b->name);
    case Order::Metric: {
        const double x = a->bestMetric.value_or(kNone), y = b->bestMetric.value_or(kNone);
        return std::tie(x, a->name) < std::tie(y, b->name);
    }
    }
    return false;
}

QString summaryNote(const runs::RunSummary& run, int queuePlace)
{
    if (run.damaged)
        return QStringLiteral("damaged");
    if (run.state == runs::RunState::Training && run.progress.etaSeconds)
        return QStringLiteral("ETA ") + duration(*run.progress.etaSeconds);
    if (run.state == runs::RunState::Training && run.progress.fraction > 0)
        return QStringLiteral("%1 %").arg(static_cast<int>(run.progress.fraction * 100));
    if (run.state == runs::RunState::Finished && run.bestMetric)
        return qstr(runs::metricTitle(run.bestMetricName)) + QLatin1Char(' ') + value(*run.bestMetric, 3);
    return queuedWords(run.state, queuePlace).toLower();
}

QString summaryLine(const runs::RunSummary& run)
{
    QStringList parts;
    if (!run.model.empty())
        parts << modelName(qstr(run.model));
    if (!run.dataset.empty())
        parts << datasetName(qstr(run.dataset));
    if (!run.schedule.empty() && run.schedule != "plain")
        parts << scheduleName(qstr(run.schedule));
    return parts.join(QStringLiteral(" · "));
}

} // namespace espalier::widgets
