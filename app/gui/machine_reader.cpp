// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/machine_reader.h"

#include "core/machine/cpu.h"
#include "core/machine/memory.h"
#include "core/runs/device_locks.h"

#include <cmath>
#include <fstream>

namespace espalier::gui {

using widgets::qstr;

namespace {

/// As finely as it is shown: a byte more or less is no news.
std::uint64_t rounded(std::uint64_t bytes, std::uint64_t unit = 100'000'000)
{
    return bytes / unit * unit;
}

void addUse(widgets::DeviceView& device, const std::string& lock)
{
    const auto use = runs::useOf(lock);
    device.inUse = use.inUse;
    for (const auto& run : use.runs)
        device.runs << qstr(run.filename().string());
}

widgets::GpuView viewOf(const machine::Gpu& gpu)
{
    widgets::GpuView view;
    view.index = gpu.index;
    view.name = qstr(gpu.name);
    view.totalBytes = gpu.totalBytes;
    view.freeBytes = rounded(gpu.freeBytes);
    view.load = gpu.utilisationPercent;
    view.celsius = gpu.celsius;
    if (gpu.watts)
        view.watts = std::round(*gpu.watts);
    addUse(view, gpu.uuid);
    return view;
}

} // namespace

std::optional<int> MachineReader::cpuLoad()
{
    std::ifstream stat("/proc/stat");
    std::string word;
    std::uint64_t value = 0, all = 0, idle = 0;
    stat >> word;
    for (int i = 0; i < 8 && stat >> value; ++i) {
        all += value;
        if (i == 3 || i == 4)
            idle += value;
    }
    const auto busy = all - idle;
    std::optional<int> load;
    if (m_all > 0 && all > m_all)
        load = static_cast<int>(std::lround(100.0 * static_cast<double>(busy - m_busy) / static_cast<double>(all - m_all)));
    m_busy = busy;
    m_all = all;
    return load;
}

std::optional<MachineChanged> MachineReader::read(const std::filesystem::path& disk)
{
    widgets::MachineView view;
    std::error_code error;
    if (const auto space = std::filesystem::space(disk, error); !error)
        view.diskFree = rounded(space.available, 1'000'000'000);
    if (!std::exchange(m_cpuKnown, true)) {
        const auto cpu = machine::cpu();
        m_cpu.name = qstr(cpu.model);
        m_cpu.cores = cpu.cores;
    }
    view.cpu = m_cpu;
    const auto memory = machine::hostMemory();
    view.cpu.totalBytes = memory.totalBytes;
    view.cpu.freeBytes = rounded(memory.availableBytes);
    view.cpu.load = cpuLoad();
    addUse(view.cpu, "cpu");
    m_found = m_gpus.read();
    for (const auto& gpu : m_found)
        view.gpus.push_back(viewOf(gpu));
    view.whyNoGpu = qstr(m_gpus.reason());
    if (m_shown && *m_shown == view)
        return std::nullopt;
    m_shown = view;
    return MachineChanged{std::move(view)};
}

std::vector<std::string> MachineReader::gpuNames() const
{
    std::vector<std::string> names;
    for (const auto& gpu : m_gpus.read())
        names.push_back(gpu.name);
    return names;
}

std::map<std::string, std::string> MachineReader::deviceNames() const
{
    std::map<std::string, std::string> names;
    for (const auto& gpu : m_found)
        names[gpu.uuid] = "GPU " + std::to_string(gpu.index);
    return names;
}

} // namespace espalier::gui
