// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/queue_reader.h"

#include "core/runs/lease.h"
#include "core/runs/queue_reasons.h"
#include "core/runs/run_folder.h"
#include "widgets/run_values.h"

#include <utility>

namespace espalier::gui {

namespace fs = std::filesystem;
using widgets::qstr;

QueueReader::QueueReader() : m_queue(runs::libraryFolder()) {}

fs::path QueueReader::folder() const
{
    return m_queue.file().parent_path();
}

std::optional<widgets::QueueView> QueueReader::read(const std::set<fs::path>& runs, const std::map<std::string, std::string>& deviceNames)
{
    widgets::QueueView view;
    const auto tickets = m_queue.tickets();
    if (!tickets) {
        view.problem = qstr(tickets.error().message);
    } else if (!tickets->empty()) {
        std::error_code error;
        std::map<fs::path, fs::path> known; // as tickets write it -> as the window does
        for (const auto& run : runs)
            known.emplace(fs::absolute(run, error).lexically_normal(), run);
        const auto waiting = runs::whyTheyWait(*tickets, runs::hostName());
        for (std::size_t i = 0; i < tickets->size(); ++i) {
            const auto& ticket = (*tickets)[i];
            const auto same = known.find(ticket.run);
            view.entries.push_back({ticket.id, same == known.end() ? ticket.run : same->second,
                                    qstr(runs::wishText(ticket.wish, deviceNames)),
                                    qstr(runs::waitText(waiting[i], *tickets, ticket, deviceNames)), ticket.added, ticket.now});
        }
    }
    if (view == m_shown)
        return std::nullopt;
    m_shown = view;
    return view;
}

} // namespace espalier::gui
