// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/machine_reader.h"

#include "core/machine/cpu.h"
#include "core/machine/memory.h"
#include "widgets/format.h"

#include <QStringList>

#include <fstream>

namespace espalier::gui {

using widgets::qstr;

namespace {

QString gpuText(const machine::Gpu& gpu)
{
    QString line = QStringLiteral("GPU %1").arg(gpu.index);
    if (gpu.utilisationPercent)
        line += QStringLiteral("  %1 %").arg(*gpu.utilisationPercent);
    if (gpu.totalBytes > 0)
        line += QStringLiteral("  ") + widgets::bytes(gpu.totalBytes - gpu.freeBytes);
    if (gpu.celsius)
        line += QStringLiteral("  %1 °C").arg(*gpu.celsius);
    return line;
}

} // namespace

QString MachineReader::cpuText()
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
    QString text = QStringLiteral("CPU");
    if (m_all > 0 && all > m_all)
        text += QStringLiteral(" %1 %").arg(qRound(100.0 * static_cast<double>(busy - m_busy) / static_cast<double>(all - m_all)));
    m_busy = busy;
    m_all = all;
    return text;
}

std::optional<MachineChanged> MachineReader::read(const std::filesystem::path& disk)
{
    MachineChanged event;
    std::error_code error;
    if (const auto space = std::filesystem::space(disk, error); !error)
        event.machine.diskFree = space.available;
    event.machine.devices = cpuText();
    const auto gpus = m_gpus.read();
    QStringList each;
    for (const auto& gpu : gpus)
        each << gpuText(gpu);
    if (!each.isEmpty())
        event.machine.devices = each.join(QStringLiteral("     "));
    const auto roundedDisk = event.machine.diskFree / 1'000'000'000;
    if (event.machine.devices == m_shown && roundedDisk == m_shownDisk)
        return std::nullopt;
    m_shown = event.machine.devices;
    m_shownDisk = roundedDisk;

    if (m_cpuName.isEmpty()) {
        const auto cpu = machine::cpu();
        m_cpuName =
            QStringLiteral("%1, %2 core%3").arg(qstr(cpu.model)).arg(cpu.cores).arg(cpu.cores == 1 ? QString() : QStringLiteral("s"));
    }
    event.gpus = static_cast<int>(gpus.size());
    event.hostBytes = machine::hostMemory().totalBytes;
    event.gpuBytes = gpus.empty() ? 0 : gpus.front().totalBytes;
    event.deviceName = gpus.empty() ? m_cpuName : qstr(gpus.front().name);
    return event;
}

std::vector<std::string> MachineReader::gpuNames() const
{
    std::vector<std::string> names;
    for (const auto& gpu : m_gpus.read())
        names.push_back(gpu.name);
    return names;
}

} // namespace espalier::gui
