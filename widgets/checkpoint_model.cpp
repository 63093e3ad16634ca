// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/checkpoint_model.h"

#include "core/base/text.h"
#include "core/runs/retention.h"
#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/stage_words.h"
#include "widgets/table_parts.h"

#include <algorithm>

namespace espalier::widgets {

namespace {

/// Why it was written, as a person says it.
QString becauseText(const std::string& because)
{
    static const std::pair<const char*, const char*> kWords[] = {
        {"interval", QT_TR_NOOP("at its interval")},      {"wish", QT_TR_NOOP("asked for")}, {"pause", QT_TR_NOOP("at a pause")},
        {"search", QT_TR_NOOP("at the end of a search")}, {"stop", QT_TR_NOOP("at a stop")}, {"finish", QT_TR_NOOP("at the end")},
        {"stage", QT_TR_NOOP("at the end of a stage")}};
    for (const auto& [word, text] : kWords)
        if (because == word)
            return CheckpointModel::tr(text);
    return QString::fromStdString(because);
}

QString keptText(const std::string& kept)
{
    if (kept == "newest" || kept == "best" || kept == "by hand")
        return kept == "newest" ? CheckpointModel::tr("newest")
               : kept == "best" ? CheckpointModel::tr("best")
                                : CheckpointModel::tr("by hand");
    return QString::fromStdString(kept);
}

bool sameEntry(const runs::CheckpointEntry& a, const runs::CheckpointEntry& b)
{
    return a.step == b.step && a.folder == b.folder && a.time == b.time && a.bytes == b.bytes;
}

} // namespace

void CheckpointModel::setEntries(std::vector<runs::CheckpointEntry> entries, const config::CheckpointConfig& config)
{
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    std::vector<runs::StoredCheckpoint> stored;
    for (const runs::CheckpointEntry& entry : entries)
        stored.push_back({entry.step, entry.metric, entry.keptByHand, entry.because == "stage"});
    std::vector<QString> kept;
    for (const runs::CheckpointEntry& entry : entries)
        kept.push_back(keptText(runs::keptBecause(config, stored, entry.step)));

    const std::size_t old = m_entries.size();
    const bool grew = entries.size() >= old && std::equal(m_entries.begin(), m_entries.end(), entries.begin(), sameEntry);
    if (!grew) {
        beginResetModel();
        m_entries = std::move(entries);
        m_kept = std::move(kept);
        endResetModel();
        return;
    }
    const auto now = static_cast<int>(entries.size());
    const std::vector<QString> keptOld(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(old));
    std::copy(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(old), m_entries.begin()); // metrics come later
    m_kept = keptOld;
    if (entries.size() > old) {
        beginInsertRows({}, static_cast<int>(old), now - 1);
        m_entries = std::move(entries);
        m_kept = std::move(kept);
        endInsertRows();
    }
    if (old > 0)
        Q_EMIT dataChanged(index(0, 0), index(static_cast<int>(old) - 1, kColumns - 1));
}

void CheckpointModel::setCheck(std::int64_t step, const CheckpointCheck& check)
{
    m_checks[step] = check;
    if (const int row = rowOf(step); row >= 0)
        Q_EMIT dataChanged(index(row, Check), index(row, Check));
}

CheckpointCheck CheckpointModel::check(std::int64_t step) const
{
    const auto found = m_checks.find(step);
    return found == m_checks.end() ? CheckpointCheck() : found->second;
}

int CheckpointModel::rowOf(std::int64_t step) const
{
    for (std::size_t i = 0; i < m_entries.size(); ++i)
        if (m_entries[i].step == step)
            return static_cast<int>(i);
    return -1;
}

int CheckpointModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_entries.size());
}

int CheckpointModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

bool CheckpointModel::isBest(int row) const
{
    const auto& mine = entry(row).metric;
    return mine && std::none_of(m_entries.begin(), m_entries.end(),
                                [&](const auto& other) { return other.metric && other.metric->betterThan(*mine); });
}

QVariant CheckpointModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const int row = index.row(), column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return display(row, column);
    case kRawRole:
        return raw(row, column);
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (column == Step || column == Size || column == Distance ? Qt::AlignRight : Qt::AlignLeft)));
    case kDimRole:
        return column == When || column == Because || (column == Kept && m_kept[static_cast<std::size_t>(row)].isEmpty()) ||
               (column == Check && check(entry(row).step).state == CheckpointCheck::NotChecked);
    case kFailureRole:
        return column == Check && check(entry(row).step).state == CheckpointCheck::Damaged;
    case kBestRole:
        return column == Distance && isBest(row);
    case Qt::ToolTipRole:
        if (column == Check) {
            const CheckpointCheck known = check(entry(row).step);
            return known.state == CheckpointCheck::Damaged ? known.sentence
                   : known.state == CheckpointCheck::Good  ? tr("Every shard has the size and SHA-256 of the manifest.")
                                                           : tr("\"Verify\" reads every shard and compares its SHA-256 with the manifest.");
        }
        if (column == Stage && entry(row).because == "stage")
            return stageOnCommandLine(entry(row).stage);
        if (column == Kept)
            return tr("Why retention does not remove it");
        return QString::fromStdString(entry(row).folder);
    default:
        return {};
    }
}

void CheckpointModel::setStageNames(const StageNames& names)
{
    if (names == m_names)
        return;
    m_names = names;
    if (rowCount() > 0)
        Q_EMIT dataChanged(index(0, Stage), index(rowCount() - 1, Stage));
}

QVariant CheckpointModel::display(int row, int column) const
{
    const runs::CheckpointEntry& e = entry(row);
    switch (column) {
    case Step:
        return groupedText(e.step);
    case Stage:
        return m_names.inSentence(e.stage);
    case Size:
        return e.bytes > 0 ? QString::fromStdString(bytesText(e.bytes)) : QStringLiteral("–");
    case When:
        return whenText(e.time, 0.0);
    case Check:
        switch (check(e.step).state) {
        case CheckpointCheck::NotChecked:
            return tr("not verified");
        case CheckpointCheck::Checking:
            return tr("verifying…");
        case CheckpointCheck::Good:
            return tr("✓ verified");
        case CheckpointCheck::Damaged:
            return tr("✕ damaged");
        }
        return {};
    case Distance:
        return e.metric ? metricText(e.metric->value) : QStringLiteral("–");
    case Because:
        return becauseText(e.because);
    case Kept: {
        const QString& kept = m_kept[static_cast<std::size_t>(row)];
        return kept.isEmpty() ? tr("may be removed") : kept;
    }
    default:
        return {};
    }
}

QVariant CheckpointModel::raw(int row, int column) const
{
    const runs::CheckpointEntry& e = entry(row);
    switch (column) {
    case Step:
        return QVariant(static_cast<qlonglong>(e.step));
    case Stage:
        return e.stage + 1;
    case Size:
        return QVariant(static_cast<qulonglong>(e.bytes));
    case When:
        return e.time;
    case Distance:
        return e.metric ? QVariant(e.metric->value) : QVariant(QString());
    default:
        return display(row, column);
    }
}

QVariant CheckpointModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(
            int(Qt::AlignVCenter | (section == Step || section == Size || section == Distance ? Qt::AlignRight : Qt::AlignLeft)));
    if (role != Qt::DisplayRole)
        return {};
    if (section == Distance) // of the newest that was measured
        for (auto entry = m_entries.rbegin(); entry != m_entries.rend(); ++entry)
            if (entry->metric)
                return QString::fromStdString(runs::metricTitle(entry->metric->metric));
    static const char* const kTitles[kColumns] = {QT_TR_NOOP("Step"),    QT_TR_NOOP("Stage"),       QT_TR_NOOP("Size"),
                                                  QT_TR_NOOP("When"),    QT_TR_NOOP("State"),       QT_TR_NOOP("Distance"),
                                                  QT_TR_NOOP("Written"), QT_TR_NOOP("Kept because")};
    return tr(kTitles[section]);
}

} // namespace espalier::widgets
