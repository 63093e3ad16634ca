// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// Devices in words: what they do, and what a choice of them means for a run.

#include "core/base/json.h"
#include "widgets/device_values.h"
#include "widgets/plan_summary.h"

#include <string>

namespace espalier::widgets {

/// "97 % load", "61 GB of 80 GB free", "64 °C", "312 W": as far as they are known.
QString gpuFacts(const GpuView& gpu);
QString cpuFacts(const CpuView& cpu);
/// "used by dit-a and vit-b"; "free" where no run uses it.
QString useWords(const DeviceView& device);

/// For the status bar: how the devices of a run fare ("0,1", "cpu:2"; "" for no run: the whole machine), short.
QString statusWords(const MachineView& machine, const std::string& devices);
/// The same with everything that is known, a line for each device.
QString statusDetail(const MachineView& machine, const std::string& devices);

/// What the setting "devices" means on this machine: ranks, and their share of the batch. A problem says why it cannot be.
struct DeviceMeaning {
    QString text, problem;
    bool operator==(const DeviceMeaning&) const = default;
};
/// Of a configuration, whole or not; nothing of the batch where it cannot be read.
DeviceMeaning meaningOf(const std::string& devices, const Json& config, const MachineView& machine);

MachineFacts factsOf(const MachineView& machine);

/// "1st", "2nd", "3rd", "11th".
QString ordinal(int number);

} // namespace espalier::widgets
