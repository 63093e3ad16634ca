// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/console.h"
#include "app/cli/owned_run.h"
#include "app/cli/signals.h"
#include "core/runs/device_locks.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

/// Devices that a run may use, and what keeps them.
struct DevicesTaken {
    std::vector<std::string> devices; // one worker each: "cpu", "cuda:0"
    runs::DeviceLocks locks;
};

/// Waits in the library's queue until the devices of `setting` are free for this run alone; "auto" takes any one GPU. The run is Queued
/// meanwhile. A Cancelled error, with the run Stopped, when a signal, a wish or `espalier-cli queue remove` takes it out; `queue start`
/// ends the waiting, and the devices are shared.
Result<DevicesTaken> waitForDevices(OwnedRun& run, std::string_view setting, Signals& signals, Console& console);
/// Uses devices without waiting: beside other runs that do the same. Notes when a run of the queue has them for itself.
DevicesTaken useDevices(const runs::RunFolder& run, std::vector<std::string> devices, Console& console);

} // namespace espalier::cli
