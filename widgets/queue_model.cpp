// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/queue_model.h"

#include "widgets/device_words.h"
#include "widgets/run_values.h"

#include <algorithm>

namespace espalier::widgets {

void QueueModel::setQueue(const QueueView& queue)
{
    // Most news are reasons that changed: the rows stay, and with them what is selected.
    const bool same = std::equal(queue.entries.begin(), queue.entries.end(), m_entries.begin(), m_entries.end(),
                                 [](const auto& a, const auto& b) { return a.id == b.id; });
    if (!same) {
        beginResetModel();
        m_entries = queue.entries;
        endResetModel();
    } else if (m_entries != queue.entries) {
        m_entries = queue.entries;
        Q_EMIT dataChanged(index(0), index(rowCount() - 1));
    }
}

const QueueEntry* QueueModel::entry(int row) const
{
    return row >= 0 && row < rowCount() ? &m_entries[static_cast<std::size_t>(row)] : nullptr;
}

int QueueModel::rowOf(const std::string& id) const
{
    const auto at = std::find_if(m_entries.begin(), m_entries.end(), [&](const auto& entry) { return entry.id == id; });
    return at == m_entries.end() ? -1 : static_cast<int>(at - m_entries.begin());
}

int QueueModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_entries.size());
}

QVariant QueueModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const auto& entry = m_entries[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return qstr(entry.run.filename().string());
    case Qt::ToolTipRole:
        return QStringLiteral("%1\nWaits for %2: %3.").arg(qstr(entry.run.string()), entry.waitsFor, entry.why);
    case Qt::AccessibleTextRole:
        return QStringLiteral("%1, %2, waits for %3: %4")
            .arg(ordinal(index.row() + 1), qstr(entry.run.filename().string()), entry.waitsFor, entry.why);
    case EntryRole:
        return QVariant::fromValue(&entry);
    case FolderRole:
        return qstr(entry.run.string());
    default:
        return {};
    }
}

Qt::ItemFlags QueueModel::flags(const QModelIndex& index) const
{
    // Between rows a row can be dropped, onto another it cannot.
    return index.isValid() ? QAbstractListModel::flags(index) | Qt::ItemIsDragEnabled : Qt::ItemIsDropEnabled;
}

bool QueueModel::moveRows(const QModelIndex& from, int row, int count, const QModelIndex& to, int before)
{
    if (count != 1 || from.isValid() || to.isValid() || entry(row) == nullptr || before < 0 || before > rowCount() ||
        !beginMoveRows({}, row, row, {}, before))
        return false;
    const int place = before > row ? before - 1 : before; // it leaves its old place first
    auto moved = std::move(m_entries[static_cast<std::size_t>(row)]);
    m_entries.erase(m_entries.begin() + row);
    m_entries.insert(m_entries.begin() + place, std::move(moved));
    endMoveRows();
    Q_EMIT moveRequested(qstr(m_entries[static_cast<std::size_t>(place)].id), place + 1);
    return true;
}

} // namespace espalier::widgets
