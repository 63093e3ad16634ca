// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/device_values.h"
#include "widgets/run_values.h"

#include <QAbstractListModel>
#include <QSortFilterProxyModel>

#include <vector>

namespace espalier::widgets {

/// All runs of the library folder, one row each.
class LibraryModel : public QAbstractListModel {
    Q_OBJECT
public:
    enum Role {
        SummaryRole = Qt::UserRole + 1,
        FolderRole,
        PlaceRole
    }; // const runs::RunSummary*, valid until the next apply(); QString; int
    explicit LibraryModel(QObject* parent = nullptr) : QAbstractListModel(parent) {}

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;

    /// Runs that changed or are new, and folders that went away.
    void apply(const std::vector<runs::RunSummary>& changed, const std::vector<std::filesystem::path>& gone);
    void clear();
    /// The places of those that wait for devices.
    void setQueue(const QueueView& queue);
    const std::vector<runs::RunSummary>& runs() const { return m_runs; }
    const runs::RunSummary* find(const std::filesystem::path& folder) const;
    int liveCount() const;

private:
    std::vector<runs::RunSummary> m_runs;
    QueueView m_queue;
};

/// Filter words must all be found in name, model, data, schedule or state; sorting as chosen.
class LibraryFilter : public QSortFilterProxyModel {
    Q_OBJECT
public:
    enum class Order { Recent, Name, State, Progress, Metric };
    explicit LibraryFilter(QObject* parent = nullptr);
    void setWords(const QString& text);
    void setOrder(Order order);
    Order order() const { return m_order; }

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override;
    bool lessThan(const QModelIndex& left, const QModelIndex& right) const override;

private:
    QStringList m_words;
    Order m_order = Order::Recent;
};

/// "ETA 2 h 43 m", "FD 6.8", "paused": what stands at the right of a run's name.
QString summaryNote(const runs::RunSummary& run, int queuePlace = 0);
/// "U-Net · plain"
QString summaryLine(const runs::RunSummary& run);

} // namespace espalier::widgets

Q_DECLARE_METATYPE(const espalier::runs::RunSummary*)
