// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine_events.h"
#include "core/machine/gpus.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::gui {

/// What the machine has and how busy it is, in words for the status bar. One thread.
class MachineReader {
public:
    /// Nothing when the words would be the same. `disk` is a folder on the disk to tell about.
    std::optional<MachineChanged> read(const std::filesystem::path& disk);
    std::vector<std::string> gpuNames() const;

private:
    QString cpuText();

    machine::Gpus m_gpus;
    QString m_cpuName, m_shown;
    std::uint64_t m_shownDisk = 0;
    std::uint64_t m_busy = 0, m_all = 0; // of /proc/stat
};

} // namespace espalier::gui
