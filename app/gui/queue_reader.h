// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/queue.h"
#include "widgets/device_values.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace espalier::gui {

/// The queue of this user in words: who waits, for what, and why still. One thread.
class QueueReader {
public:
    /// The same queue that espalier-cli uses, whichever library is shown.
    QueueReader();
    std::filesystem::path folder() const;
    const runs::Queue& queue() const { return m_queue; }
    bool anyWaits() const { return !m_shown.entries.empty(); }
    /// Nothing when it would read the same. `runs` are the folders that the window knows, as it writes them.
    std::optional<widgets::QueueView> read(const std::set<std::filesystem::path>& runs,
                                           const std::map<std::string, std::string>& deviceNames);

private:
    runs::Queue m_queue;
    widgets::QueueView m_shown;
};

} // namespace espalier::gui
