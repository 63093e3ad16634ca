// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/device_values.h"

#include <QAbstractListModel>

namespace espalier::widgets {

/// The runs that wait for devices, in their order.
class QueueModel : public QAbstractListModel {
    Q_OBJECT
public:
    enum Role { EntryRole = Qt::UserRole + 1, FolderRole }; // const QueueEntry*, valid until the next setQueue(); QString
    explicit QueueModel(QObject* parent = nullptr) : QAbstractListModel(parent) {}

    void setQueue(const QueueView& queue);
    const QueueEntry* entry(int row) const;
    int rowOf(const std::string& id) const; // -1: it does not wait any more

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    Qt::DropActions supportedDropActions() const override { return Qt::MoveAction; }
    /// One row, as a view does that it is dragged in: shown at once, and asked for.
    bool moveRows(const QModelIndex& from, int row, int count, const QModelIndex& to, int before) override;

Q_SIGNALS:
    /// To that place, counted from 1.
    void moveRequested(const QString& id, int place);

private:
    std::vector<QueueEntry> m_entries;
};

} // namespace espalier::widgets

Q_DECLARE_METATYPE(const espalier::widgets::QueueEntry*)
