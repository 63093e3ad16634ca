// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/waiting_runs.h"

#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "widgets/library_model.h"
#include "widgets/queue_panel.h"

namespace espalier::gui {

using namespace widgets;

WaitingRuns::WaitingRuns(RunController* controller, LibraryModel* library, RunPage* page, QWidget* window)
    : QObject(window), m_controller(controller), m_library(library), m_page(page), m_panel(new QueuePanel(window))
{
    connect(controller, &RunController::queueChanged, this, &WaitingRuns::takeQueue);
    connect(m_panel, &QueuePanel::moveRequested, controller, &RunController::moveInQueue);
    connect(m_panel, &QueuePanel::removeRequested, controller, &RunController::removeFromQueue);
    connect(m_panel, &QueuePanel::startRequested, controller, &RunController::startQueuedNow);
    connect(m_panel, &QueuePanel::selectedRun, this, [this](const QString& folder) {
        if (m_library->find(folder.toStdString()) != nullptr)
            Q_EMIT runChosen(folder);
        else
            Q_EMIT message(QStringLiteral("%1 lies in another library: %2").arg(folder.section(QLatin1Char('/'), -1), folder));
    });
}

void WaitingRuns::takeQueue(const QueueView& queue)
{
    m_queue = queue;
    m_panel->setQueue(queue);
    m_library->setQueue(queue);
    m_page->setQueue(queue);
}

void WaitingRuns::startShownNow()
{
    if (const int place = m_queue.placeOf(m_page->run().folder); place > 0)
        m_controller->startQueuedNow(qstr(m_queue.entries[static_cast<std::size_t>(place) - 1].id));
}

} // namespace espalier::gui
