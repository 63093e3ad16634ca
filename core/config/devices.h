// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace espalier::config {

enum class DeviceKind { Auto, Cpu, Gpu };

/// What `devices` asks for, before anybody looked at the machine.
struct DeviceAsk {
    DeviceKind kind = DeviceKind::Auto;
    int count = 1;            // workers of cpu:N, GPUs of a list; 1 with auto
    std::vector<int> indices; // GPU numbers in the order given: rank i gets indices[i]
    bool operator==(const DeviceAsk&) const = default;
};

/// Reads "auto", "cpu", "cpu:4" or "0,1".
Result<DeviceAsk> parseDevices(std::string_view text);
/// The text that parseDevices reads.
std::string devicesText(const DeviceAsk& ask);

} // namespace espalier::config
