// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/gui/engine_events.h"
#include "core/machine/gpus.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace espalier::gui {

/// What the machine has, how busy it is and which runs use it. One thread.
class MachineReader {
public:
    /// Nothing when it would read the same. `disk` is a folder on the disk to tell about.
    std::optional<MachineChanged> read(const std::filesystem::path& disk);
    std::vector<std::string> gpuNames() const;
    /// "GPU 1" of each UUID.
    std::map<std::string, std::string> deviceNames() const;

private:
    std::optional<int> cpuLoad();

    machine::Gpus m_gpus;
    std::vector<machine::Gpu> m_found; // at the last look
    widgets::CpuView m_cpu;            // what does not change
    bool m_cpuKnown = false;
    std::optional<widgets::MachineView> m_shown;
    std::uint64_t m_busy = 0, m_all = 0; // of /proc/stat
};

} // namespace espalier::gui
