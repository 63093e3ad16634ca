// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/runs/run_folder.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::gui {

/// The lines of a run's log as they come. One thread.
class LogReader {
public:
    explicit LogReader(runs::RunFolder folder) : m_folder(std::move(folder)) {}
    /// What came since the last call. The first one gives the end of launch.log before it, and of a long log its last megabyte.
    std::vector<std::string> read();

private:
    runs::RunFolder m_folder;
    bool m_begun = false;
    std::uint64_t m_offset = 0;
    std::string m_rest; // a line without its end yet
};

} // namespace espalier::gui
