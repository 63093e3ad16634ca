// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::runs {

/// Says to the other runs of this machine that devices are in use: flock on a file for each, freed by the kernel with the last process
/// that holds it. The locks only exclude: who comes next is for the queue to say. In each file stands, for people, whose run it is.
class DeviceLocks {
public:
    enum class How { Shared, Alone };

    /// Takes all of them or none, at once. `devices` are UUIDs of GPUs, or "cpu". A Busy error names the one that is held.
    static Result<DeviceLocks> take(const std::vector<std::string>& devices, How how);
    DeviceLocks() = default;
    DeviceLocks(DeviceLocks&&) noexcept;
    DeviceLocks& operator=(DeviceLocks&&) noexcept;
    ~DeviceLocks();

    /// Writes into the files that this process uses the devices for `run`. What cannot be written is left out: the locks hold all the same.
    void sayWho(const std::filesystem::path& run) const;

    const std::vector<std::string>& devices() const { return m_devices; }
    /// For children to inherit: they hold the locks too.
    const std::vector<int>& fds() const { return m_fds; }

private:
    std::vector<std::string> m_devices;
    std::vector<int> m_fds;
    How m_how = How::Shared;
};

/// Who uses a device just now.
struct DeviceUse {
    bool inUse = false;
    std::vector<std::filesystem::path> runs; // as far as they said so
};
/// Takes nothing that another run could miss.
DeviceUse useOf(const std::string& device);
/// Whether a run of this machine uses the device just now.
bool isInUse(const std::string& device);
/// $ESPALIER_DEVICE_LOCKS, else a folder of this machine that all its users share.
std::filesystem::path deviceLockFolder();

} // namespace espalier::runs
