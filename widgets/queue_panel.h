// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/queue_model.h"

#include <QWidget>

class QLabel;
class QListView;
class QToolButton;

namespace espalier::widgets {

/// Below the library: the runs that wait for devices, what each waits for and why, and their order.
class QueuePanel : public QWidget {
    Q_OBJECT
public:
    explicit QueuePanel(QWidget* parent = nullptr);
    void setQueue(const QueueView& queue);
    QueueModel* model() const { return m_model; }

Q_SIGNALS:
    void selectedRun(const QString& folder);
    /// To that place, counted from 1.
    void moveRequested(const QString& id, int place);
    void removeRequested(const QString& id);
    /// Without waiting any longer.
    void startRequested(const QString& id);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void buildLayout();
    void connectSignals();
    void refresh();
    const QueueEntry* current() const;
    void moveBy(int rows);
    void showMenu(const QPoint& at);

    QueueModel* m_model;
    QListView* m_list;
    QLabel* m_count;
    QLabel* m_note;
    QToolButton* m_up;
    QToolButton* m_down;
    QToolButton* m_start;
    QToolButton* m_remove;
    QWidget* m_tools;
    QString m_problem;
};

} // namespace espalier::widgets
