// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// The machine and the queue as the window shows them; filled in by the engine thread.

#include <QString>
#include <QStringList>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::widgets {

/// What both kinds of device have. What is not known is empty or 0.
struct DeviceView {
    QString name; // "NVIDIA H200", "AMD EPYC 9654"
    std::uint64_t totalBytes = 0, freeBytes = 0;
    std::optional<int> load; // per cent
    bool inUse = false;      // by a run of this machine
    QStringList runs;        // their names, as far as they said so
    bool operator==(const DeviceView&) const = default;
};
struct GpuView : DeviceView {
    int index = 0;
    std::optional<int> celsius;
    std::optional<double> watts;
    bool operator==(const GpuView&) const = default;
};
struct CpuView : DeviceView {
    int cores = 1;
    bool operator==(const CpuView&) const = default;
};

struct MachineView {
    std::vector<GpuView> gpus;
    CpuView cpu;
    QString whyNoGpu;           // a sentence; empty where there are GPUs
    std::uint64_t diskFree = 0; // bytes, of the library's disk
    bool operator==(const MachineView&) const = default;
};

/// A run that waits for devices.
struct QueueEntry {
    std::string id; // of its ticket
    std::filesystem::path run;
    QString waitsFor; // "GPU 0 and GPU 1"
    QString why;      // "GPU 1 is used by dit-a"
    double added = 0.0;
    bool startsNow = false; // it was told to wait no longer
    bool operator==(const QueueEntry&) const = default;
};
struct QueueView {
    std::vector<QueueEntry> entries; // in the order of the queue
    QString problem;                 // why they are not known
    /// The place of a run, counted from 1; 0: it does not wait.
    int placeOf(const std::filesystem::path& run) const
    {
        for (std::size_t i = 0; i < entries.size(); ++i)
            if (entries[i].run == run)
                return static_cast<int>(i) + 1;
        return 0;
    }
    bool operator==(const QueueView&) const = default;
};

} // namespace espalier::widgets
